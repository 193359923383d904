/* Plotly figures in the theme's colours, and the picture that follows the pointer on the latent map. */
(() => {
  "use strict";
  const slap = window.slap;

  /* Figures come in the light palette; these colours change with the theme (style.py says which they are). */
  const THEMED = {
    "#1a1a18": "--slap-ink",
    "#62625d": "--slap-muted",
    "#dcdcd6": "--slap-rule",
    "#fefefc": "--slap-paper",
    "#0072b2": "--slap-blue",
    "#858580": "--slap-grey",
    "#d55e00": "--slap-vermillion",
  };
  function themed(value, palette) {
    if (typeof value === "string") return palette[value] || value;
    if (Array.isArray(value)) return value.map((v) => themed(v, palette));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v, palette)]));
    }
    return value;
  }

  const CONFIG = {
    displaylogo: false,
    responsive: true,
    showSendToCloud: false,
    scrollZoom: false,
    doubleClick: "reset",
    modeBarButtonsToRemove: ["autoScale2d", "toImage"],
  };
  const save = (Plotly, format, icon, name) => ({
    name: `Save as ${format.toUpperCase()}`,
    icon: Plotly.Icons[icon],
    click: (div) => Plotly.downloadImage(div, { format, filename: `slap-${name}`, scale: format === "png" ? 3 : 1 }),
  });

  slap.drawPlot = async (div, view) => {
    const Plotly = await slap.plotly(slap.plotlyUrl);
    const palette = Object.fromEntries(Object.entries(THEMED).map(([light, name]) => [light, slap.variable(name)]));
    const { data, layout } = themed(view.figure, palette);
    div.style.minHeight = `${layout.height}px`;
    const narrow = div.clientWidth < 480;
    if (narrow) layout.font.size = 11;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const choosing = view.name === "map" && !view.apart ? [] : ["lasso2d", "select2d"];
    const plain = {
      ...CONFIG,
      modeBarButtonsToAdd: [save(Plotly, "png", "camera", view.name), save(Plotly, "svg", "disk", view.name)],
      modeBarButtonsToRemove: [...CONFIG.modeBarButtonsToRemove, ...choosing],
    };
    await Plotly.react(div, data, { ...layout, transition: { duration: still ? 0 : 150 } }, plain);
    const first = !div.slapLinked;
    div.slapLinked = true;
    if (!view.apart) LINKS[view.name]?.(div, Plotly, view, first);
  };

  /* What each figure does for the others, after it has been drawn. */
  const LINKS = {
    map: (div, Plotly, view, first) => {
      if (first) hoverPictures(div, Plotly);
      const own = ["SLAP", "SLAP recovered"].map((name) => trace(div, name));
      const before = own.map((k) => (k < 0 ? null : { x: div.data[k].x, y: div.data[k].y }));
      slap.offerScan = () => slap.mapScan(view);
      slap.heed("map", (k) => {
        const points = slap.mapScan(view, k);
        if (!points || own.includes(-1)) return;
        const chosen = k === slap.scan.chosen;
        const parts = [points, view.data.drift.dropped.map((frame) => points[frame])];
        const along = (axis, i) => (chosen ? before[i][axis] : parts[i].map((p) => p[axis === "x" ? 0 : 1]));
        Plotly.restyle(div, { x: [along("x", 0), along("x", 1)], y: [along("y", 0), along("y", 1)] }, own);
      });
    },
    energies: (div, Plotly, view, first) => {
      const mark = first ? rule(div) : div.querySelector(".slap-rule");
      slap.follow("energies", (frame) => place(div, mark, frame === null ? null : slap.strip.times[frame], "xaxis4"));
      const own = div.data.flatMap((t, k) => (t.name === "SLAP" || t.name === "SLAP action" ? [k] : []));
      const before = own.map((k) => div.data[k].y);
      slap.heed("energies", (k) => {
        if (!slap.scan || own.length !== 4) return;
        const { kinetic, pull, action, chosen } = slap.scan;
        const sum = kinetic[k].map((value, i) => value + pull[k][i]);
        Plotly.restyle(div, { y: k === chosen ? before : [kinetic[k], pull[k], sum, action[k]] }, own);
      });
    },
    resonance: (div, Plotly, view, first) => {
      const mark = first ? rule(div) : div.querySelector(".slap-rule");
      slap.heed("resonance", (k) => place(div, mark, slap.scan && k !== slap.scan.chosen ? slap.scan.x[k] : null, lowest(div)));
      if (!first) return;
      const number = ({ points }) => points.find((p) => p.data.customdata)?.pointNumber;
      div.on("plotly_hover", (event) => number(event) !== undefined && slap.turn(number(event), "pointer"));
      div.on("plotly_unhover", () => slap.turn(null, "pointer"));
      div.on("plotly_click", (event) => number(event) !== undefined && slap.hold(number(event)));
    },
  };
  const trace = (div, name) => div.data.findIndex((t) => t.name === name);
  const lowest = (div) => Object.keys(div._fullLayout).filter((key) => /^xaxis\d*$/.test(key)).sort().pop();

  /* A rule across a plot, over plotly's own drawing: moving it redraws nothing. */
  function rule(div) {
    const mark = slap.make("i", "slap-rule");
    mark.hidden = true;
    div.append(mark);
    return mark;
  }
  function place(div, mark, value, name) {
    const axis = div._fullLayout?.[name];
    mark.hidden = value === null || !axis;
    if (mark.hidden) return;
    const x = axis.d2p(value);
    mark.hidden = !(x >= 0 && x <= axis._length);
    Object.assign(mark.style, {
      left: `${axis._offset + x}px`, top: `${div._fullLayout._size.t}px`, height: `${div._fullLayout._size.h}px`,
    });
  }

  let card = null;
  function showCard(frame, event, words) {
    if (!slap.sprite || !(frame >= 0 && frame < slap.sprite.count)) return;
    if (!card) {
      card = slap.make("div", "slap-card");
      card.setAttribute("aria-hidden", "true");
      document.body.append(card);
    }
    card.replaceChildren(slap.picture(slap.sprite, frame), slap.make("span", "", words));
    card.hidden = false;
    const box = card.getBoundingClientRect();
    card.style.left = `${Math.max(4, Math.min(event.clientX + 16, innerWidth - box.width - 4))}px`;
    card.style.top = `${Math.max(4, Math.min(event.clientY + 16, innerHeight - box.height - 4))}px`;
  }

  function hoverPictures(div, Plotly) {
    div.on("plotly_hover", ({ points, event }) => {
      const point = points.find((p) => p.customdata !== undefined);
      if (!point) return;
      const frame = Number(point.customdata);
      const seen = point.data.name === "anchors" || point.data.name === "true path";
      const what = seen ? slap.describeFrame(frame) : `${point.data.name.replace(" recovered", "")}, recovered; ${slap.describeFrame(frame)}`;
      showCard(frame, event, what);
      slap.point(frame, "map");
    });
    div.on("plotly_unhover", () => {
      if (card) card.hidden = true;
      slap.point(null, "map");
    });
    const frame = ({ points }) => points.find((p) => p.customdata !== undefined)?.customdata;
    div.on("plotly_click", (event) => frame(event) !== undefined && slap.seek(Number(frame(event)), "map"));
    // A lasso finds points of every trace: a frame is shown once.
    const frames = (event) => [...new Set((event?.points || []).flatMap((p) => (p.customdata === undefined ? [] : [Number(p.customdata)])))];
    div.on("plotly_selected", (event) => slap.showSelected(frames(event).sort((a, b) => a - b)));
    div.on("plotly_deselect", () => slap.showSelected([]));
    slap.follow("map", (frame) => {
      const truth = (div.data || []).findIndex((trace) => trace.name === "true path");
      if (truth < 0) return;
      const mark = div.querySelector(".slap-dot") || div.appendChild(slap.make("i", "slap-dot"));
      const { xaxis, yaxis } = div._fullLayout;
      const { x, y } = div._fullData[truth];
      mark.hidden = frame === null || !xaxis;
      if (mark.hidden) return;
      const [left, top] = [xaxis.d2p(x[frame]), yaxis.d2p(y[frame])];
      mark.hidden = !(left >= 0 && left <= xaxis._length && top >= 0 && top <= yaxis._length);
      Object.assign(mark.style, { left: `${xaxis._offset + left}px`, top: `${yaxis._offset + top}px` });
    });
  }
})();
