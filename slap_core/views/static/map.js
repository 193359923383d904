/* The latent map: pictures at the pointer, the cursor's dots, the path at each lambda, and the same points in three
 * dimensions. What stands under it is in map_tools.js.
 *
 * In three dimensions the points stand along the first three principal axes and are turned, not drawn in another way: so
 * hover, lasso, cursor and lambda work as before, and no graphics card is needed.
 */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const view3d = (slap.view3d = { on: false, around: 35, above: 25 }); // degrees; they outlive a new map

  const trace = (div, name) => div.data.findIndex((t) => t.name === name);

  slap.linkMap = (div, Plotly, view, first) => {
    if (first) {
      hoverPictures(div);
      turnByHand(div);
    }
    const { drift, scan, solid } = view.data;
    const flat = div.data.map(({ x, y }) => ({ x, y }));
    const sizes = div.data.map((t) => t.marker?.size ?? null);
    const spread = solid && unpackedSolid(solid);
    const own = [trace(div, "SLAP"), trace(div, "SLAP recovered")];
    let points = null; // of every lambda, in the dimensions that are shown
    let pointsIn3d = null;
    slap.solidNote = () =>
      solid && `PCA, three axes: ${Math.round(100 * solid.explained)} % of the variance. Drag or slide to turn.`;
    slap.showCorner();

    const turned = (k) => {
      if (pointsIn3d !== view3d.on) points = null;
      pointsIn3d = view3d.on;
      points ??= scan ? (view3d.on ? spread.scan : unpacked(scan, 2)) : null;
      return points && points[k].map((p) => (view3d.on ? cast(p) : p));
    };
    const pathAt = (k) => {
      const path = turned(k);
      return path && [path, drift.dropped.map((frame) => path[frame])];
    };
    const chosenScan = () => slap.scan && slap.lambda() !== null && slap.lambda() !== slap.scan.chosen ? slap.lambda() : null;

    slap.heed("map", (k) => {
      if (!scan || own.includes(-1)) return;
      const parts = k === slap.scan.chosen ? own.map((i) => place(i)) : pathAt(k).map(columns);
      Plotly.restyle(div, { x: parts.map((p) => p.x), y: parts.map((p) => p.y) }, own);
      markCursor(div);
    });

    /* Where the points of a trace are drawn. */
    function place(i) {
      if (!view3d.on) return flat[i];
      const name = div.data[i].name;
      if (name === "axes") return columns(spread.axes.map((p) => p && cast(p)));
      if (name === "anchors") return columns(slap.strip.kept.map((frame) => cast(spread.truth[frame])));
      if (name === "true path") return columns(spread.truth.map(cast));
      if (name === "query") return columns([cast(spread.query)]);
      const path = spread.paths[name.replace(" recovered", "")].map(cast);
      return columns(name.endsWith("recovered") ? drift.dropped.map((frame) => path[frame]) : path);
    }
    slap.place = (changed = "") => {
      const all = div.data.map((_, i) => i);
      const places = all.map(place);
      const k = chosenScan();
      if (k !== null && scan && !own.includes(-1)) pathAt(k).map(columns).forEach((p, j) => (places[own[j]] = p));
      const style = { x: places.map((p) => p.x), y: places.map((p) => p.y), visible: div.data.map((t) => t.visible ?? true) };
      const axes = trace(div, "axes");
      if (axes >= 0) style.visible[axes] = view3d.on;
      const wide = spread ? spread.reach : 1;
      const fixed = view3d.on ? { "xaxis.range": [-wide, wide], "yaxis.range": [-wide, wide] } : { "xaxis.autorange": true, "yaxis.autorange": true };
      const layout = changed ? { ...fixed, dragmode: view3d.on ? false : "pan" } : {};
      if (changed === "switched") {
        layout.selections = [];
        style.selectedpoints = [null];
      }
      style["marker.size"] = div.data.map((t, i) => (t.name === "true path" && view3d.on ? depths(spread.truth) : sizes[i]));
      div.classList.toggle("is-solid", view3d.on);
      return Plotly.update(div, style, layout, all).then(() => markCursor(div));
    };
    slap.follow("map", () => markCursor(div));
    if (view3d.on) slap.place("drawn");
  };

  const columns = (points) => ({ x: points.map((p) => (p ? p[0] : null)), y: points.map((p) => (p ? p[1] : null)) });
  const degree = Math.PI / 180;
  function turnedAxes() {
    const [a, b] = [view3d.around * degree, view3d.above * degree];
    return [
      [Math.cos(a), Math.sin(a), 0],
      [-Math.sin(a) * Math.sin(b), Math.cos(a) * Math.sin(b), Math.cos(b)],
      [Math.sin(a) * Math.cos(b), -Math.cos(a) * Math.cos(b), Math.sin(b)],
    ];
  }
  const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
  const cast = (point) => {
    const [right, up] = turnedAxes();
    return [dot(right, point), dot(up, point)];
  };
  /* What is nearer is drawn larger. */
  function depths(points) {
    const near = turnedAxes()[2];
    const depth = points.map((p) => dot(near, p));
    const most = Math.max(...depth.map(Math.abs)) || 1;
    return depth.map((d) => 4.5 + (2 * d) / most);
  }

  function turnByHand(div) {
    let from = null;
    div.addEventListener("pointerdown", (event) => {
      if (!view3d.on || div._fullLayout.dragmode !== false || !event.target.closest(".nsewdrag")) return;
      from = { x: event.clientX, y: event.clientY, around: view3d.around, above: view3d.above };
    });
    let waiting = false;
    addEventListener("pointermove", (event) => {
      if (!from || !event.buttons) return (from = null);
      const around = from.around - 0.5 * (event.clientX - from.x);
      view3d.around = ((((around + 180) % 360) + 360) % 360) - 180;
      view3d.above = Math.max(-89, Math.min(89, from.above + 0.5 * (event.clientY - from.y)));
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        slap.place?.().then(() => (waiting = false));
        slap.showCorner();
      });
    });
    addEventListener("pointerup", () => (from = null));
  }

  function hoverPictures(div) {
    div.on("plotly_hover", ({ points, event }) => {
      const point = points.find((p) => p.customdata !== undefined);
      if (!point) return;
      const frame = Number(point.customdata);
      const seen = point.data.name === "anchors" || point.data.name === "true path";
      const what = seen ? slap.describeFrame(frame) : `${point.data.name.replace(" recovered", "")}, recovered; ${slap.describeFrame(frame)}`;
      showCard(frame, event, what);
      slap.point(frame, "pointer");
    });
    div.on("plotly_unhover", () => {
      if (card) card.hidden = true;
      slap.point(null, "pointer");
    });
    const frame = ({ points }) => points.find((p) => p.customdata !== undefined)?.customdata;
    div.on("plotly_click", (event) => frame(event) !== undefined && slap.seek(Number(frame(event)), "pointer"));
    // A lasso finds points of every trace: a frame is shown once.
    const frames = (event) => [...new Set((event?.points || []).flatMap((p) => (p.customdata === undefined ? [] : [Number(p.customdata)])))];
    div.on("plotly_selected", (event) => slap.showSelected(frames(event).sort((a, b) => a - b)));
    div.on("plotly_deselect", () => slap.showSelected([]));
  }

  let card = null;
  function showCard(frame, event, words) {
    if (!slap.sprite || !(frame >= 0 && frame < slap.sprite.count)) return;
    if (!card) {
      card = make("div", "slap-card");
      card.setAttribute("aria-hidden", "true");
      document.body.append(card);
    }
    card.replaceChildren(slap.picture(slap.sprite, frame), make("span", "", words));
    card.hidden = false;
    const box = card.getBoundingClientRect();
    card.style.left = `${Math.max(4, Math.min(event.clientX + 16, innerWidth - box.width - 4))}px`;
    card.style.top = `${Math.max(4, Math.min(event.clientY + 16, innerHeight - box.height - 4))}px`;
  }

  /* The cursor on the map: a ring where the true frame is, a diamond where SLAP is at that moment. */
  function markCursor(div) {
    const frame = slap.cursor();
    for (const [name, className] of [["SLAP", "slap-dot is-slap"], ["true path", "slap-dot is-true"]]) {
      const index = (div._fullData || []).findIndex((t) => t.name === name);
      if (index < 0) continue;
      const mark = div.querySelector(`.${className.replace(" ", ".")}`) || div.appendChild(make("i", className));
      const { xaxis, yaxis } = div._fullLayout;
      const { x, y, visible } = div._fullData[index];
      mark.hidden = frame === null || !xaxis || visible !== true;
      if (mark.hidden) continue;
      const [left, top] = [xaxis.d2p(x[frame]), yaxis.d2p(y[frame])];
      mark.hidden = !(left >= 0 && left <= xaxis._length && top >= 0 && top <= yaxis._length);
      Object.assign(mark.style, { left: `${xaxis._offset + left}px`, top: `${yaxis._offset + top}px` });
    }
  }

  /* Points of all frames, of each lambda where there are several. */
  function unpacked({ points, low, size, frames }, axes) {
    const steps = new Uint16Array(slap.bytes(points).buffer);
    const at = (i) => low.map((least, axis) => least + size * steps[axes * i + axis]);
    return Array.from({ length: steps.length / axes / frames }, (_, k) => Array.from({ length: frames }, (_, i) => at(k * frames + i)));
  }

  /* The packed rows are the truth, each method's path, and the path of each lambda. */
  function unpackedSolid(solid) {
    const [truth, ...rest] = unpacked(solid, 3);
    const paths = Object.fromEntries(solid.methods.map((name, k) => [name, rest[k]]));
    const scan = rest.slice(solid.methods.length);
    // Turned about the middle of what is seen at first: far lambdas may leave the picture.
    const shown = [truth, ...Object.values(paths), solid.query ? [solid.query] : []].flat();
    const middle = [0, 1, 2].map((i) => (Math.min(...shown.map((p) => p[i])) + Math.max(...shown.map((p) => p[i]))) / 2);
    const about = (p) => p.map((x, i) => x - middle[i]);
    const reach = 1.05 * Math.max(...shown.map((p) => Math.hypot(...about(p))), 1e-9);
    const arm = 0.4 * reach;
    const axes = [[arm, 0, 0], [0, 0, 0], [0, arm, 0], null, [0, 0, 0], [0, 0, arm]];
    return {
      truth: truth.map(about),
      paths: Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, path.map(about)])),
      scan: scan.map((path) => path.map(about)),
      query: solid.query && about(solid.query),
      reach,
      axes,
    };
  }
})();
