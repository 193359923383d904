/* The tunnel test: a run with its ticket, the guess, and what stays sealed until it is made. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const tunnel = (slap.tunnel = { guess: null }); // guess: {words, picture, place, right}, once it is made
  const answers = new Map(); // id -> how to draw it
  let table = []; // what the address holds
  let ticket = null; // of the run that is shown; null once it is stopped
  let heard = false; // whether it has told anything
  let stopTime = -Infinity;
  let states = {}; // of the views, as far as they have come
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const open = () => document.body.dataset.tunnel === "open";
  const byId = (id) => document.getElementById(id);
  const scroll = (target) => target.scrollIntoView({ behavior: still() ? "auto" : "smooth", block: "start" });
  const say = (sentence, state = "empty") => slap.status?.({ state, stages: [], sentence });
  const STOPPED = "Stopped before this was computed. Press Run to begin again: the same choices give the same scene.";

  function running(yes) {
    for (const name of ["button-tunnel-run", "button-surprise"]) byId(name).disabled = yes;
    byId("button-tunnel-stop").disabled = !yes;
  }

  /* What carries another ticket is news of a run that was stopped. */
  const news = (props) => {
    const told = props.value && JSON.parse(props.value);
    return told && (told.run === (ticket ?? "")) ? told : null;
  };

  tunnel.mount = (element, props, watch, id, sealed) => {
    const host = byId(id);
    const render = (view) => slap.render(host, view, element.querySelector(".slap-host"));
    const show = () => {
      const view = news(props);
      if (!view) return;
      states[id] = view;
      const draw = () => render(states[id]);
      if (sealed) answers.set(id, draw);
      if (!sealed || open() || view.state !== "ready") draw(); // a figure needs a width: it is drawn when it can be seen
      if (!sealed && view.state === "ready") invite(host);
    };
    watch("value", show);
    show();
  };

  /* Who pressed Run by the keyboard goes on from the clip. */
  function invite(host) {
    if (document.activeElement !== document.body && !document.activeElement.closest("#tunnel-buttons")) return;
    host.tabIndex = -1;
    host.focus({ preventScroll: true });
  }

  tunnel.mountStatus = (element, props, watch) => {
    const known = {
      get value() {
        const told = news(props);
        if (!told) return "";
        heard = true;
        if (told.state !== "loading") running(false);
        return props.value;
      },
    };
    slap.mountStatus(element, known, watch);
  };

  tunnel.begin = (values) => {
    const given = values.slice(0, -1);
    ticket = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("");
    heard = false;
    tunnel.guess = null;
    document.body.dataset.tunnel = "sealed";
    slap.links.write(table, given);
    running(true);
    say("Waiting for a free place …", "loading");
    if (innerWidth < 800) scroll(byId("tunnel-views"));
    return [...given, ticket];
  };

  tunnel.surprise = () => [Math.floor(Math.random() * 1e6), ...table.slice(1).map((row) => row.initial), ""];

  /* What had come stays; what was still awaited says that it was not computed. */
  tunnel.stop = () => {
    ticket = null;
    stopTime = performance.now();
    running(false);
    for (const [id, view] of Object.entries(states)) {
      if (view.state !== "loading") continue;
      states[id] = { ...view, state: "empty", message: STOPPED };
      slap.render(byId(id), states[id]);
    }
    say("Stopped.");
  };

  /* Gradio reports a cancelled run as failed, too, and may do so once the next has begun: soon after a stop, a failure
   * counts only if that next run then stays silent. */
  tunnel.refused = () => {
    const late = performance.now() - stopTime < 15000;
    const mine = ticket;
    const tell = () => {
      if (mine === null || mine !== ticket || (late && heard)) return;
      tunnel.stop();
      say("The server could not take this scene: too many are waiting, or the connection was lost. Try again.", "failed");
    };
    setTimeout(tell, late ? 5000 : 0);
  };

  tunnel.copyLink = async (values) => {
    const copied = await slap.links.copy(table, values);
    const note = byId("tunnel-copied").querySelector("[aria-live]");
    note.textContent = copied ? "The link is copied." : `This browser copies nothing; here is the link: ${location.href}`;
  };

  tunnel.opened = (rows) => {
    table = rows;
    slap.opened();
    if (slap.links.says(table)) say("The link’s choices are filled in. Press Run.");
    return [...slap.links.read(table), ""];
  };

  function reveal(made) {
    tunnel.guess = made;
    document.body.dataset.tunnel = "open";
    const beliefs = states["view-beliefs"];
    if (made && beliefs.state === "empty") { // stopped before: at least the guess is answered
      states["view-beliefs"] = { ...beliefs, message: `You guessed ${made.words}: ${made.right ? "✓ right" : "✗ wrong"}. ${STOPPED}` };
    }
    answers.forEach((draw) => draw());
    const target = byId("view-beliefs");
    target.tabIndex = -1;
    // The verdict, which is read aloud then; while it is awaited, the place where it comes.
    (states["view-beliefs"].state === "ready" ? target.querySelector(".slap-verdict") : target).focus({ preventScroll: true });
    scroll(target);
  }

  /* A small looping film on a canvas; it stands still for those who asked for little motion. */
  tunnel.player = (data, words) => {
    const { sprite, fps } = data;
    const box = make("div", "slap-player");
    const canvas = make("canvas");
    Object.assign(canvas, { width: sprite.width, height: sprite.height });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    const button = make("button", "slap-play");
    button.type = "button";
    const range = make("input");
    Object.assign(range, { type: "range", min: 0, max: sprite.count - 1, value: 0 });
    range.setAttribute("aria-label", "Frame");
    const label = make("span", "slap-unit", "");
    const sheet = new Image();
    let timer = null;
    const paint = () => {
      const frame = Number(range.value);
      const [x, y] = [(frame % sprite.columns) * sprite.width, Math.floor(frame / sprite.columns) * sprite.height];
      canvas.getContext("2d").drawImage(sheet, x, y, sprite.width, sprite.height, 0, 0, sprite.width, sprite.height);
      label.textContent = `frame ${frame}`;
    };
    const step = () => {
      if (!canvas.isConnected) return stop();
      range.value = (Number(range.value) + 1) % sprite.count;
      paint();
    };
    function stop() {
      clearInterval(timer);
      timer = null;
      button.textContent = "Play";
    }
    function start() {
      timer = setInterval(step, 1000 / fps);
      button.textContent = "Pause";
    }
    button.addEventListener("click", () => (timer ? stop() : start()));
    range.addEventListener("input", () => {
      stop();
      paint();
    });
    stop();
    sheet.onload = () => {
      paint();
      if (!still()) setTimeout(start, 0);
    };
    sheet.src = sprite.src;
    const controls = make("div", "slap-player-controls");
    controls.append(button, range, label);
    box.append(canvas, controls);
    return box;
  };

  tunnel.strip = (data, tags) => {
    const list = make("ol", "slap-scenes");
    for (const frame of data.frames) {
      const tag = tags(frame);
      const item = make("li", `slap-scene is-${tag.kind}`);
      item.append(slap.picture(data.sprite, frame), make("span", "slap-time", `${frame}${tag.text ? ` ${tag.text}` : ""}`));
      list.append(item);
    }
    return list;
  };

  function choices(name, legend, options) {
    const field = make("fieldset", "slap-options");
    field.append(make("legend", "", legend));
    options.forEach(({ text, picture, value }) => {
      const label = make("label", "slap-option");
      const input = make("input");
      Object.assign(input, { type: "radio", name, value });
      label.append(input);
      if (picture) label.append(Object.assign(make("img"), { src: picture, alt: "" }));
      label.append(make("span", "", text));
      field.append(label);
    });
    return field;
  }

  slap.draw.guess = (body, { data, run }) => {
    if (body.dataset.run === run) return; // a change of theme must not undo a guess
    body.dataset.run = run;
    const [first, last] = data.hidden;
    const tags = (frame) => {
      if (data.anchors.includes(frame)) return { kind: "given", text: "given" };
      if (frame === data.asked) return { kind: "asked", text: "what is there?" };
      return frame >= first && frame <= last ? { kind: "hidden", text: "hidden" } : { kind: "plain", text: "" };
    };
    const form = make("form", "slap-guess");
    const things = data.things.map((thing, value) => ({ text: thing.name, picture: thing.picture, value }));
    const what = choices("what", `Behind the ${data.occluder} in frame ${data.asked} is`, [...things, { text: "nothing", value: -1 }]);
    const where = choices("where", "and it is", data.places.map((place, value) => ({
      text: place === "middle" ? "in the middle" : `on the ${place}`, value,
    })));
    const send = make("button", "slap-reveal", "Reveal");
    send.id = "button-reveal";
    send.disabled = true;
    const skip = make("button", "slap-skip", "Reveal without a guess");
    skip.type = "button";
    skip.addEventListener("click", () => reveal(null));
    let marks = null; // the guess that is being made
    form.addEventListener("change", () => {
      marks = new FormData(form);
      const nothing = marks.get("what") === "-1";
      where.disabled = nothing;
      send.disabled = marks.get("what") === null || (!nothing && marks.get("where") === null);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [thing, place] = [Number(marks.get("what")), Number(marks.get("where"))];
      const empty = thing < 0;
      const at = empty ? data.right.length - 1 : thing * data.places.length + place;
      const spot = data.places[place] === "middle" ? "in the middle" : `on the ${data.places[place]}`;
      reveal({
        words: empty ? "nothing" : `${data.things[thing].name} ${spot}`,
        picture: empty ? "" : data.things[thing].picture, place: empty ? -1 : place, right: data.right[at],
      });
    });
    const buttons = make("div", "slap-buttons");
    buttons.append(send, skip);
    form.append(what, where, buttons);
    const top = make("div", "slap-stage");
    top.append(tunnel.player(data, "The clip as the camera saw it"), form);
    body.replaceChildren(top, make("h3", "slap-subtitle", "Frame by frame"), tunnel.strip(data, tags));
  };
})();
