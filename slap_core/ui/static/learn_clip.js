/* The lesson's last step: a gap of a real clip, solved beforehand by slap_core (see lesson_clip.py), on the sphere of
 * latents. Nothing is solved here: the slider goes through solved lambdas, and the picture moves between them. */
(() => {
  "use strict";
  const slap = window.slap;
  const { learn } = slap;
  const { make } = slap;
  const { figure, svg } = learn;
  const HEIGHT = 380;

  const turned = ([x, y, z], [across, up]) => {
    const [ca, sa, cu, su] = [Math.cos(across), Math.sin(across), Math.cos(up), Math.sin(up)];
    const [x1, z1] = [ca * x + sa * z, ca * z - sa * x];
    return [x1, cu * y - su * z1, cu * z1 + su * y];
  };
  const between = (a, b, share) => a.map((row, i) => row.map((v, k) => v + share * (b[i][k] - v)));

  /* Meridians and parallels, each a row of points. */
  function graticule() {
    const circle = (f) => Array.from({ length: 73 }, (_, k) => f((k * Math.PI) / 36));
    const lines = [];
    for (let k = -8; k <= 8; k += 1) {
      const a = (k * Math.PI) / 18;
      lines.push(circle((s) => [Math.cos(a) * Math.sin(s), Math.sin(a), Math.cos(a) * Math.cos(s)]));
      lines.push(circle((s) => [Math.sin(a) * Math.cos(s), Math.sin(s), Math.cos(a) * Math.cos(s)]));
    }
    return lines;
  }

  function picture(host, data, state, look, tell) {
    const root = svg("svg", { class: "learn-stage learn-sphere", height: HEIGHT, role: "application", tabindex: 0 });
    const describe = learn.described(root, "The sphere of latents with the paths through the gap; arrow keys turn it");
    const front = svg("g");
    root.append(front);
    host.append(root);
    const lines = graticule();
    let width = 0;
    const reach = Math.max(...[...data.truth, ...data.paths.flat()].map(([x, y]) => Math.max(Math.abs(x), Math.abs(y) * 0.8)));
    const place = (point) => {
      const [x, y, z] = turned(point, state.view);
      const scale = Math.min((width * 0.42) / reach, HEIGHT * 0.66);
      return [width / 2 + scale * x, HEIGHT * 0.58 - scale * y, z];
    };
    const path = (rows, className, front = false) => {
      let d = "";
      let pen = false;
      rows.map(place).forEach(([x, y, z]) => {
        if (front && z < 0) pen = false;
        else {
          d += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
          pen = true;
        }
      });
      return svg("path", { d, class: className });
    };
    const mark = (point, frame, d, className) => {
      const [x, y] = place(point);
      const item = svg("path", { d, class: className, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
      if (frame !== null) item.addEventListener("pointerenter", () => look(frame));
      return item;
    };
    const ring = "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0 -16 0";
    const dot = "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0";
    const diamond = "M0 -6L6 0L0 6L-6 0Z";
    const degrees = (angle) => `${Math.round((angle * 180) / Math.PI)}°`;
    const redraw = () => {
      describe(tell(`Turned by ${degrees(state.view[0])} sideways and ${degrees(state.view[1])} up.`));
      if (!width) return;
      const last = data.truth.length - 1;
      const star = data.query.map((v) => v / Math.hypot(...data.query));
      front.replaceChildren(
        ...lines.map((rows) => path(rows, "rule", true)),
        path(data.paths[0], "straight"),
        ...(state.revealed ? [path(data.truth, "truth")] : []),
        path(state.path, "slap"),
        mark(star, null, "M0 -10L2.6 -3.6L9.5 -3.1L4.2 1.4L5.9 8.1L0 4.4L-5.9 8.1L-4.2 1.4L-9.5 -3.1L-2.6 -3.6Z", "query"),
        ...(state.revealed ? data.truth.slice(1, -1).map((point, i) => mark(point, i + 1, dot, "true-frame")) : []),
        ...state.recovered.slice(1, -1).map((point, i) =>
          mark(point, i + 1, diamond, i + 1 === state.frame ? "recovered is-cursor" : "recovered")),
        ...[0, last].map((i) => mark(data.truth[i], i, ring, "anchor")),
      );
    };
    const turn = (across, up) => {
      state.view = [state.view[0] + across, Math.max(-1.2, Math.min(1.2, state.view[1] + up))];
      redraw();
    };
    root.addEventListener("pointerdown", (event) => root.setPointerCapture(event.pointerId));
    root.addEventListener("pointermove", (event) => {
      if (root.hasPointerCapture(event.pointerId)) turn(event.movementX / 250, event.movementY / 250);
    });
    root.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      if (!way) return;
      turn(...way);
      event.preventDefault();
    });
    new ResizeObserver(() => {
      if (!host.clientWidth || host.clientWidth === width) return;
      width = Math.floor(host.clientWidth);
      root.setAttribute("width", width);
      redraw();
    }).observe(host);
    return redraw;
  }

  /* How the drift depends on lambda; drawn once the person has made a prediction and checked it. */
  const chart = (host, data, state) =>
    learn.stage(host, {
      height: 170,
      x: { range: [0, data.couplings[data.couplings.length - 1]], label: "λ" },
      y: { range: [0, Math.max(...data.drift) * 1.05], label: "mean drift" },
      label: "Mean drift of the recovered frames over λ",
      tell: () => `At λ = ${figure(data.couplings[state.index])} the mean drift is ${figure(data.drift[state.index])}; SLERP's is `
        + `${figure(data.drift[0])}, and at the strongest pull it is ${figure(data.drift[data.drift.length - 1])}.`,
      draw: () => [
        { line: [[0, data.drift[0]], [data.couplings[data.couplings.length - 1], data.drift[0]]], className: "straight" },
        { line: data.couplings.map((c, i) => [c, data.drift[i]]), className: "slap" },
        { at: [data.couplings[state.index], data.drift[state.index]], shape: "ring", size: 5, className: "here" },
      ],
    });

  function lesson(lab, data) {
    const state = {
      view: [0, 0.25], index: 0, frame: Math.floor(data.truth.length / 2), revealed: false,
      path: data.paths[0], recovered: data.recovered[0],
    };
    const card = make("div", "learn-frame");
    const [image, words] = [make("span", "learn-thumbnail"), make("p")];
    image.setAttribute("role", "img");
    card.append(image, words);
    const last = data.truth.length - 1;
    let frames = null;
    const look = (frame) => {
      state.frame = frame;
      const { columns, rows, width, height, src } = data.sprite;
      image.style.cssText = `width:${width}px;height:${height}px;background-image:url("${src}");`
        + `background-size:${columns * width}px ${rows * height}px;`
        + `background-position:${-(frame % columns) * width}px ${-Math.floor(frame / columns) * height}px`;
      const kind = frame === 0 || frame === last ? "kept, an anchor" : "taken away and recovered";
      const text = `Frame ${frame} of ${last}, ${data.seconds[frame].toFixed(2)} s: ${kind}.`;
      image.setAttribute("aria-label", `The true frame at ${data.seconds[frame].toFixed(2)} s of the clip “${data.title}”`);
      words.textContent = text;
      if (frames) frames.input.value = frame;
      redraw();
    };
    const apart = (a, b) => Math.hypot(...a.map((v, c) => v - b[c]));
    const bend = (i) => Math.max(...data.recovered[i].map((point, k) => apart(point, data.recovered[0][k])));
    const tell = (turning) => {
      const i = state.index;
      const course = i === 0
        ? `SLERP, an arc of ${figure(data.angle)} rad between two anchors, with ${last - 1} recovered frames on it`
        : `at λ = ${figure(data.couplings[i])} the recovered frames leave SLERP's arc by up to ${figure(bend(i))}, towards the query`;
      return `Drawn: ${course}.${state.revealed ? " The true frames are drawn, too." : ""} ${turning}`;
    };
    const redraw = picture(lab.picture, data, state, (frame) => look(frame), tell);
    lab.picture.append(card);
    let curve = null;
    const told = () => {
      const i = state.index;
      lab.numbers({
        "T": `${figure(data.kinetic[i])} rad²/gap`,
        "∑ w P": `${figure(data.pull[i])} gap`,
        "S = T − λ ∑ w P": `${figure(data.action[i])} rad²/gap`,
        "mean drift": state.revealed ? figure(data.drift[i]) : "after your check",
      });
      lab.says(() => {
        const pulled = i === 0
          ? `λ = 0: the path is SLERP, the great circle between the anchors, ${figure(data.angle)} rad long.`
          : `λ = ${figure(data.couplings[i])}: the path bends towards “${data.words}”.`;
        const drift = state.revealed
          ? ` Its mean drift from the true frames is ${figure(data.drift[i])}; SLERP's is ${figure(data.drift[0])}.`
          : "";
        return pulled + (data.converged[i] ? "" : " It has not converged.") + drift;
      });
      curve?.redraw();
    };
    const go = (index) => {
      const [path, recovered] = [state.path, state.recovered];
      state.index = index;
      told();
      let share = 0;
      learn.animate(state, () => {
        share = learn.still() ? 1 : Math.min(1, share + 0.12);
        state.path = between(path, data.paths[index], share);
        state.recovered = between(recovered, data.recovered[index], share);
        redraw();
        return share === 1;
      });
    };
    const slider = lab.slider(`λ, pull of “${data.words}”`, {
      min: 0, max: data.couplings.length - 1, step: 1, value: 0, show: (i) => figure(data.couplings[i]), act: go,
    });
    frames = lab.slider("Frame", { min: 0, max: last, step: 1, value: state.frame, show: (i) => `${i}`, act: look });
    lab.button("Reset", () => {
      state.view = [0, 0.25];
      slider.set(0);
      redraw();
    });
    look(state.frame);
    told();
    const best = data.drift.indexOf(Math.min(...data.drift));
    const answer = () => {
      const outcome = best === 0 ? "worse" : best === data.drift.length - 1 ? "better" : "between";
      const [none, least, most] = [0, best, data.drift.length - 1].map((i) => figure(data.drift[i]));
      const gain = figure(100 * (1 - data.drift[best] / data.drift[0]));
      return {
        value: outcome,
        sentence: `Mean drift: ${none} for SLERP, ${least} at λ = ${figure(data.couplings[best])} (${gain} % less), ${most} at `
          + `λ = ${figure(data.couplings[data.couplings.length - 1])}. We know this best λ only because we took the frames away `
          + "ourselves.",
      };
    };
    const reveal = () => {
      state.revealed = true;
      curve ||= chart(lab.picture, data, state);
      slider.set(best);
      redraw();
      return "The true frames are drawn now.";
    };
    return { answer, reveal, data };
  }

  learn.steps.clip = (lab) => {
    const step = { answer: () => null };
    const address = document.querySelector("meta[name='slap-lesson']").content;
    lab.picture.append(make("p", "learn-waiting", "Fetching the clip …"));
    fetch(address)
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`${answer.status}`))))
      .then((data) => {
        lab.picture.replaceChildren();
        Object.assign(step, lesson(lab, data));
      })
      .catch(() => {
        lab.picture.firstChild.textContent =
          "The clip's file is missing on this server: run python -m slap_core.ui.lesson_clip there, and open the page again.";
      });
    return step;
  };
})();
