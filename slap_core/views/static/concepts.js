/* The concept timeline: for each word the scores of the true frames, of SLAP and of SLERP over time, as strips of colour or
 * as lines with a band. Kept frames stand at full height, recovered ones at half. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const NS = "http://www.w3.org/2000/svg";
  const NAMES = ["true", "SLAP", "SLERP"];
  const COLOURS = ["--slap-ink", "--slap-vermillion", "--slap-blue"];
  const STRIP = 16, LINES = 124, EDGE = 16; // pixels; at the edges of the lines stand the scores
  const CROWDED = 7; // pixels for each frame below which frames bear no marks

  slap.wholes = (text) => new Int16Array(slap.bytes(text).buffer);

  slap.draw.concepts = (body, { data }) => {
    if (!data.words) {
      body.replaceChildren(); // no word: the message says so
      return;
    }
    const state = unpacked(data);
    let lines = false;
    const keys = make("div", "slap-keys");
    keys.setAttribute("role", "group");
    keys.setAttribute("aria-label", "How the scores are drawn");
    const choices = ["colours", "lines"].map((name, k) => {
      const key = make("button", "slap-key-all", name);
      key.type = "button";
      key.addEventListener("click", () => {
        lines = k === 1;
        paint();
      });
      keys.append(key);
      return key;
    });
    const scale = make("div", "slap-scale");
    const bar = make("i");
    bar.style.background = `linear-gradient(to right, ${data.colours.map((c) => `rgb(${c})`).join(", ")})`;
    scale.append(make("span", "", score(data.range[0])), bar, make("span", "", `${score(data.range[1])} cosine`));
    keys.append(scale);

    const rows = data.words.map((word, row) => {
      const part = make("div", "slap-concept");
      const head = make("h3", "slap-subtitle", word);
      const told = make("p", "slap-told");
      const names = make("div", "slap-names");
      const area = make("div", "slap-area");
      area.setAttribute("role", "img");
      area.setAttribute("aria-label", `“${word}” over time; ${means(state, row)}`);
      const canvas = make("canvas");
      const svg = document.createElementNS(NS, "svg");
      area.append(canvas, svg);
      area.addEventListener("pointermove", (event) => slap.point(under(area, event), "pointer"));
      area.addEventListener("pointerleave", () => slap.point(null, "pointer"));
      area.addEventListener("click", (event) => slap.seek(under(area, event), "pointer"));
      slap.timeMark(area, `concept ${row}`, state.along);
      part.append(head, told, names, area);
      return { part, told, names, area, canvas, svg };
    });
    const under = (area, event) => {
      const box = area.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return slap.nearest(data.times, state.start + share * state.length);
    };

    let frame = null;
    function tell() {
      rows.forEach(({ told }, row) => (told.textContent = frame === null ? means(state, row) : moment(state, row, frame, data)));
    }
    function paint() {
      choices.forEach((key, k) => key.setAttribute("aria-pressed", String(lines === (k === 1))));
      scale.hidden = lines;
      about.hidden = !lines || !state.band() || !data.about_band;
      rows.forEach((part, row) => {
        part.names.replaceChildren(...NAMES.map((name, k) => named(name, k, lines)));
        const width = part.area.clientWidth;
        if (width) (lines ? drawLines : drawStrips)(part, state, row, width, data);
      });
      tell();
    }
    const about = make("p", "slap-unit slap-about-band", data.about_band);
    const span = make("p", "slap-span slap-concept-span");
    span.append(make("span", "", `${state.start.toFixed(2)} s`), make("span", "", `${data.times.at(-1).toFixed(2)} s`));
    body.replaceChildren(keys, ...rows.map(({ part }) => part), span, about);
    slap.follow("concepts", (value) => {
      frame = value;
      tell();
    });
    slap.heed("concepts", (k) => {
      state.turn(k);
      paint();
    });
    body.slapWidth?.disconnect();
    body.slapWidth = new ResizeObserver(paint);
    body.slapWidth.observe(rows[0].area);
    paint();
  };

  const score = (value) => value.toFixed(2).replace("-", "−");

  function unpacked(data) {
    const { times, words, dropped, step, chosen } = data;
    const count = times.length, start = times[0];
    const length = Math.max(times[count - 1] - start, 1e-9);
    const all = slap.wholes(data.scores), radius = slap.wholes(data.radius), scan = slap.wholes(data.scan);
    const gone = new Map(dropped.map((frame, k) => [frame, k]));
    let k = chosen;
    const shown = () => k === chosen || !dropped.length;
    return {
      start, length, gone,
      along: (frame) => (times[frame] - start) / length,
      edge: (frame) => (frame <= 0 ? 0 : frame >= count ? 1 : ((times[frame - 1] + times[frame]) / 2 - start) / length),
      value: (method, row, frame) =>
        step * (method === 1 && !shown() && gone.has(frame)
          ? scan[(k * words.length + row) * dropped.length + gone.get(frame)]
          : all[(method * words.length + row) * count + frame]),
      radius: (row, frame) => step * radius[row * count + frame],
      band: () => shown() && dropped.length > 0,
      turn: (to) => (k = to),
    };
  }

  function means(state, row) {
    const frames = [...state.gone.keys()];
    if (!frames.length) return "";
    const mean = (method) => frames.reduce((sum, frame) => sum + state.value(method, row, frame), 0) / frames.length;
    return `missing frames, mean: ${NAMES.map((name, k) => `${name} ${score(mean(k))}`).join(" · ")}`;
  }

  function moment(state, row, frame, { times }) {
    const at = `${times[frame].toFixed(2)} s`;
    if (!state.gone.has(frame)) return `${at}, kept: ${score(state.value(0, row, frame))}`;
    const band = state.band() ? ` ± ${score(state.radius(row, frame))}` : "";
    return `${at}, missing: ${NAMES.map((name, k) => `${name} ${score(state.value(k, row, frame))}${k === 1 ? band : ""}`).join(" · ")}`;
  }

  function named(name, k, lines) {
    const label = make("span", "", name);
    if (lines) label.style.setProperty("--colour", `var(${COLOURS[k]})`);
    return label;
  }

  function colour(stops, share) {
    const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    return stops[low].map((value, i) => Math.round(value + (place - low) * (stops[low + 1][i] - value)));
  }

  function drawStrips({ part, canvas, svg, area }, state, row, width, data) {
    const marks = width / data.times.length >= CROWDED ? 10 : 5;
    const height = marks + NAMES.length * (STRIP + 3);
    const dense = window.devicePixelRatio || 1;
    part.classList.remove("is-lines");
    part.style.setProperty("--marks", `${marks}px`);
    area.style.height = `${height}px`;
    canvas.hidden = false;
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
    const context = canvas.getContext("2d");
    context.scale(dense, dense);
    const [low, high] = data.range;
    data.times.forEach((_, frame) => {
      const left = state.edge(frame) * width, right = state.edge(frame + 1) * width;
      NAMES.forEach((_, method) => {
        const recovered = method > 0 && state.gone.has(frame);
        const top = marks + method * (STRIP + 3) + (recovered ? STRIP / 4 : 0);
        context.fillStyle = `rgb(${colour(data.colours, (state.value(method, row, frame) - low) / Math.max(high - low, 1e-9))})`;
        context.fillRect(left, top, right - left + 0.4, recovered ? STRIP / 2 : STRIP); // no hairline between neighbours
      });
    });
    blank(svg, width, height);
    data.times.forEach((_, frame) => svg.append(mark(state.along(frame) * width, marks / 2, state.gone.has(frame), marks > 5, "slap-mark")));
  }

  function drawLines({ part, canvas, svg, area }, state, row, width, data) {
    part.classList.add("is-lines");
    canvas.hidden = true;
    area.style.height = `${LINES}px`;
    blank(svg, width, LINES);
    const frames = data.times.map((_, frame) => frame);
    const reach = frames.map((frame) => (state.band() ? state.radius(row, frame) : 0));
    const values = NAMES.flatMap((_, k) => frames.map((frame) => state.value(k, row, frame)));
    const low = Math.min(...values, ...frames.map((f) => state.value(1, row, f) - reach[f]));
    const high = Math.max(...values, ...frames.map((f) => state.value(1, row, f) + reach[f]));
    const y = (value) => LINES - EDGE - ((LINES - 2 * EDGE) * (value - low)) / Math.max(high - low, 1e-9);
    const x = (frame) => state.along(frame) * width;
    const line = (method, sign = 0) => frames.map((f) => `${x(f).toFixed(1)} ${y(state.value(method, row, f) + sign * reach[f]).toFixed(1)}`);
    if (state.band()) {
      svg.append(drawn("path", { d: `M${[...line(1, 1), ...line(1, -1).reverse()].join("L")}Z`, class: "slap-band" }));
    }
    for (const [at, value, off] of [[y(high), high, -4], [y(low), low, 12]]) {
      svg.append(drawn("line", { x1: 0, x2: width, y1: at, y2: at, class: "slap-grid" }));
      const text = drawn("text", { x: width, y: at + off, class: "slap-tick" });
      text.textContent = score(value);
      svg.append(text);
    }
    const large = width / frames.length >= CROWDED;
    NAMES.forEach((_, method) => {
      const path = drawn("path", { d: `M${line(method).join("L")}`, class: "slap-line" });
      path.style.setProperty("--colour", `var(${COLOURS[method]})`);
      svg.append(path);
      for (const frame of large || method === 0 ? frames : []) {
        const missing = state.gone.has(frame);
        if (method ? !missing : missing) continue; // a kept frame is the same for all
        const point = mark(x(frame), y(state.value(method, row, frame)), missing, large, "slap-mark");
        point.style.setProperty("--colour", `var(${COLOURS[method]})`);
        svg.append(point);
      }
    });
  }

  /* A ring for what was observed, a hollow diamond for what was recovered; where there is no room, a tick for the first alone. */
  function mark(x, y, recovered, large, name) {
    if (!large) return drawn("path", { d: recovered ? "" : `M${x.toFixed(1)} ${y - 2}v4`, class: name });
    if (recovered) return drawn("path", { d: `M${x.toFixed(1)} ${y - 3}l3 3l-3 3l-3 -3z`, class: name });
    return drawn("circle", { cx: x.toFixed(1), cy: y, r: 3.2, class: `${name} is-anchor` });
  }

  function drawn(tag, attributes) {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  function blank(svg, width, height) {
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.setAttribute("aria-hidden", "true");
    svg.replaceChildren();
  }
})();
