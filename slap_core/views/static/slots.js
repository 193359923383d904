/* The slots: masks over the pictures of a sprite sheet, and events along time. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

  /* A small picture whose pixels are the slots' colours, as strong as their attention. */
  function tint(width, height, colours, weight, shown) {
    const canvas = make("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      let red = 0, green = 0, blue = 0, total = 0, most = 0;
      colours.forEach((colour, slot) => {
        if (!shown[slot]) return;
        const attention = weight(slot, i);
        const w = attention ** 3; // the strongest slot gives the colour: an even mixture would be mud
        most = Math.max(most, attention);
        red += w * colour[0];
        green += w * colour[1];
        blue += w * colour[2];
        total += w;
      });
      if (total > 0) pixels.data.set([red / total, green / total, blue / total, 255 * most], 4 * i);
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  slap.draw.slots = (body, { data }) => {
    const colours = data.colours.map(rgb);
    const [frames, slots, rows, columns] = data.slow.shape;
    const slow = slap.bytes(data.slow.bytes);
    const shown = colours.map(() => true);
    const { sprite } = data;

    const items = data.colours.map((colour, slot) => ({ name: `${slot + 1}`, label: `Slot ${slot + 1}`, colour }));
    const keys = slap.keys("Show or hide slots", items, shown, () => paint());
    const only = make("button", "slap-key-all", "all");
    only.type = "button";
    only.addEventListener("click", () => {
      const all = shown.every(Boolean);
      shown.fill(!all);
      keys.querySelectorAll(".slap-key").forEach((key) => key.setAttribute("aria-pressed", String(!all)));
      paint();
    });
    keys.append(only);

    const gallery = make("div", "slap-masks");
    const canvases = data.frames.map((frame, index) => {
      const cell = make("figure");
      const canvas = make("canvas");
      canvas.width = sprite.width;
      canvas.height = sprite.height;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Slow slots over frame ${frame}`);
      cell.append(canvas, make("figcaption", "", `${data.times[index].toFixed(2)} s${data.kept[index] ? "" : ", dropped"}`));
      gallery.append(cell);
      return canvas;
    });

    slap.markNearest("slots", gallery, data.frames);
    slap.bear("slots", (found) => {
      const rests = found?.slots ?? [];
      const frames = rests.map(([frame]) => slap.nearest(data.frames, frame));
      Array.from(gallery.children, (cell, i) => cell.classList.toggle("is-rest", frames.includes(i)));
      keys.querySelectorAll(".slap-key").forEach((key, slot) => key.classList.toggle("is-rest", rests.some(([, s]) => s === slot)));
    });

    const events = make("div", "slap-events");
    const fast = fastSlots(data, colours, shown);
    events.append(...fast.parts);
    body.replaceChildren(
      keys,
      make("h3", "slap-subtitle", "Slow slots: where"), gallery,
      make("h3", "slap-subtitle", "Fast slots: when"), timeline(data.events), events,
    );

    const sheet = slap.image(sprite.src);
    async function paint() {
      const picture = await sheet;
      canvases.forEach((canvas, index) => {
        const context = canvas.getContext("2d");
        const { width, height } = sprite;
        slap.drawFrame(context, picture, sprite, index, 0.35);
        context.globalAlpha = 0.62;
        context.imageSmoothingEnabled = true;
        const size = rows * columns;
        const mask = tint(columns, rows, colours.slice(0, slots), (slot, i) => slow[(index * slots + slot) * size + i] / 255, shown);
        const [left, top, right, bottom] = data.slow.box;
        context.drawImage(mask, left * width, top * height, (right - left) * width, (bottom - top) * height);
      });
      fast.paint(await sheet);
    }
    return paint();
  };

  /* The stretches of time that events part, and how much changes from frame to frame. */
  function timeline({ starts, changes, times }) {
    const start = times[0], length = Math.max(times[times.length - 1] - start, 1e-9);
    const along = (frame) => (frame >= times.length ? 100 : (100 * (times[frame] - start)) / length);
    const part = make("div");
    const bar = make("div", "slap-timeline");
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", `Stretches from ${starts.map((frame) => `${times[frame].toFixed(2)} s`).join(", ")}`);
    starts.forEach((frame, k) => {
      const to = k + 1 < starts.length ? along(starts[k + 1]) : 100;
      const piece = make("span", "", to - along(frame) > 8 ? `${times[frame].toFixed(2)} s` : "");
      Object.assign(piece.style, { left: `${along(frame)}%`, width: `${to - along(frame)}%` });
      bar.append(piece);
    });
    slap.timeMark(bar, "timeline", (frame) => along(frame) / 100);
    const ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", "0 0 100 40");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("class", "slap-changes");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(ns, "path");
    const most = Math.max(...changes, 0.02);
    const points = changes.map((change, k) => `${(along(k) + along(k + 1)) / 2} ${39 - (37 * change) / most}`);
    path.setAttribute("d", points.length ? `M0 39L${points.join("L")}L100 39` : "M0 39H100");
    svg.append(path);
    part.append(bar, svg, make("p", "slap-unit", `share of attention that changes from frame to frame, up to ${(100 * most).toFixed(0)} %`));
    return part;
  }

  /* One time x slot map for each cell, laid out as the cells lie in the picture; the chosen one enlarged beside its place. */
  function fastSlots(data, colours, shown) {
    const [cells, length, slots] = data.fast.shape;
    const [gridRows, gridColumns] = data.fast.grid;
    const fast = slap.bytes(data.fast.bytes);
    const { sprite } = data;
    let chosen = 0;
    let picture = null;
    const weight = (cell) => (slot, i) =>
      Math.floor(i / length) === slot ? fast[(cell * length + (i % length)) * slots + slot] / 255 : 0;

    const grid = make("div", "slap-cells");
    grid.style.gridTemplateColumns = `repeat(${gridColumns}, 1fr)`;
    grid.setAttribute("role", "group");
    grid.setAttribute("aria-label", "Cells of the picture");
    const buttons = Array.from({ length: cells }, (_, cell) => {
      const button = make("button", "slap-cell");
      button.type = "button";
      button.setAttribute("aria-label", `Row ${Math.floor(cell / gridColumns) + 1}, column ${(cell % gridColumns) + 1}`);
      const choose = () => {
        chosen = cell;
        paint(picture);
      };
      button.addEventListener("click", choose);
      button.addEventListener("pointerenter", choose);
      grid.append(button);
      return button;
    });

    const detail = make("div", "slap-detail");
    const place = make("canvas", "slap-place");
    place.width = sprite.width;
    place.height = sprite.height;
    const large = make("div", "slap-large");
    const label = make("p", "slap-unit");
    label.setAttribute("aria-live", "polite");
    detail.append(label, place, large, make("p", "slap-span", ""));
    const span = detail.querySelector(".slap-span");
    span.append(make("span", "", `${data.span[0].toFixed(2)} s`), make("span", "", `${data.span[1].toFixed(2)} s`));

    function paint(sheet) {
      picture = sheet;
      buttons.forEach((button, cell) => {
        button.replaceChildren(tint(length, slots, colours.slice(0, slots), weight(cell), shown));
        button.setAttribute("aria-pressed", String(cell === chosen));
      });
      large.replaceChildren(tint(length, slots, colours.slice(0, slots), weight(chosen), shown));
      const row = Math.floor(chosen / gridColumns), column = chosen % gridColumns;
      label.textContent = `Row ${row + 1}, column ${column + 1}: time to the right, one row for each slot`;
      place.setAttribute("role", "img");
      place.setAttribute("aria-label", `The place of row ${row + 1}, column ${column + 1} in the picture`);
      if (!sheet) return;
      const context = place.getContext("2d");
      const { width, height } = sprite;
      const [left, top, right, bottom] = data.slow.box;
      const cellWidth = ((right - left) * width) / gridColumns, cellHeight = ((bottom - top) * height) / gridRows;
      context.filter = "saturate(.35)";
      context.globalAlpha = 1;
      context.clearRect(0, 0, width, height);
      context.globalAlpha = 0.55;
      context.drawImage(sheet, 0, 0, width, height, 0, 0, width, height);
      context.globalAlpha = 1;
      context.filter = "none";
      const x = left * width + column * cellWidth, y = top * height + row * cellHeight;
      context.drawImage(sheet, x, y, cellWidth, cellHeight, x, y, cellWidth, cellHeight);
      context.strokeStyle = slap.variable("--slap-vermillion");
      context.lineWidth = Math.max(1.5, width / 110);
      context.strokeRect(x, y, cellWidth, cellHeight);
    }
    return { parts: [grid, detail], paint };
  }
})();
