/* The lesson's pictures: values over time as SVG, with a description in words that changes with them, and nodes that the
 * mouse, a finger or the arrow keys move. */
(() => {
  "use strict";
  const { learn } = window.slap;
  const SVG = "http://www.w3.org/2000/svg";
  const MARGIN = { left: 50, right: 16, top: 26, bottom: 38 };
  let pictures = 0;

  learn.svg = (tag, attributes = {}, text) => {
    const element = document.createElementNS(SVG, tag);
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    if (text !== undefined) element.textContent = text;
    return element;
  };

  /* Gives a picture its name, and a longer description that the returned function changes. */
  learn.described = (svg, label) => {
    const words = learn.svg("desc", { id: `learn-picture-${(pictures += 1)}` });
    svg.setAttribute("aria-label", label);
    svg.setAttribute("aria-describedby", words.id);
    svg.append(words);
    return (sentence) => (words.textContent = sentence);
  };

  function ticks([low, high], wanted) {
    const raw = (high - low) / wanted;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k += 1) found.push(k * step);
    return found;
  }

  /* A picture with axes. `draw(stage)` returns what to show and `tell()` the same in words; both are called again
   * whenever the width changes. Axes: {range, label, log}. Items: {line, at, text, className, shape, size}. */
  learn.stage = (host, { height, x, y, label, tell, draw }) => {
    const svg = learn.svg("svg", { class: "learn-stage", height, role: "img" });
    const describe = learn.described(svg, label);
    const back = learn.svg("g");
    const front = learn.svg("g");
    svg.append(back, front);
    host.append(svg);
    const stage = { svg, front, x, y, height, width: 0 };
    const scale = (axis, value) => {
      const f = axis.log ? Math.log10 : (v) => v;
      return (f(value) - f(axis.range[0])) / (f(axis.range[1]) - f(axis.range[0]));
    };
    stage.px = (value) => MARGIN.left + scale(stage.x, value) * (stage.width - MARGIN.left - MARGIN.right);
    stage.py = (value) => height - MARGIN.bottom - scale(stage.y, value) * (height - MARGIN.top - MARGIN.bottom);
    stage.value = (pixels) => {
      const share = (height - MARGIN.bottom - pixels) / (height - MARGIN.top - MARGIN.bottom);
      return stage.y.range[0] + share * (stage.y.range[1] - stage.y.range[0]);
    };
    const text = (x, y, words, className, anchor) =>
      back.append(learn.svg("text", { x, y, class: className, "text-anchor": anchor }, words));

    const axis = () => {
      const powers = ({ range: [low, high] }) => {
        const found = [];
        for (let k = Math.ceil(Math.log10(low)); k <= Math.log10(high) + 1e-9; k += 1) found.push(10 ** k);
        return found;
      };
      const name = (a, v) => (a.log && (v < 0.01 || v > 999) ? `10${[...String(Math.log10(v).toFixed(0))]
        .map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("")}` : learn.figure(v));
      const marks = (a, wanted) => (a.log ? powers(a) : ticks(a.range, wanted));
      const thin = marks(stage.y, height / 50).filter((v, i) => !stage.y.log || i % 2 === 1);
      thin.forEach((v) => {
        const y0 = stage.py(v);
        back.append(learn.svg("line", { x1: MARGIN.left, x2: stage.width - MARGIN.right, y1: y0, y2: y0, class: "rule" }));
        text(MARGIN.left - 14, y0 + 4, name(stage.y, v), "tick", "end");
      });
      marks(stage.x, stage.width / 110).forEach((v) => {
        text(stage.px(v), height - MARGIN.bottom + 16, name(stage.x, v), "tick", "middle");
      });
      text(stage.width - MARGIN.right, height - 4, stage.x.label, "tick", "end");
      text(4, 12, stage.y.label, "tick", "start");
    };

    const point = ({ at, shape, size = 5, className }) => {
      const [cx, cy] = [stage.px(at[0]), stage.py(at[1])];
      if (shape === "ring") return learn.svg("circle", { cx, cy, r: size, class: className });
      const star = Array.from({ length: 10 }, (_, k) => {
        const r = k % 2 ? size * 0.42 : size;
        return `${cx + r * Math.sin((k * Math.PI) / 5)},${cy - r * Math.cos((k * Math.PI) / 5)}`;
      }).join(" ");
      if (shape === "star") return learn.svg("polygon", { points: star, class: className });
      const s = size;
      const d = `M${cx - s} ${cy - s}L${cx + s} ${cy + s}M${cx - s} ${cy + s}L${cx + s} ${cy - s}`;
      return learn.svg("path", { d, class: className });
    };

    stage.redraw = () => {
      describe(tell());
      if (!stage.width) return;
      back.replaceChildren();
      axis();
      for (const item of draw(stage)) {
        if (item.line) {
          const points = item.line.map(([a, b]) => `${stage.px(a).toFixed(2)},${stage.py(b).toFixed(2)}`).join(" ");
          back.append(learn.svg("polyline", { points, class: item.className }));
        } else if (item.text) {
          const [dx, dy] = item.shift || [0, 0];
          text(stage.px(item.at[0]) + dx, stage.py(item.at[1]) + dy, item.text, item.className, item.anchor || "start");
        } else back.append(point(item));
      }
      stage.place?.();
    };
    new ResizeObserver(() => {
      const width = Math.floor(host.clientWidth);
      if (!width || width === stage.width) return;
      stage.width = width;
      svg.setAttribute("width", width);
      stage.redraw();
    }).observe(host);
    return stage;
  };

  /* Free nodes of a path that can be dragged, or moved with the arrow keys; left and right go to the neighbours, so that
   * all nodes are one stop of the tab key. get() -> {times, path}; set(index, height) changes it. */
  learn.nodes = (stage, { get, set, unit, name = "frame" }) => {
    let circles = [];
    let stop = 0; // the node that the tab key reaches
    stage.svg.setAttribute("role", "group");
    const clamp = (value) => Math.min(stage.y.range[1], Math.max(stage.y.range[0], value));
    const keys = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 };

    function make(index) {
      const node = learn.svg("g", { class: "node", tabindex: -1, role: "slider", "aria-orientation": "vertical" });
      node.append(learn.svg("circle", { r: 15, class: "grip" }), learn.svg("circle", { r: 6, class: "dot" }));
      node.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        node.focus({ preventScroll: true });
        node.setPointerCapture(event.pointerId);
      });
      node.addEventListener("pointermove", (event) => {
        if (!node.hasPointerCapture(event.pointerId)) return;
        set(index, clamp(stage.value(event.clientY - stage.svg.getBoundingClientRect().top)));
      });
      node.addEventListener("focus", () => {
        circles[stop]?.setAttribute("tabindex", -1);
        stop = index - 1;
        node.setAttribute("tabindex", 0);
      });
      node.addEventListener("keydown", (event) => {
        const step = ((stage.y.range[1] - stage.y.range[0]) / 100) * (keys[event.key] || 0);
        const beside = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (step) set(index, clamp(get().path[index] + step));
        else if (beside) circles[index - 1 + beside]?.focus();
        else return;
        event.preventDefault();
      });
      return node;
    }

    stage.place = () => {
      const { times, path } = get();
      const free = path.length - 2;
      if (circles.length !== free) {
        circles = Array.from({ length: free }, (_, k) => make(k + 1));
        stage.front.replaceChildren(...circles);
        stop = Math.min(stop, free - 1);
        circles[stop].setAttribute("tabindex", 0);
      }
      circles.forEach((node, k) => {
        const i = k + 1;
        node.setAttribute("transform", `translate(${stage.px(times[i]).toFixed(2)} ${stage.py(path[i]).toFixed(2)})`);
        node.setAttribute("aria-label", `${name} ${i} of ${free}`);
        node.setAttribute("aria-valuemin", stage.y.range[0]);
        node.setAttribute("aria-valuemax", stage.y.range[1]);
        node.setAttribute("aria-valuenow", Number(path[i].toPrecision(3)));
        node.setAttribute("aria-valuetext", `${learn.figure(path[i])} ${unit}`);
      });
    };
  };
})();
