/* Draws a view (the JSON of slap_core.views.figures.View) into an element. The page and the saved report share it.
 *
 *   slap.render(host, view)   draws; sets host's data-state to the view's state once it is drawn
 *   slap.plotly(url)          loads plotly once; a report that carries its own passes none
 *
 * Everything that came from outside is written as text, never as markup.
 */
(() => {
  "use strict";
  const slap = (window.slap = window.slap || {});
  slap.draw = slap.draw || {};
  slap.views = new Map(); // host element -> last view drawn
  slap.sprite = null; // the film strip's pictures, for hovers
  let loading = null;

  slap.plotly = (url) => {
    if (!loading) {
      loading = window.Plotly
        ? Promise.resolve(window.Plotly)
        : new Promise((resolve, reject) => {
            const script = document.createElement("script");
            script.src = url;
            script.onload = () => resolve(window.Plotly);
            script.onerror = () => {
              loading = null; // the next figure tries again
              reject(new Error("plotly.min.js could not be loaded"));
            };
            document.head.append(script);
          });
    }
    return loading;
  };

  const make = (slap.make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  });

  slap.bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  slap.variable = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  /* A number and its unit stay on one line. */
  const together = (text) => (text || "").replace(/(\d) (?=(?:s|rad|%)(?![\p{L}\d]))/gu, "$1\u00a0");

  /* Line drawings that hold a figure's place before there is one. */
  const SKETCHES = {
    strip: "M8 34h40v32H8zM60 34h40v32H60zM112 34h40v32h-40zM164 34h40v32h-40zM216 34h40v32h-40zM268 34h40v32h-40z",
    map: "M14 78C60 10 110 96 160 44S260 16 306 62M14 78a5 5 0 1 0 .1 0M160 44a5 5 0 1 0 .1 0M306 62a5 5 0 1 0 .1 0",
    resonance: "M10 92H310M10 28C70 28 90 74 128 78S210 20 310 16M128 8V92",
    energies: "M10 92H310M10 60C40 20 60 20 84 60S130 100 158 60S206 20 232 60S280 96 310 60",
    concepts: "M10 14h300v14H10zM10 36h300v14H10zM10 66h300v14H10zM10 88h300v14H10zM90 14v14M150 36v14M210 66v14M60 88v14",
    slots: "M10 12h64v38H10zM86 12h64v38H86zM162 12h64v38h-64zM238 12h64v38h-64zM10 58h64v38H10zM86 58h64v38H86zM162 58h64v38h-64zM238 58h64v38h-64z",
    objects: "M10 20h140v64H10zM170 20h140v64H170zM52 52a14 14 0 1 0 28 0a14 14 0 1 0-28 0M226 52a14 14 0 1 0 28 0a14 14 0 1 0-28 0M80 52h146",
    sees: "M10 20h110v64H10zM150 20h46v30h-46zM206 20h46v30h-46zM262 20h46v30h-46zM150 66H310M150 84H260",
    certificate: "M10 30H310M10 50H260M10 70H180",
  };

  function sketch(name) {
    const ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", "0 0 320 104");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(ns, "path");
    path.setAttribute("d", SKETCHES[name] || SKETCHES.certificate);
    svg.append(path);
    return svg;
  }

  /* The parts of a view, made once, so that a figure keeps its zoom through updates. */
  function skeleton(host, view, inside) {
    const root = make("section", "slap-view");
    const part = { root };
    const id = `${host.id || view.name}-about`;
    part.title = make("h2", "slap-title", view.title);
    part.headline = make("p", "slap-headline");
    part.notes = make("ul", "slap-notes");
    part.waiting = make("div", "slap-waiting");
    part.message = make("p");
    part.waiting.append(sketch(view.name), part.message);
    part.body = make("div", "slap-body");
    part.plot = make("div", "slap-plot");
    part.plot.setAttribute("role", "figure"); // no "img": plotly's buttons stand inside
    part.plot.setAttribute("aria-labelledby", id);
    part.extra = make("div", "slap-extra");
    part.body.append(part.plot, part.extra);
    part.table = make("div", "slap-table");
    part.caption = make("p", "slap-caption");
    part.about = make("details", "slap-about");
    part.about.append(make("summary", "", "This figure in words"));
    part.description = make("p");
    part.description.id = id;
    part.about.append(part.description);
    part.save = slap.pictureSaver(part, view.name);
    part.source = make("details", "slap-about");
    part.source.append(make("summary", "", "Where this figure comes from"), make("dl", "slap-source"));
    root.append(part.title, part.headline, part.notes, part.waiting, part.body, part.table, part.caption);
    root.append(part.save, part.about, part.source);
    inside.replaceChildren(root);
    return part;
  }

  function table(target, content) {
    target.replaceChildren();
    if (!content) return;
    const scroll = make("div", "slap-scroll");
    const grid = make("table");
    const heading = grid.createTHead();
    const groups = content.groups || [];
    const groupOf = groups.flatMap(([, span], k) => Array(span).fill(k)); // of each column
    const over = groups.length ? heading.insertRow() : null;
    for (const [name, span] of groups) {
      const cell = over.appendChild(make(name ? "th" : "td", "slap-group", name));
      cell.colSpan = span;
      if (name) cell.scope = "colgroup";
    }
    const head = heading.insertRow();
    content.columns.forEach((name, i) => {
      const cell = make("th", "", name);
      cell.scope = "col";
      if (groups.length) cell.dataset.group = groupOf[i];
      head.append(cell);
    });
    const rows = grid.createTBody();
    for (const row of content.rows) {
      const line = rows.insertRow();
      row.forEach((text, i) => {
        const cell = i ? line.insertCell() : line.appendChild(make("th"));
        if (!i) cell.scope = "row";
        cell.textContent = text;
        if (groups.length) cell.dataset.group = groupOf[i];
        cell.dataset.method = i ? "" : text;
      });
    }
    scroll.append(grid);
    if (content.folded) {
      const fold = make("details", "slap-fold");
      fold.append(make("summary", "", content.title), scroll);
      target.append(fold);
    } else {
      target.append(make("p", "slap-table-title", content.title), scroll);
    }
  }

  function source(fold, provenance) {
    const lines = Object.entries(provenance || {});
    fold.hidden = !lines.length;
    fold.lastElementChild.replaceChildren(...lines.flatMap(([name, text]) => [make("dt", "", name), make("dd", "", text)]));
  }

  slap.render = (host, view, inside = host) => {
    if (!host.slapParts || !host.contains(host.slapParts.root)) host.slapParts = skeleton(host, view, inside);
    const part = host.slapParts;
    const ready = view.state === "ready";
    slap.views.set(host, view);
    const state = ready && view.sample ? "sample" : view.state; // computed beforehand: see keep.js
    if (!ready) host.dataset.state = state;
    const drawable = ready && (view.figure || (slap.draw[view.name] && !view.apart));
    const said = new Set(); // each term can be asked once in a figure
    slap.gloss(part.headline, together(view.headline), said);
    part.notes.replaceChildren(...(view.notes || []).map((note) => make("li", "", note)));
    part.message.textContent = view.message;
    part.waiting.hidden = ready && !view.message;
    part.waiting.setAttribute("role", view.state === "failed" ? "alert" : "presentation");
    part.body.hidden = !drawable;
    part.plot.hidden = !view.figure;
    part.save.hidden = !drawable || Boolean(view.figure); // a plot has buttons of its own
    slap.gloss(part.caption, view.caption, said);
    part.description.textContent = view.description;
    part.about.hidden = !(ready && view.description && view.description !== view.headline);
    table(part.table, ready ? view.table : null);
    part.table.querySelectorAll("thead th, .slap-table-title").forEach((cell) => slap.glossIn(cell, said));
    source(part.source, ready ? view.provenance : null);
    if (ready && slap.draw[view.name] && !view.apart) slap.draw[view.name](part.extra, view, part);
    const drawn = ready && view.figure ? slap.drawPlot(part.plot, view) : Promise.resolve();
    return drawn.then(
      () => {
        if (slap.views.get(host) === view) host.dataset.state = state;
      },
      (error) => {
        part.message.textContent = `This figure could not be drawn: ${error.message}`;
        part.waiting.hidden = false;
        part.body.hidden = true;
        host.dataset.state = "failed";
      },
    );
  };

  slap.redraw = () => slap.views.forEach((view, host) => host.isConnected && view.state === "ready" && slap.render(host, view));

  /* Frame `index` of a sprite sheet as an element that fills its width. */
  slap.picture = (sprite, index) => {
    const picture = make("span", "slap-picture");
    const along = (place, count) => (count > 1 ? (100 * place) / (count - 1) : 0);
    Object.assign(picture.style, {
      aspectRatio: `${sprite.width} / ${sprite.height}`,
      backgroundImage: `url(${sprite.src})`,
      backgroundSize: `${100 * sprite.columns}% ${100 * sprite.rows}%`,
      backgroundPosition: `${along(index % sprite.columns, sprite.columns)}% ${along(Math.floor(index / sprite.columns), sprite.rows)}%`,
    });
    return picture;
  };
})();
