/* What stands under the latent map: a run along the path, two dimensions or three, the slider of lambda, and the frames
 * that were chosen with a lasso.
 */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const { view3d } = slap;
  const short = (value) => Number(value.toPrecision(4)); // as it was typed, without what single precision adds

  slap.draw.map = (body, view) => {
    slap.drift = view.data.drift;
    const tools = make("div", "slap-turn slap-space");
    tools.append(runner(), ...corner());
    body.replaceChildren(tools, lambdaSlider(view), chosenFrames());
  };

  /* Frames that were lassoed. */
  function chosenFrames() {
    const chosen = make("div", "slap-chosen");
    chosen.setAttribute("role", "group");
    chosen.setAttribute("aria-label", "Frames that were chosen on the map");
    slap.showSelected = (frames) => {
      slap.selected = frames;
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
    slap.showSelected(slap.selected || []); // another run of the same clip leaves them chosen
    slap.follow("chosen", (frame) =>
      chosen.querySelectorAll(".slap-frame").forEach((cell) => cell.classList.toggle("is-cursor", Number(cell.dataset.frame) === frame)));
    return chosen;
  }

  function lambdaSlider(view) {
    const turn = make("div", "slap-turn slap-lambda");
    const slider = make("input");
    Object.assign(slider, { type: "range", min: 0, step: 1 });
    slider.setAttribute("aria-label", "λ: turn it, and the path of SLAP and its energies follow");
    const told = make("output", "slap-unit");
    const use = button("use this λ", () => slap.useCoupling?.(short(slap.scan.couplings[slap.held()])));
    turn.append(make("span", "slap-time", "λ"), slider, told);
    if (slap.useCoupling) turn.append(use);
    slider.addEventListener("input", () => slap.hold(Number(slider.value)));
    slap.heed("slider", (k) => {
      const { couplings, drift, converged, action } = slap.scan;
      slider.value = k;
      const sum = action[k].reduce((a, b) => a + b, 0);
      const parts = [`${short(couplings[k])}`, drift.length ? `drift ${drift[k].toPrecision(3)}` : "", `action ${sum.toPrecision(3).replace("-", "−")}`];
      told.textContent = parts.filter(Boolean).join(" · ") + (converged[k] ? "" : " · did not converge");
    });
    slap.offerScan = () => {
      turn.hidden = !(view.data.scan && slap.scan);
      if (!turn.hidden) slider.max = slap.scan.couplings.length - 1;
    };
    slap.offerScan();
    return turn;
  }

  function button(name, act) {
    const made = make("button", "slap-key-all", name);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  /* A run along the path in the clip's own time, or in four seconds where the clip is shorter. */
  function runner() {
    const made = button("", () => (slap.running ? slap.halt() : begin()));
    const tell = () => (made.textContent = slap.running ? "❚❚ pause" : "▶ run along the path");
    slap.halt = () => {
      slap.running = false;
      tell();
    };
    slap.run = begin;
    function begin() {
      const { times } = slap.strip;
      const last = times.length - 1;
      const here = slap.cursor();
      const from = here === null || here === last ? 0 : here;
      const pace = Math.min(1, (times[last] - times[0]) / 4) / 1000;
      const start = performance.now();
      slap.running = true;
      tell();
      const step = (now) => {
        if (!slap.running || !made.isConnected) return;
        const time = times[from] + Math.max(0, now - start) * pace;
        slap.rest(Math.max(from, times.findLastIndex((other) => other <= time)), "run");
        if (time < times[last] && pace > 0) return requestAnimationFrame(step);
        slap.seek(last, "run");
        slap.halt();
      };
      requestAnimationFrame(step);
    }
    slap.running = false;
    tell();
    return made;
  }

  /* Two dimensions or three, and where three are looked at from. */
  function corner() {
    const made = button("3D", () => {
      view3d.on = !view3d.on;
      show();
      slap.showSelected?.([]);
      slap.place?.("switched");
    });
    const slider = make("input");
    Object.assign(slider, { type: "range", min: -180, max: 180, step: 5, value: view3d.around });
    slider.setAttribute("aria-label", "Turn the map in three dimensions");
    slider.addEventListener("input", () => {
      view3d.around = Number(slider.value);
      slap.place?.();
    });
    const told = make("output", "slap-unit");
    const show = () => {
      made.setAttribute("aria-pressed", String(view3d.on));
      slider.hidden = !view3d.on;
      told.textContent = view3d.on ? slap.solidNote?.() || "" : "";
    };
    slap.showCorner = () => {
      made.hidden = !slap.solidNote?.();
      slider.value = Math.round(view3d.around);
      show();
    };
    show();
    return [made, slider, told];
  }
})();
