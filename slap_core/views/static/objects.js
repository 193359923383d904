/* The x-ray: each object's outline over the frames, solid where it is seen, dashed where it is believed to be. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;

  slap.draw.objects = (body, { data }) => {
    if (!data.objects) {
      body.replaceChildren(); // nothing to follow: the words say so
      return null;
    }
    const { sprite, objects } = data;
    const shown = objects.map(() => true);
    const items = objects.map(({ slot, colour }) => ({ name: `${slot}`, label: `Object of slot ${slot}`, colour }));
    const keys = slap.keys("Show or hide objects", items, shown, () => paint());

    const kept = new Set(data.kept);
    const gallery = make("div", "slap-masks");
    const canvases = data.frames.map((frame) => {
      const cell = make("figure");
      const canvas = make("canvas");
      canvas.width = 2 * sprite.width; // outlines are finer than the picture
      canvas.height = 2 * sprite.height;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Frame ${frame}: ${states(frame)}`);
      const note = kept.has(frame) ? "" : ", dropped";
      cell.append(canvas, make("figcaption", "", `${data.times[frame].toFixed(2)} s${note}`));
      gallery.append(cell);
      return canvas;
    });

    function states(frame) {
      const words = objects.map(({ slot, seen, there }) =>
        `object of slot ${slot} ${seen[frame] ? "seen" : there[frame] ? "believed" : "not there"}`);
      return words.join(", ");
    }

    const sheet = slap.image(sprite.src);
    async function paint() {
      const picture = await sheet;
      canvases.forEach((canvas, index) => {
        const context = canvas.getContext("2d");
        const { width, height } = canvas;
        context.setLineDash([]);
        slap.drawFrame(context, picture, sprite, index, 0.45);
        objects.forEach((object, k) => shown[k] && outline(context, object, index, width, height));
      });
    }

    function outline(context, object, index, width, height) {
      const frame = data.frames[index];
      const [left, top, right, bottom] = data.box;
      const at = ([x, y]) => [(left + x * (right - left)) * width, (top + y * (bottom - top)) * height];
      trail(context, object, at, width);
      const ellipse = object.ellipses[index];
      if (!ellipse) return;
      const [x, y, a, b, angle] = ellipse.map((value, i) => (i < 4 ? value * width : value));
      const seen = object.seen[frame];
      context.beginPath();
      context.ellipse(left * width + x, top * height + y, a, b, angle, 0, 2 * Math.PI);
      context.globalAlpha = seen ? 0.18 : 0.3;
      context.fillStyle = object.colour;
      if (!seen) context.fill();
      context.globalAlpha = 1;
      // A light line under the coloured one: readable on any picture.
      for (const [style, line] of [["rgba(255, 255, 255, .85)", width / 60], [object.colour, width / 110]]) {
        context.strokeStyle = style;
        context.lineWidth = line;
        context.setLineDash(seen ? [] : [width / 28, width / 40]);
        context.stroke();
      }
    }

    function trail(context, object, at, width) {
      context.setLineDash([]);
      context.lineWidth = width / 220;
      context.strokeStyle = object.colour;
      context.globalAlpha = 0.8;
      context.beginPath();
      let drawing = false;
      object.place.forEach((place, frame) => {
        if (!object.there[frame]) return;
        const [x, y] = at(place);
        if (drawing) context.lineTo(x, y);
        else context.moveTo(x, y);
        drawing = true;
      });
      context.stroke();
      context.globalAlpha = 1;
    }

    /* When: a row for each object, in pieces of equal state. */
    const rows = make("div", "slap-sightings");
    const [start, end] = [data.times[0], data.times[data.times.length - 1]];
    objects.forEach((object) => {
      const row = make("div", "slap-sighting");
      row.style.setProperty("--colour", object.colour);
      const bar = make("div", "slap-bar");
      bar.setAttribute("role", "img");
      bar.setAttribute("aria-label", `Object of slot ${object.slot}: seen in ${object.seen.filter(Boolean).length} frames`);
      const edge = (frame) => (100 * (data.times[frame] - start)) / Math.max(end - start, 1e-9);
      data.times.forEach((_, frame) => {
        if (!object.there[frame]) return;
        // A kept frame stands for the time half way to its neighbours.
        const from = frame ? (edge(frame - 1) + edge(frame)) / 2 : 0;
        const to = frame + 1 < data.times.length ? (edge(frame) + edge(frame + 1)) / 2 : 100;
        const piece = make("span", object.seen[frame] ? "is-seen" : kept.has(frame) ? "is-hidden" : "is-dropped");
        Object.assign(piece.style, { left: `${from}%`, width: `${to - from}%` });
        bar.append(piece);
      });
      row.append(make("span", "slap-time", `${object.slot}`), bar);
      rows.append(row);
    });
    const span = make("p", "slap-span");
    span.append(make("span", "", `${start.toFixed(2)} s`), make("span", "", `${end.toFixed(2)} s`));
    rows.querySelectorAll(".slap-bar").forEach((bar, k) =>
      slap.timeMark(bar, `sighting ${k}`, (frame) => (data.times[frame] - start) / Math.max(end - start, 1e-9)));
    slap.markNearest("objects", gallery, data.frames);
    const legend = make("p", "slap-unit slap-legend");
    for (const [name, text] of [["is-seen", "seen"], ["is-dropped", "dropped frame, believed"], ["is-hidden", "kept frame, out of sight"]]) {
      const pair = make("span", "", text);
      pair.prepend(make("i", name));
      legend.append(pair);
    }
    body.replaceChildren(keys, gallery, make("h3", "slap-subtitle", "When each object is seen"), rows, span, legend);
    return paint();
  };
})();
