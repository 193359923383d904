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
    const same = slap.strip?.sprite.src === data.sprite.src && slap.strip.times.length === data.times.length;
    slap.sprite = data.sprite;
    slap.strip = data;
    if (same) slap.halt?.();
    else slap.newClip();
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
    const choosing = slap.useKept ? chooser(list, kept) : null;
    list.addEventListener("click", (event) => {
      const cell = event.target.closest("[data-frame]");
      if (!cell) return;
      const frame = Number(cell.dataset.frame);
      if (choosing?.on) choosing.toggle(frame);
      else slap.seek(frame, "strip");
    });
    slap.follow("strip", mark);
    slap.bear("strip", (found) =>
      list.querySelectorAll("[data-frame]").forEach((cell) => {
        const frame = Number(cell.dataset.frame);
        const rests = Boolean(found?.frames.includes(frame));
        cell.classList.toggle("is-rest", rests);
        cell.setAttribute("aria-label", `${slap.describeFrame(frame)}${rests ? ", the answer rests on it" : ""}`);
      }));
    body.replaceChildren(list, make("p", "slap-unit", "times in seconds"), slap.cursorLine(), ...(choosing ? [choosing.row] : []));
  };

  /* Choosing by clicks, or by K at the cursor, which frames stay in the next run: the control says which. */
  function chooser(list, kept) {
    const button = make("button", "slap-key-all", "choose the frames that stay");
    button.type = "button";
    const told = make("span", "slap-unit");
    told.setAttribute("aria-live", "polite");
    const row = make("div", "slap-turn");
    row.append(button, told);
    const count = slap.strip.times.length;
    const stay = new Set(frames(slap.namedKept(), count));
    const self = { on: stay.size > 0, row };
    const show = () => {
      button.setAttribute("aria-pressed", String(self.on));
      list.classList.toggle("is-choosing", self.on);
      const shown = self.on ? stay : kept;
      list.querySelectorAll("[data-frame]").forEach((cell) => cell.classList.toggle("is-dropped", !shown.has(Number(cell.dataset.frame))));
      told.textContent = self.on ? `${stay.size} of ${count} frames stay in the next run: click on some, or press K at the cursor.` : "";
    };
    button.addEventListener("click", () => {
      self.on = !self.on;
      stay.clear();
      if (self.on) kept.forEach((frame) => stay.add(frame));
      slap.useKept(text(stay));
      show();
    });
    self.toggle = (frame) => {
      if (!stay.has(frame)) stay.add(frame);
      else if (stay.size > 1) stay.delete(frame);
      slap.useKept(text(stay));
      show();
    };
    slap.toggleKept = (frame) => self.on && frame !== null && self.toggle(frame);
    show();
    return self;
  }

  function frames(words, count) {
    const found = [];
    for (const part of words.split(",")) {
      const [, first, last] = /^\s*(\d+)(?:\s*[-–]\s*(\d+))?\s*$/.exec(part) || [];
      for (let frame = Number(first); frame <= Number(last ?? first) && frame < count; frame += 1) found.push(frame);
    }
    return found;
  }

  /* Frames as a person writes them: 0, 4-6, 9. */
  function text(frames) {
    const runs = [];
    for (const frame of [...frames].sort((a, b) => a - b)) {
      const last = runs.at(-1);
      if (last && frame === last[1] + 1) last[1] = frame;
      else runs.push([frame, frame]);
    }
    return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(", ");
  }
})();
