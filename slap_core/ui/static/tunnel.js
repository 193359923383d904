/* The tunnel test: a clip and a guess; what the methods believe stays sealed until the guess is made. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const answers = new Map(); // id -> how to draw it
  let guess = null; // {words, right}, once it is made
  let marks = null; // the guess that is being made
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const open = () => document.body.dataset.tunnel === "open";

  slap.mountAnswer = (element, props, watch, id) => {
    const host = document.getElementById(id);
    const show = () => {
      const view = props.value && JSON.parse(props.value);
      if (!view) return;
      const draw = () => slap.render(host, view, element.querySelector(".slap-host"));
      answers.set(id, draw);
      if (open() || view.state !== "ready") draw(); // a figure needs a width: it is drawn when it can be seen
    };
    watch("value", show);
    show();
  };

  slap.sealTunnel = () => {
    document.body.dataset.tunnel = "sealed";
    guess = null;
    if (innerWidth < 800) document.querySelector("#tunnel-views").scrollIntoView({ behavior: still() ? "auto" : "smooth" });
  };
  slap.surprise = () => {
    slap.sealTunnel();
    return [Math.floor(Math.random() * 1e6), "any", "any", "any", "any", "any", "generic"];
  };
  slap.tunnelRefused = () =>
    slap.status({
      state: "failed", stages: [],
      sentence: "The server could not take this scene: too many are waiting, or the connection was lost. Try again.",
    });

  function reveal(made) {
    guess = made;
    document.body.dataset.tunnel = "open";
    answers.forEach((draw) => draw());
    const target = document.querySelector("#view-beliefs");
    target.tabIndex = -1;
    target.focus({ preventScroll: true });
    target.scrollIntoView({ behavior: still() ? "auto" : "smooth", block: "start" });
  }

  /* A small looping film on a canvas; it stands still for those who asked for little motion. */
  function player(data, words) {
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
  }

  function strip(data, tags) {
    const list = make("ol", "slap-scenes");
    for (const frame of data.frames) {
      const tag = tags(frame);
      const item = make("li", `slap-scene is-${tag.kind}`);
      item.append(slap.picture(data.sprite, frame), make("span", "slap-time", `${frame}${tag.text ? ` ${tag.text}` : ""}`));
      list.append(item);
    }
    return list;
  }

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
    top.append(player(data, "The clip as the camera saw it"), form);
    body.replaceChildren(top, make("h3", "slap-subtitle", "Frame by frame"), strip(data, tags));
  };

  /* One belief: the thing, the third of the picture it is in, how sure, right or wrong; the same in words for the ear. */
  function cell(belief, frame) {
    const box = make("td", belief ? `slap-belief ${belief.right === false ? "is-wrong" : "is-right"}` : "slap-belief");
    box.setAttribute("role", "cell");
    if (!belief) return box;
    const seen = make("span", "slap-seen");
    seen.setAttribute("aria-hidden", "true");
    belief.more?.forEach((other) => seen.append(...cell({ ...other, more: [] }, frame).querySelector(".slap-seen").childNodes));
    seen.append(belief.picture ? Object.assign(make("img"), { src: belief.picture, alt: "" }) : make("span", "slap-none", "∅"));
    const bar = make("span", "slap-where");
    for (const third of [0, 1, 2]) bar.append(make("i", third === belief.place ? "is-there" : ""));
    seen.append(bar);
    if (belief.right !== undefined) seen.append(make("b", "", belief.right ? "✓" : "✗"));
    if (belief.sure !== undefined) seen.append(make("small", "", String(belief.sure)));
    box.append(seen, make("span", "slap-aloud", `frame ${frame}: ${belief.words}`));
    box.dataset.words = `Frame ${frame}: ${belief.words}.`;
    return box;
  }

  function line(name, summary, cells, own) {
    const row = make("tr", own ? "is-own" : "");
    row.setAttribute("role", "row");
    const head = make("th", "", name);
    head.scope = "row";
    head.setAttribute("role", "rowheader");
    if (summary) head.append(make("span", "slap-unit", summary));
    row.append(head, ...cells);
    return row;
  }

  slap.draw.beliefs = (body, { data }) => {
    const { frames, asked } = data;
    const grid = make("table", "slap-beliefs");
    grid.setAttribute("role", "table");
    grid.setAttribute("aria-label", "What each method believes, frame by frame");
    grid.style.setProperty("--frames", frames.length);
    const numbers = frames.map((frame) => {
      const head = make("th", frame === asked ? "is-asked" : "", frame === asked ? `${frame}?` : String(frame));
      head.scope = "col";
      head.setAttribute("role", "columnheader");
      return head;
    });
    const named = make("th", "", "frame");
    named.setAttribute("role", "columnheader");
    const head = make("tr", "slap-numbers");
    head.setAttribute("role", "row");
    head.append(named, ...numbers);
    const nothing = { picture: "", place: -1, words: "nothing" };
    const several = (things) => ({ ...(things[0] || nothing), more: things.slice(1), words: things.map((t) => t.words).join(", and ") || "nothing" });
    const truth = line("Truth", "", data.truth.map((things, k) => cell(several(things), frames[k])));
    const you = guess && line("You", `in frame ${asked}`, frames.map((frame) =>
      cell(frame === asked ? { ...guess, words: `${guess.words}, ${guess.right ? "right" : "wrong"}` } : null, frame)));
    grid.append(head, truth, ...(you ? [you] : []));
    data.rows.forEach((row) => grid.append(line(row.name, row.summary, row.cells.map((c, k) => cell(c, frames[k])), row.own)));

    const readout = make("p", "slap-readout", "Point at a cell, or use the arrow keys, to read it in words.");
    const cells = [...grid.querySelectorAll("td[data-words]")];
    let at = -1;
    const read = (next) => {
      if (!cells[next]) return;
      cells[at]?.classList.remove("is-cursor");
      at = next;
      cells[at].classList.add("is-cursor");
      readout.textContent = `${cells[at].closest("tr").querySelector("th").firstChild.textContent}. ${cells[at].dataset.words}`;
    };
    const to = (event) => read(cells.indexOf(event.target.closest("td[data-words]")));
    grid.addEventListener("pointerover", to);
    grid.addEventListener("click", to);
    grid.tabIndex = 0;
    grid.addEventListener("keydown", (event) => {
      const along = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const across = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (!along && !across) return;
      event.preventDefault();
      let next = cells[at];
      do next = next?.parentElement[across]?.cells[next.cellIndex];
      while (across && next && !next.dataset.words); // the person's own row has one cell only
      read(at < 0 ? 0 : along ? at + along : cells.indexOf(next));
      readout.setAttribute("aria-live", "polite");
    });

    const verdict = make("p", "slap-verdict");
    verdict.setAttribute("aria-live", "polite");
    verdict.textContent = guess
      ? `You guessed ${guess.words}: ${guess.right ? "✓ right" : "✗ wrong"}. ${data.others}`
      : `You did not guess. ${data.others}`;
    const top = make("div", "slap-stage is-answer");
    const beside = make("div");
    beside.append(verdict, strip(data, (frame) => ({ kind: frame === asked ? "asked" : "plain", text: "" })));
    top.append(player(data, "The clip, cut open"), beside);
    body.replaceChildren(top, make("h3", "slap-subtitle", "What each method believes"), make("p", "slap-legend", data.legend), grid, readout);
  };
})();
