/* What the lesson's steps share: numbers, motion, controls, predictions.
 *
 *   slap.learn.mount(element, name)   brings the step of that name to life; called when the place is opened
 *   slap.learn.steps[name](lab)       what the step does, in its own file; returns {answer, reveal}
 *   slap.learn.mounted[name]          what it returned
 *
 * answer() computes {value, sentence}: which prediction is right, and why; it looks at nothing on the page, so that the
 * worksheet can ask for it too. It is null while there is nothing to compute from. reveal(answer) shows what was held
 * back and returns what is to be said of the pupil's own path.
 *
 * Physics is in learn_physics.js, pictures in learn_stage.js. Everything is written as text, never as markup.
 */
(() => {
  "use strict";
  const slap = window.slap;
  const { make, physics } = slap;
  const learn = (slap.learn = { steps: {}, mounted: {}, physics });

  /* At most three significant digits, with a real minus. */
  learn.figure = (value) => {
    if (Math.abs(value) < 5e-10) return "0";
    const short = Number(value.toPrecision(3));
    const plain = Math.abs(short) < 1e-3 ? short.toExponential().replace("e", " × 10^") : short.toLocaleString("en");
    return plain.replace(/-/g, "−").replace(/\^(−?)(\d+)/, (_, sign, digits) =>
      (sign ? "⁻" : "") + [...digits].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join(""),
    );
  };

  learn.count = (number, word) => `${learn.figure(number)} ${word}${number === 1 ? "" : "s"}`;

  learn.still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  /* Calls advance() once per frame until it returns true; all at once where motion is unwanted. The last call with the
   * same owner wins; `owner.halt()` ends it where it is, `owner.finish()` at its end. */
  learn.animate = (owner, advance) => {
    owner.halt?.();
    let going = true;
    owner.halt = () => (going = false);
    owner.finish = () => {
      for (let n = 0; going && n < 20000; n += 1) going = !advance();
    };
    if (learn.still()) {
      owner.finish();
      return;
    }
    const frame = () => {
      if (!going) return;
      going = !advance();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  };

  learn.points = (times, path) => times.map((t, i) => [t, path[i]]);
  learn.heights = (path, unit) => `${path.slice(1, -1).map((z) => learn.figure(z)).join(", ")} ${unit}`;

  /* The parts of a step, and what can be said in them. */
  function laboratory(element) {
    const part = (name) => element.querySelector(`.learn-${name}`);
    const lab = { element, picture: part("picture"), controls: part("controls"), checked: false };
    let pending = null;
    let shown = {};
    lab.numbers = (values) => {
      if (Object.keys(values).join() !== Object.keys(shown).join()) {
        part("numbers").replaceChildren(
          ...Object.keys(values).map((name) => {
            const row = make("div");
            row.append(make("dt", "", name), make("dd"));
            return row;
          }),
        );
      }
      shown = values;
      const cells = part("numbers").querySelectorAll("dd");
      Object.values(values).forEach((value, i) => (cells[i].textContent = value));
    };
    lab.says = (sentence) => { // read aloud once the hand rests
      clearTimeout(pending);
      pending = setTimeout(() => (part("says").textContent = sentence()), 250);
    };
    lab.button = (words, act) => {
      const button = make("button", "", words);
      button.type = "button";
      button.addEventListener("click", act);
      lab.controls.append(button);
      return button;
    };
    lab.slider = (words, { min, max, step, value, show, act }) => {
      const label = make("label", "learn-slider");
      const input = make("input");
      Object.assign(input, { type: "range", min, max, step, value });
      const output = make("output");
      const update = () => {
        output.textContent = show(Number(input.value));
        input.setAttribute("aria-valuetext", output.textContent);
      };
      input.addEventListener("input", () => (update(), act(Number(input.value))));
      label.append(make("span", "", words), input, output);
      lab.controls.append(label);
      update();
      return { input, set: (v) => ((input.value = v), update(), act(Number(input.value))) };
    };
    return lab;
  }

  learn.mount = (element, name) => {
    const lab = laboratory(element);
    const step = (learn.mounted[name] = learn.steps[name](lab));
    const [button, answer] = [element.querySelector(".learn-check button"), element.querySelector(".learn-answer")];
    element.querySelectorAll("input[type=radio]").forEach((radio) =>
      radio.addEventListener("change", () => {
        button.disabled = false;
        answer.textContent = "Now try it above, then check.";
      }),
    );
    button.addEventListener("click", () => {
      const chosen = element.querySelector("input[type=radio]:checked");
      const found = step.answer();
      if (!found) {
        answer.textContent = "The clip is not here, so nothing can be checked.";
        return;
      }
      lab.checked = true;
      const right = chosen.value === found.value;
      answer.dataset.right = right;
      answer.textContent =
        `${right ? "As you predicted." : "Not as you predicted."} ${found.sentence} ${step.reveal(found)}`;
      document.querySelector(`.learn-contents [data-step=${name}]`)?.classList.add("is-done");
    });
  };

  learn.contents = (element) =>
    element.querySelectorAll("[data-step]").forEach((button) =>
      button.addEventListener("click", () => {
        const step = document.getElementById(`learn-${button.dataset.step}`);
        step.scrollIntoView({ behavior: learn.still() ? "auto" : "smooth" });
        step.querySelector("input")?.focus({ preventScroll: true });
      }),
    );
})();
