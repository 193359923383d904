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
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg", filename: "slap" },
  };

  slap.drawPlot = async (div, view) => {
    const Plotly = await slap.plotly(slap.plotlyUrl);
    const palette = Object.fromEntries(Object.entries(THEMED).map(([light, name]) => [light, slap.variable(name)]));
    const { data, layout } = themed(view.figure, palette);
    div.style.minHeight = `${layout.height}px`;
    const narrow = div.clientWidth < 480;
    if (narrow) layout.font.size = 11;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    await Plotly.react(div, data, { ...layout, transition: { duration: still ? 0 : 150 } }, CONFIG);
    if (!div.slapHover) {
      div.slapHover = true;
      if (view.name === "map") hoverPictures(div, Plotly);
    }
  };

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
    slap.follow("map", (frame) => {
      const truth = (div.data || []).findIndex((trace) => trace.name === "true path");
      if (truth < 0) return;
      if (frame === null) return Plotly.Fx.unhover(div, {});
      Plotly.Fx.hover(div, [{ curveNumber: truth, pointNumber: frame }]);
      if (card) card.hidden = true;
    });
  }
})();
