/* What the views share that draw over a gallery of frames: slots and x-ray. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;

  slap.image = (source) => {
    const picture = new Image();
    picture.src = source;
    return picture.decode().then(() => picture);
  };

  /* Buttons that show and hide: one for each {name, label, colour}; `shown` holds which are. */
  slap.keys = (label, items, shown, changed) => {
    const row = make("div", "slap-keys");
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", label);
    items.forEach((item, k) => {
      const key = make("button", "slap-key", item.name);
      key.type = "button";
      key.style.setProperty("--colour", item.colour);
      key.setAttribute("aria-pressed", "true");
      key.setAttribute("aria-label", item.label);
      key.addEventListener("click", () => {
        shown[k] = !shown[k];
        key.setAttribute("aria-pressed", String(shown[k]));
        changed();
      });
      row.append(key);
    });
    return row;
  };

  /* Frame `index` of a sprite sheet on a canvas, paler, so that what is drawn over it stands out. */
  slap.drawFrame = (context, picture, sprite, index, saturation) => {
    const { width, height } = context.canvas;
    context.globalAlpha = 1;
    context.filter = `saturate(${saturation})`;
    context.drawImage(
      picture, (index % sprite.columns) * sprite.width, Math.floor(index / sprite.columns) * sprite.height,
      sprite.width, sprite.height, 0, 0, width, height,
    );
    context.filter = "none";
  };

  /* The cursor, on the cell of a gallery whose frame is the nearest. */
  slap.markNearest = (name, gallery, frames) =>
    slap.follow(name, (frame) => {
      const near = frame === null ? -1 : slap.nearest(frames, frame);
      Array.from(gallery.children, (cell, i) => cell.classList.toggle("is-cursor", i === near));
    });
})();
