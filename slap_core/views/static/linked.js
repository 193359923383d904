/* What links the figures: one cursor, which is a frame, one lambda, and what an answer rests on. All of it happens in the browser.
 *
 *   slap.follow(name, f)   f(frame) is called when the cursor moves; null where there is none
 *   slap.point(frame, by)  the pointer is on a frame of the figure `by`, or has left it: the cursor goes back to where it is held
 *   slap.cursor()          the frame at the cursor, or null
 *   slap.rest(frame, by)   holds the cursor at a frame; slap.seek(frame, by) takes the video there as well
 *   slap.heed(name, f)     f(k) is called when another of the scanned lambdas is shown
 *   slap.turn(k, by)       the pointer is on the k-th lambda, or has left it (null); slap.hold(k) keeps it
 *   slap.lambda()          the lambda that is shown, or null
 *   slap.rests(found)      marks what an answer rests on, {frames, slots: [[frame, slot]], stretches: [[from, to]] in
 *                          seconds}, until slap.rests(null)
 *   slap.bear(name, f)     f(found) is called when that changes
 */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;

  function link() {
    const followers = new Map();
    let held = null, shown = null;
    const show = (value, by) => {
      if (value === shown) return;
      shown = value;
      followers.forEach((call, name) => name !== by && call(value));
    };
    return {
      follow: (name, call) => {
        followers.set(name, call);
        if (shown !== null) call(shown); // a figure that comes later joins in
      },
      point: (value, by) => (value === null ? show(held) : show(value, by)),
      hold: (value, by) => {
        held = value;
        show(value, by);
      },
      reset: (value) => {
        held = shown = null;
        if (value !== null) show((held = value));
      },
      held: () => held,
      shown: () => shown,
    };
  }

  const frames = link();
  const lambdas = link();
  const evidence = link();
  Object.assign(slap, { rests: evidence.hold, bear: evidence.follow });
  Object.assign(slap, { follow: frames.follow, point: frames.point, rest: frames.hold, cursor: frames.shown });
  Object.assign(slap, { heed: lambdas.follow, turn: lambdas.point, hold: lambdas.hold, held: lambdas.held, lambda: lambdas.shown });

  slap.seek = (frame, by) => {
    if (by !== "run") slap.halt?.();
    frames.hold(frame, by);
    const video = player();
    if (by !== "video" && frame !== null && video && video.paused) video.currentTime = slap.strip.times[frame] + 1e-3;
  };
  slap.newClip = () => {
    slap.halt?.();
    slap.selected = [];
    frames.reset(null);
  };

  slap.nearest = (values, value) => {
    let best = 0;
    values.forEach((other, i) => {
      if (Math.abs(other - value) < Math.abs(values[best] - value)) best = i;
    });
    return best;
  };

  /* A line across something that time runs along, where the cursor is; `along` from a frame to a share of its width. */
  slap.timeMark = (container, name, along) => {
    const mark = make("i", "slap-now");
    mark.hidden = true;
    container.append(mark);
    slap.follow(name, (frame) => {
      mark.hidden = frame === null;
      if (frame !== null) mark.style.left = `${100 * along(frame)}%`;
    });
    slap.restMark(container, name, (frame) => `${100 * along(frame)}%`);
  };

  /* A bracket over each stretch that an answer rests on; `at` from a frame to a place, which CSS can reckon with. */
  slap.restMark = (container, name, at) => {
    const place = () => container.querySelectorAll(":scope > .slap-rests").forEach((mark) => {
      const [from, to] = [mark.dataset.from, mark.dataset.to].map((time) => at(slap.nearest(slap.strip.times, Number(time))));
      mark.hidden = from === null || to === null;
      if (!mark.hidden) Object.assign(mark.style, { left: from, width: `calc(${to} - ${from})` });
    });
    slap.bear(name, (found) => {
      container.querySelectorAll(":scope > .slap-rests").forEach((mark) => mark.remove());
      for (const [from, to] of found?.stretches ?? []) {
        const mark = make("i", "slap-rests");
        Object.assign(mark.dataset, { from, to });
        container.append(mark);
      }
      place();
    });
    return place;
  };

  /* The words for the cursor: read aloud when a person steps, silent while the video plays. */
  slap.cursorLine = () => {
    const line = make("p", "slap-cursor");
    line.setAttribute("aria-live", "polite");
    const silent = "Point at a frame, step with ← and →, or play the video: every figure follows. Press ? for all keys.";
    line.textContent = silent;
    slap.follow("line", (frame) => {
      line.setAttribute("aria-live", slap.running || player()?.paused === false ? "off" : "polite");
      line.textContent = frame === null ? silent : words(frame);
    });
    return line;
  };

  function words(frame) {
    const sentence = slap.describeFrame(frame);
    const row = slap.drift ? slap.drift.dropped.indexOf(frame) : -1;
    const off = row < 0 ? [] : Object.entries(slap.drift.methods).map(([name, drift]) => `${name} ${drift[row].toPrecision(2)}`);
    return `${sentence[0].toUpperCase()}${sentence.slice(1)}${off.length ? `; drift: ${off.join(", ")}` : ""}.`;
  }

  /* The video that was uploaded: gradio may put another element in its place at any time. */
  const player = () => document.querySelector("#input-video video");
  const own = (event) => slap.strip && event.target === player();
  function listen() {
    const video = player();
    if (slap.strip && video) slap.seek(slap.nearest(slap.strip.times, video.currentTime), "video");
  }
  document.addEventListener("seeked", (event) => own(event) && event.target.paused && listen(), true);
  document.addEventListener(
    "play",
    (event) => {
      if (!own(event)) return;
      const follow = () => {
        if (!player() || player().paused) return; // whoever lets the cursor go after a pause has let it go
        listen();
        requestAnimationFrame(follow);
      };
      follow();
    },
    true,
  );

  const KEYS = [
    ["← →", "one frame back, one frame on"],
    ["Home, End", "first, last frame"],
    ["Space", "play or pause the video, or a run along the path where there is none"],
    ["[ ]", "smaller, larger λ"],
    ["K", "keep or drop the frame, while the frames that stay are chosen"],
    ["Esc", "let the cursor go"],
    ["?", "this list"],
  ];
  let help = null;
  function showHelp() {
    if (!help) {
      help = make("dialog", "slap-help");
      help.setAttribute("aria-label", "Keys");
      const list = make("dl");
      for (const [key, what] of KEYS) list.append(make("dt", "", key), make("dd", "", what));
      const close = make("button", "", "Close");
      close.type = "button";
      close.addEventListener("click", () => help.close());
      help.append(make("h2", "slap-title", "Keys"), list, close);
      document.body.append(help);
    }
    if (help.open) help.close();
    else help.showModal();
  }

  const TYPES_OR_SLIDES = "input, textarea, select, video, [contenteditable], [role=slider], [role=tab], [role=listbox]";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPES_OR_SLIDES)) return;
    if (event.key === "?") return showHelp();
    if (!slap.strip || help?.open) return;
    const last = slap.strip.times.length - 1;
    const here = frames.held();
    const to = {
      ArrowRight: here === null ? 0 : Math.min(here + 1, last),
      ArrowLeft: here === null ? last : Math.max(here - 1, 0),
      Home: 0, End: last, Escape: null,
    };
    if (event.key in to) slap.seek(to[event.key], "keys");
    else if (event.key === " " && !event.target.closest?.("button, summary, a")) play();
    else if (event.key.toLowerCase() === "k") slap.toggleKept?.(frames.held());
    else if ((event.key === "[" || event.key === "]") && slap.scan) slap.step(event.key === "[" ? -1 : 1);
    else return;
    event.preventDefault();
  });
  function play() {
    const video = player();
    if (video) video.paused ? video.play() : video.pause();
    else slap.running ? slap.halt() : slap.run?.();
  }

  /* Lambda: what the resonance curve carries for every lambda that was scanned. */
  slap.step = (by) => {
    const last = slap.scan.couplings.length - 1;
    slap.hold(Math.max(0, Math.min(last, (slap.held() ?? slap.scan.chosen) + by)));
  };
  slap.draw.resonance = (body, { data }) => {
    slap.scan = data.couplings ? data : null;
    if (slap.scan) lambdas.reset(data.chosen);
    slap.offerScan?.();
  };
})();
