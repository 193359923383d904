/* The tunnel test, revealed: what each method believes frame by frame, in a table to be pointed at or walked through. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make, tunnel } = slap;

  /* One belief: the thing, the third of the picture it is in, how sure, right or wrong; the same in words for the ear. */
  function cell(belief, frame) {
    const box = make("td", belief ? `slap-belief ${belief.right === false ? "is-wrong" : "is-right"}` : "slap-belief");
    box.setAttribute("role", "cell");
    if (!belief) return box;
    const seen = make("span", "slap-seen");
    seen.setAttribute("aria-hidden", "true");
    belief.more?.forEach((other) => seen.append(...cell({ ...other, more: [] }, frame).querySelector(".slap-seen").childNodes));
    seen.append(belief.picture ? Object.assign(make("img"), { src: belief.picture, alt: "" }) : make("span", "slap-none", "∅"));
    const bar = make("span", "slap-where");
    for (const third of [0, 1, 2]) bar.append(make("i", third === belief.place ? "is-there" : ""));
    seen.append(bar);
    if (belief.right !== undefined) seen.append(make("b", "", belief.right ? "✓" : "✗"));
    if (belief.sure !== undefined) seen.append(make("small", "", String(belief.sure)));
    box.append(seen, make("span", "slap-aloud", `frame ${frame}: ${belief.words}`));
    box.dataset.words = `Frame ${frame}: ${belief.words}.`;
    return box;
  }

  function line(name, summary, cells, own) {
    const row = make("tr", own ? "is-own" : "");
    row.setAttribute("role", "row");
    const head = make("th", "", name);
    head.scope = "row";
    head.setAttribute("role", "rowheader");
    if (summary) head.append(make("span", "slap-unit", summary));
    row.append(head, ...cells);
    return row;
  }

  slap.draw.beliefs = (body, { data }) => {
    const { guess } = tunnel;
    const { frames, asked } = data;
    const grid = make("table", "slap-beliefs");
    grid.setAttribute("role", "table");
    grid.setAttribute("aria-label", "What each method believes, frame by frame");
    grid.style.setProperty("--frames", frames.length);
    const numbers = frames.map((frame) => {
      const head = make("th", frame === asked ? "is-asked" : "", frame === asked ? `${frame}?` : String(frame));
      head.scope = "col";
      head.setAttribute("role", "columnheader");
      return head;
    });
    const named = make("th", "", "frame");
    named.setAttribute("role", "columnheader");
    const head = make("tr", "slap-numbers");
    head.setAttribute("role", "row");
    head.append(named, ...numbers);
    const nothing = { picture: "", place: -1, words: "nothing" };
    const several = (things) => ({ ...(things[0] || nothing), more: things.slice(1), words: things.map((t) => t.words).join(", and ") || "nothing" });
    const truth = line("Truth", "", data.truth.map((things, k) => cell(several(things), frames[k])));
    const you = guess && line("You", `in frame ${asked}`, frames.map((frame) =>
      cell(frame === asked ? { ...guess, words: `${guess.words}, ${guess.right ? "right" : "wrong"}` } : null, frame)));
    grid.append(head, truth, ...(you ? [you] : []));
    data.rows.forEach((row) => grid.append(line(row.name, row.summary, row.cells.map((c, k) => cell(c, frames[k])), row.own)));

    const readout = make("p", "slap-readout", "Point at a cell, or use the arrow keys, to read it in words.");
    const cells = [...grid.querySelectorAll("td[data-words]")];
    let at = -1;
    const read = (next) => {
      if (!cells[next]) return;
      cells[at]?.classList.remove("is-cursor");
      at = next;
      cells[at].classList.add("is-cursor");
      readout.textContent = `${cells[at].closest("tr").querySelector("th").firstChild.textContent}. ${cells[at].dataset.words}`;
    };
    const to = (event) => read(cells.indexOf(event.target.closest("td[data-words]")));
    grid.addEventListener("pointerover", to);
    grid.addEventListener("click", to);
    grid.tabIndex = 0;
    grid.addEventListener("keydown", (event) => {
      const along = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const across = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
      if (!along && !across) return;
      event.preventDefault();
      let next = cells[at];
      do next = next?.parentElement[across]?.cells[next.cellIndex];
      while (across && next && !next.dataset.words); // the person's own row has one cell only
      read(at < 0 ? 0 : along ? at + along : cells.indexOf(next));
      readout.setAttribute("aria-live", "polite");
    });

    const verdict = make("p", "slap-verdict");
    verdict.textContent = guess
      ? `You guessed ${guess.words}: ${guess.right ? "✓ right" : "✗ wrong"}. ${data.others}`
      : `You did not guess. ${data.others}`;
    const top = make("div", "slap-stage is-answer");
    const beside = make("div");
    beside.append(verdict, tunnel.strip(data, (frame) => ({ kind: frame === asked ? "asked" : "plain", text: "" })));
    top.append(tunnel.player(data, "The clip, cut open"), beside);
    verdict.tabIndex = -1;
    body.replaceChildren(top, make("h3", "slap-subtitle", "What each method believes"), make("p", "slap-legend", data.legend), grid, readout);
    if (document.activeElement === document.getElementById("view-beliefs")) verdict.focus({ preventScroll: true });
  };
})();
