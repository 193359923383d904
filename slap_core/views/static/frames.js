/* The film strip, and what stands under the map: the slider of lambda and the frames that were chosen there. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const short = (value) => Number(value.toPrecision(4)); // as it was typed, without what single precision adds

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

  /* Under the map: the slider of lambda, and the frames that were lassoed. */
  slap.draw.map = (body, view) => {
    slap.drift = view.data.drift;
    const turn = make("div", "slap-turn");
    const slider = make("input");
    Object.assign(slider, { type: "range", min: 0, step: 1 });
    slider.setAttribute("aria-label", "λ: turn it, and the path of SLAP and its energies follow");
    const told = make("output", "slap-unit");
    const use = make("button", "slap-key-all", "use this λ");
    use.type = "button";
    use.addEventListener("click", () => slap.useCoupling?.(short(slap.scan.couplings[slap.held()])));
    turn.append(make("span", "slap-time", "λ"), slider, told);
    if (slap.useCoupling) turn.append(use);
    slider.addEventListener("input", () => slap.hold(Number(slider.value)));
    const chosen = make("div", "slap-chosen");
    chosen.setAttribute("role", "group");
    chosen.setAttribute("aria-label", "Frames that were chosen on the map");
    slap.showSelected = (frames) => {
      chosen.replaceChildren(
        ...frames.map((frame) => {
          const button = make("button", "slap-frame");
          button.type = "button";
          button.dataset.frame = frame;
          button.setAttribute("aria-label", slap.describeFrame(frame));
          button.append(slap.picture(slap.sprite, frame), make("span", "slap-time", slap.strip.times[frame].toFixed(2)));
          button.addEventListener("click", () => slap.seek(frame, "chosen"));
          return button;
        }),
      );
    };
    slap.follow("chosen", (frame) =>
      chosen.querySelectorAll(".slap-frame").forEach((cell) => cell.classList.toggle("is-cursor", Number(cell.dataset.frame) === frame)));
    slap.heed("slider", (k) => {
      const { couplings, drift, converged, action } = slap.scan;
      slider.value = k;
      const sum = action[k].reduce((a, b) => a + b, 0);
      const parts = [`${short(couplings[k])}`, drift.length ? `drift ${drift[k].toPrecision(3)}` : "", `action ${sum.toPrecision(3)}`];
      told.textContent = parts.filter(Boolean).join(" · ") + (converged[k] ? "" : " · did not converge");
    });
    slap.mapScan = (current, k) => {
      const { scan } = current.data;
      turn.hidden = !(scan && slap.scan);
      if (turn.hidden) return null;
      slider.max = slap.scan.couplings.length - 1;
      if (k === undefined) return null;
      if (!current.points) current.points = unpacked(scan);
      return current.points[k];
    };
    slap.mapScan(view);
    body.replaceChildren(turn, chosen);
  };

  /* Points of all frames for each lambda. */
  function unpacked({ points, low, size, frames }) {
    const steps = new Uint16Array(slap.bytes(points).buffer);
    const at = (i) => [low[0] + size * steps[2 * i], low[1] + size * steps[2 * i + 1]];
    return Array.from({ length: steps.length / 2 / frames }, (_, k) => Array.from({ length: frames }, (_, i) => at(k * frames + i)));
  }
})();
