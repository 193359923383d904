/* What a person takes away: the files of the last run, and it itself beside the next one. */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const SAID = {
    empty: "After a run: a report that opens offline, the recovered latents, and all numbers.",
    loading: "The files come when the figures are there.",
    failed: "There are no files of this run.",
    early: "The page was left before the files of this run were written; press Run to have them.",
    gone: "The files of this run have been deleted with its video; press Run to have them again.",
  };
  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
  let target = null;
  let shown = null; // the run whose files have been seen

  function link({ name, title, words, bytes, path }) {
    const item = make("li");
    const anchor = make("a", "", title);
    anchor.href = `gradio_api/file=${path.split("/").map(encodeURIComponent).join("/")}`;
    anchor.download = name;
    item.append(anchor, make("span", "", ` ${size(bytes)}: ${words}`));
    return item;
  }

  slap.showTakeaway = (files) => {
    if (!target) return;
    target.dataset.state = files.state;
    const ready = files.state === "ready";
    const parts = [make("h2", "slap-title", "Take away")];
    const caption = make("p", "slap-caption");
    slap.gloss(caption, SAID[files.state] || "The same files as of the command line, deleted with your video. Each plot can be saved as PNG and SVG by the buttons at its corner.");
    parts.push(caption);
    if (ready) {
      const list = make("ul");
      list.append(...files.files.map(link));
      parts.push(list);
    }
    if (ready || files.state === "gone" || files.state === "early") {
      const keep = make("button", "slap-quiet", "Keep for comparison with the next run");
      keep.type = "button";
      keep.id = "button-compare";
      keep.addEventListener("click", () => slap.keepForComparison());
      parts.push(keep);
    }
    const inside = make("section", "slap-view");
    inside.append(...parts);
    target.replaceChildren(inside);
  };

  slap.mountTakeaway = (element, props, watch) => {
    target = element.querySelector(".slap-takeaway");
    const show = () => {
      const files = JSON.parse(props.value || "{}");
      slap.showTakeaway(files);
      if (files.state !== "ready" || files.run === shown) return;
      shown = files.run;
      slap.keep.done(files);
      slap.compareAgain();
    };
    watch("value", show);
    show();
  };
})();
