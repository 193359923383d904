/* Two runs side by side: one that was kept, and the one that the page shows; two queries, two clips, two of anything. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const PLOTS = ["map", "resonance", "energies"];
  let target = null;
  let kept = null; // { views, about }

  const named = (views, name) => views.find((view) => view.name === name);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /* What tells two runs apart, in words: the command line without its beginning. */
  const about = (views) => (named(views, "strip")?.provenance?.Command || "").replace(/^python -m slap_core analyse /, "").replace(/ --out report$/, "");

  function numbers(pair) {
    const drifts = pair.map((views) => named(views, "map")?.data?.drift?.methods || {});
    const methods = [...new Set(drifts.flatMap(Object.keys))];
    return {
      title: "Drift from the true frames, mean over the dropped ones, rad",
      columns: ["method", "kept", "this"],
      rows: methods.map((name) => [name, ...drifts.map((of) => (of[name]?.length ? mean(of[name]).toPrecision(3) : "–"))]),
    };
  }

  function clear() {
    for (const host of slap.views.keys()) {
      if (!target.contains(host)) continue;
      slap.views.delete(host);
      const plot = host.querySelector(".slap-plot.js-plotly-plot");
      if (plot) window.Plotly.purge(plot);
    }
  }

  function draw() {
    if (!target) return;
    clear();
    const now = slap.currentViews();
    target.hidden = !kept;
    if (!kept) return target.replaceChildren();
    const pair = [kept.views, now];
    const head = make("div", "slap-pair");
    const same = about(now) === kept.about;
    head.append(make("p", "", `Kept: ${kept.about}`), make("p", "", same ? "This: the same run. Change the query, the clip or a setting, and press Run." : `This: ${about(now)}`));
    const forget = make("button", "slap-quiet", "Let the kept run go");
    forget.type = "button";
    forget.addEventListener("click", () => {
      kept = null;
      slap.keep.put("compared", null);
      draw();
    });
    const table = make("div");
    table.id = "compare-numbers";
    const inside = make("section", "slap-view");
    inside.append(make("h2", "slap-title", "Side by side"), head, table);
    target.replaceChildren(inside);
    slap.render(table, { name: "numbers", title: "", state: "ready", headline: "", message: "", caption: "", description: "", notes: [], table: numbers(pair), apart: true });
    for (const name of PLOTS) {
      const row = make("div", "slap-pair");
      for (const [which, views] of [["kept", kept.views], ["this", now]]) {
        const host = make("div");
        host.id = `compare-${which}-${name}`;
        row.append(host);
      }
      inside.append(row);
      [...row.children].forEach((host, i) => {
        const view = named(pair[i], name);
        if (view) slap.render(host, { ...view, caption: "", notes: [], table: null, apart: true });
      });
    }
    inside.append(forget);
  }

  slap.keepForComparison = () => {
    const views = slap.currentViews().filter(({ name }) => ["strip", ...PLOTS].includes(name));
    kept = { views, about: about(views) };
    slap.keep.put("compared", kept);
    draw();
    target.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  slap.compareAgain = () => kept && draw();

  slap.mountCompare = async (element) => {
    target = element.querySelector(".slap-compare");
    target.hidden = true;
    kept = await slap.keep.get("compared");
    if (kept) setTimeout(draw, 0);
  };
})();
