/* The view of an answer, as it grows: who answers, and from which frames, stretches and slots; and these in the figures.
 *
 *   slap.answer.mount(host)    makes its parts
 *   slap.answer.show(view)     shows the JSON of slap_core.ui.ask, or what asking.js puts in its place
 *   slap.answer.refresh()      what the figures show may have changed
 *   slap.answer.want(yes)      whether they shall be marked, as soon as they show the clip of the answer
 *   slap.answer.clear()        the marks leave the figures
 */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const MOST = 16; // frames or stretches that are told at once
  const SECONDS = (time) => `${time.toFixed(2)} s`;
  let target = null; // the host
  let view = null; // what is shown
  let part = null; // where it stands
  let wanted = false;

  /* The parts, made once: what is read aloud must stay in its place. */
  function build() {
    part = {};
    const root = make("section");
    part.status = make("p", "slap-answer-status");
    part.status.setAttribute("aria-live", "polite");
    part.empty = make("div", "slap-answer-empty");
    part.question = make("p", "slap-answer-question");
    part.text = make("p", "slap-headline slap-answer-text");
    part.text.setAttribute("aria-live", "polite");
    part.facts = make("dl", "slap-answer-facts");
    part.evidence = make("details");
    part.evidence.append(make("summary", "", "The evidence in words, as the language model read it"), make("pre"));
    part.marks = make("div", "slap-turn");
    part.mark = button("", () => {
      wanted = !wanted;
      refresh();
    });
    part.mark.id = "button-rests";
    part.mark.className = "slap-quiet";
    part.note = make("p", "slap-unit");
    part.marks.append(part.mark, part.note);
    root.className = "slap-view";
    root.append(part.empty, part.question, part.text, part.status, part.facts, part.evidence, part.marks);
    target.replaceChildren(root);
  }

  function button(text, click) {
    const one = make("button", "slap-chip", text);
    one.type = "button";
    one.addEventListener("click", click);
    return one;
  }

  function show() {
    const said = view.question !== undefined; // an answer, or its beginning
    target.dataset.state = view.state;
    part.empty.hidden = view.state !== "empty";
    if (view.state === "empty" && !part.empty.childElementCount) {
      part.empty.append(make("p", "", "No question yet. Write your own, or try one of these:"));
      part.empty.append(...view.examples.map((words) => button(words, () => {
        slap.useQuestion(words);
        document.querySelector("#input-question :is(textarea, input)").focus();
      })));
    }
    part.status.setAttribute("role", view.state === "failed" ? "alert" : "status");
    if (part.status.textContent !== (view.sentence || "")) part.status.textContent = view.sentence || "";
    part.question.textContent = said ? `“${view.question}”` : "";
    part.text.setAttribute("aria-busy", String(view.state === "loading"));
    part.text.textContent = said ? view.text || (view.done ? "(It said nothing.)" : "…") : "";
    for (const one of [part.question, part.text, part.facts]) one.hidden = !said;
    part.evidence.hidden = !view.evidence;
    part.evidence.lastChild.textContent = view.evidence || "";
    part.facts.replaceChildren(...(said ? facts() : []));
    refresh();
  }

  function facts() {
    const rows = [];
    const add = (name, ...content) => {
      rows.push(make("dt", "", name), make("dd"));
      rows.at(-1).append(...content);
    };
    const by = make("span");
    slap.gloss(by, view.way);
    add("answered by", make("b", "", view.model), ". ", by);
    add("looked for", view.about);
    const seen = view.frames.map((frame, k) => [view.times[k], frame]).sort(([a], [b]) => a - b);
    add("frames looked at", ...few(seen.map(([time, frame]) => place(SECONDS(time), frame, time))));
    const stretches = view.recovered.map(([from, to]) => make("span", "slap-stretch", `${from.toFixed(2)}–${SECONDS(to)}`));
    add("recovered between", ...(stretches.length ? few(stretches) : ["nothing: every frame is kept"]));
    if (view.slots.length) {
      add("rests most on", ...view.slots.map(([frame, slot]) => {
        const time = view.times[view.frames.indexOf(frame)];
        return place(`slot ${slot + 1} at ${SECONDS(time)}`, frame, time);
      }), ...view.steps.map((time) => place(`path at ${SECONDS(time)}`, null, time)));
    }
    if (view.unknown_words.length) add("never taught", view.unknown_words.map((word) => `“${word}”`).join(", "));
    return rows;
  }

  /* The first ones, and the others behind a fold. */
  function few(items) {
    if (items.length <= MOST) return items;
    const fold = make("details");
    fold.append(make("summary", "", `and ${items.length - MOST} more`), ...items.slice(MOST));
    return [...items.slice(0, MOST), fold];
  }

  /* A button that moves the cursor; without figures of this clip it moves the video. */
  function place(text, frame, time) {
    const at = () => frame ?? slap.nearest(slap.strip.times, time);
    const one = button(text, () => {
      if (slap.asking.matches()) return slap.seek(at(), "answer");
      const video = document.querySelector("#input-video video");
      if (video) video.currentTime = time + 1e-3;
    });
    for (const event of ["pointerenter", "focus"]) one.addEventListener(event, () => slap.asking.matches() && slap.point(at(), "answer"));
    for (const event of ["pointerleave", "blur"]) one.addEventListener(event, () => slap.asking.matches() && slap.point(null, "answer"));
    return one;
  }

  function refresh() {
    const ready = view?.state === "ready" && view.done;
    const can = ready && slap.asking.matches();
    part.marks.hidden = !ready;
    part.mark.hidden = !can;
    part.mark.textContent = wanted ? "Clear the marks in the figures" : "Mark it in the figures";
    part.note.textContent = !can
      ? "The figures do not show this clip with these settings: press Run, and what the answer rests on is marked in them."
      : wanted ? "▲ marks its frames and slots, a bracket its stretches." : "";
    slap.rests(can && wanted ? found() : null);
  }

  /* Of the stretches those that hold what the answer rests on most, where that is known. */
  function found() {
    const { steps } = view;
    const held = ([from, to]) => !steps.length || steps.some((time) => time >= from && time <= to);
    return { frames: view.frames, slots: view.slots, stretches: view.recovered.filter(held) };
  }

  slap.answer = {
    mount: (host) => {
      target = host;
      build();
    },
    show: (news) => {
      view = news;
      show();
    },
    refresh: () => part && refresh(),
    want: (yes) => (wanted = yes),
    clear: () => {
      if (!part) return;
      if (slap.asking.matches()) wanted = false; // who has seen them need not see them again
      refresh();
      slap.rests(null);
    },
  };
})();
