/* Terms say what they mean where a person points at them or comes by with Tab. The words are those of glossary.py, which
 * arrive in `slap.glossary` as {form: {name, definition, formula}}.
 */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const forms = Object.keys(slap.glossary).sort((a, b) => b.length - a.length);
  const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const pattern = new RegExp(`(?<![\\p{L}\\d*])(${forms.map(escape).join("|")})(?![\\p{L}\\d*])`, "gu");
  let card = null;

  function show(word) {
    if (!card) {
      card = make("div", "slap-term-card");
      card.id = "slap-term-card";
      card.setAttribute("role", "tooltip");
      document.body.append(card);
    }
    const { name, definition, formula } = slap.glossary[word.dataset.form];
    card.replaceChildren(make("b", "", name), make("span", "", `: ${definition}`));
    if (formula) card.append(make("span", "slap-formula", formula));
    card.hidden = false;
    word.setAttribute("aria-describedby", card.id);
    const at = word.getBoundingClientRect();
    const box = card.getBoundingClientRect();
    card.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.width - 8))}px`;
    card.style.top = `${at.bottom + 6 + box.height > innerHeight ? at.top - box.height - 6 : at.bottom + 6}px`;
  }
  const hide = () => card && (card.hidden = true);
  addEventListener("scroll", hide, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

  /* Writes a text into an element; each term's first occurrence in it can be asked. `said` holds those asked before. */
  slap.gloss = (element, text, said = new Set()) => {
    element.replaceChildren();
    let from = 0;
    for (const found of (text || "").matchAll(pattern)) {
      const { name } = slap.glossary[found[0]];
      if (said.has(name)) continue;
      said.add(name);
      const word = make("span", "slap-term", found[0]);
      word.dataset.form = found[0];
      word.tabIndex = 0;
      word.addEventListener("pointerenter", () => show(word));
      word.addEventListener("focus", () => show(word));
      for (const event of ["pointerleave", "blur"]) word.addEventListener(event, hide);
      element.append(text.slice(from, found.index), word);
      from = found.index + found[0].length;
    }
    element.append((text || "").slice(from));
  };

  /* The same for what an element holds already, with its markup. */
  slap.glossIn = (element, said = new Set()) => {
    const walk = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walk.nextNode()) if (!walk.currentNode.parentElement.closest(".slap-term, a, button, code, h1, h2, h3")) texts.push(walk.currentNode);
    for (const text of texts) {
      const written = make("span");
      slap.gloss(written, text.data, said);
      if (written.childElementCount) text.replaceWith(...written.childNodes);
    }
  };
})();
