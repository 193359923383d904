/* What the path sees at the cursor: the nearest kept frames and words, of the true latent and of the recovered ones. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;

  slap.draw.sees = (body, { data }) => {
    if (!data.readers) {
      body.replaceChildren(); // nothing was recovered: the words say so
      return;
    }
    const sprite = slap.sprite, strip = slap.strip;
    const kept = new Set(strip.kept);
    const count = strip.times.length;
    const found = { frames: unpacked(data.frames), words: unpacked(data.words) };
    const own = slap.wholes(data.own);

    const heads = { truth: "The true latent", SLAP: `SLAP at λ = ${Number(data.coupling.toPrecision(3))}`, SLERP: "SLERP" };

    const line = make("p", "slap-sees-line");
    const grid = make("div", "slap-sees");
    const truth = make("figure", "slap-sees-frame");
    const columns = data.readers.map((name) => {
      const column = make("section", "slap-sees-column");
      column.dataset.method = name;
      const parts = { column, own: make("p", "slap-told"), frames: make("ol", "slap-sees-frames"), words: make("ol", "slap-sees-words") };
      column.append(make("h3", "slap-subtitle", heads[name]), parts.own, parts.frames, parts.words);
      return parts;
    });
    grid.append(truth, ...columns.map(({ column }) => column));
    body.replaceChildren(line, grid);

    function show(frame) {
      const here = frame ?? data.start, missing = !kept.has(here);
      const time = `${strip.times[here].toFixed(2)} s`;
      line.textContent =
        frame === null
          ? `No frame is pointed at; here is that of ${time}, in which SLAP and SLERP differ the most in how near they come.`
          : missing
            ? `The frame of ${time} is missing: beside it, what its true latent is near to, and what was recovered for it.`
            : `The frame of ${time} is kept: every path goes through it, and nothing had to be recovered.`;
      truth.replaceChildren(slap.picture(sprite, here), make("figcaption", "", `${time}, ${missing ? "missing: no method saw it" : "kept"}`));
      truth.classList.toggle("is-dropped", missing);
      columns.forEach(({ column, own: near, frames, words }, k) => {
        // Without a change of height: the page below must not jump while the video plays.
        column.classList.toggle("is-idle", !missing && k > 0);
        near.textContent = k ? `to the true one: ${number(data.step * own[(k - 1) * count + here])}` : missing ? "which no method was shown" : "which every method was shown";
        frames.replaceChildren(...ranked(found.frames, k, here).map(([index, cosine]) => pictured(index, cosine)));
        words.replaceChildren(...ranked(found.words, k, here).map(([index, cosine]) => worded(data.phrases[index], cosine)));
      });
    }

    function unpacked({ count: ranks, index, cosine }) {
      return { ranks, index: slap.wholes(index), cosine: slap.wholes(cosine) };
    }
    function ranked({ ranks, index, cosine }, reader, frame) {
      const first = (reader * count + frame) * ranks;
      return Array.from({ length: ranks }, (_, k) => [index[first + k], data.step * cosine[first + k]]);
    }
    function pictured(index, cosine) {
      const item = make("li");
      item.setAttribute("aria-label", `kept frame at ${strip.times[index].toFixed(2)} s, cosine ${number(cosine)}`);
      item.append(slap.picture(sprite, index), make("span", "slap-time", `${strip.times[index].toFixed(2)} s`), make("span", "slap-time", number(cosine)));
      return item;
    }
    function worded(phrase, cosine) {
      const item = make("li");
      const bar = make("i");
      bar.style.width = `${100 * Math.max(0, cosine)}%`;
      const words = make("span", "", phrase);
      words.title = phrase; // it may be cut short
      item.append(words, make("span", "slap-time", number(cosine)), bar);
      return item;
    }

    slap.follow("sees", show);
    if (slap.cursor() === null) show(null);
  };

  const number = (value) => value.toFixed(3).replace("-", "−");
})();
