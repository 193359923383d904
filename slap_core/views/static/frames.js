/* The film strip. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;

  slap.describeFrame = (frame) => {
    const strip = slap.strip;
    if (!strip) return `frame ${frame}`;
    return `frame ${frame}, ${strip.times[frame].toFixed(2)} s, ${strip.kept.includes(frame) ? "kept" : "dropped"}`;
  };

  /* Film strip: one group for each anchor and the dropped frames after it, so that lines break at anchors. */
  slap.draw.strip = (body, { data }) => {
    slap.sprite = data.sprite;
    slap.strip = data;
    slap.newClip();
    const kept = new Set(data.kept);
    const list = make("ol", "slap-strip");
    let group = null;
    data.times.forEach((time, frame) => {
      if (kept.has(frame) || !group) {
        group = make("li");
        list.append(group);
      }
      const cell = make("span", kept.has(frame) ? "slap-frame" : "slap-frame is-dropped");
      cell.dataset.frame = frame;
      cell.setAttribute("role", "img");
      cell.setAttribute("aria-label", slap.describeFrame(frame));
      cell.append(slap.picture(data.sprite, frame), make("span", "slap-time", time.toFixed(2)));
      group.append(cell);
    });
    const longest = Math.max(...Array.from(list.children, (item) => item.childElementCount));
    list.style.setProperty("--longest", longest);
    list.classList.toggle("is-long", longest > 8);
    list.addEventListener("pointerover", (event) => {
      const cell = event.target.closest("[data-frame]");
      if (cell) mark(Number(cell.dataset.frame));
      slap.point(cell ? Number(cell.dataset.frame) : null, "strip");
    });
    list.addEventListener("pointerleave", () => slap.point(null, "strip"));
    function mark(frame) {
      list.querySelectorAll(".is-cursor").forEach((cell) => cell.classList.remove("is-cursor"));
      if (frame !== null) list.querySelector(`[data-frame="${frame}"]`)?.classList.add("is-cursor");
    }
    list.addEventListener("click", (event) => {
      const cell = event.target.closest("[data-frame]");
      if (cell) slap.seek(Number(cell.dataset.frame), "strip");
    });
    slap.follow("strip", mark);
    body.replaceChildren(list, make("p", "slap-unit", "times in seconds"), slap.cursorLine());
  };
})();
