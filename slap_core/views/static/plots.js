/* Plotly figures in the theme's colours, and what they do for each other; the latent map's part is in map.js. */
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
    const room = ({ name, text }) => text === "resonance" || !name?.startsWith("regime") || Number(name.slice(7)) * div.clientWidth > 14 * text.length;
    if (narrow) layout.annotations = layout.annotations?.filter(room);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const zooms = (div.slapZooms ??= new Map());
    if (div._fullLayout && !solid(view)) zooms.set(div._fullLayout.uirevision, zoomed(div, layout));
    const zoom = solid(view) ? null : zooms.get(layout.uirevision);
    // A transition would carry the axes back to where they began.
    const jump = still || zoom || div._fullLayout?.uirevision === layout.uirevision;
    const choosing = view.name === "map" && !view.apart ? [] : ["lasso2d", "select2d"];
    const plain = {
      ...CONFIG,
      modeBarButtonsToAdd: [save(Plotly, "png", "camera", view.name), save(Plotly, "svg", "disk", view.name)],
      modeBarButtonsToRemove: [...CONFIG.modeBarButtonsToRemove, ...choosing],
    };
    await Plotly.react(div, data, { ...layout, transition: { duration: jump ? 0 : 150 } }, plain);
    if (zoom) await Plotly.relayout(div, zoom);
    const first = !div.slapLinked;
    div.slapLinked = true;
    if (!view.apart) LINKS[view.name]?.(div, Plotly, view, first);
  };

  /* A person's zoom is kept for each revision of a figure: while a run goes on, PCA stands in UMAP's place. */
  const solid = (view) => view.name === "map" && !view.apart && slap.view3d?.on;
  function zoomed(div, given) {
    const free = ([name, axis]) => /^[xy]axis\d*$/.test(name) && !given[name]?.range && axis.autorange === false;
    const own = Object.entries(div._fullLayout).filter(free);
    return own.length ? Object.fromEntries(own.map(([name, axis]) => [`${name}.range`, axis.range.slice()])) : null;
  }

  /* What each figure does for the others, after it has been drawn. */
  const LINKS = {
    map: (...drawn) => slap.linkMap(...drawn),
    energies: (div, Plotly, view, first) => {
      const mark = first ? rule(div) : div.querySelector(".slap-rule");
      slap.follow("energies", (frame) => place(div, mark, frame === null ? null : slap.strip.times[frame], "xaxis4"));
      const at = (frame) => {
        const axis = div._fullLayout?.xaxis4;
        const x = axis ? Math.max(0, Math.min(axis._length, axis.d2p(slap.strip.times[frame]))) : null;
        return x === null ? null : `${axis._offset + x}px`;
      };
      const again = slap.restMark(div, "energies", at);
      if (first) div.on("plotly_relayout", again); // zoomed
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
})();
