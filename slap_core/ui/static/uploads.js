/* What is said about a video beside its upload, before anything is computed: that it is too large (then it is not even
 * sent), too long, so long that its frames would stand far apart, with its first seconds as an offer, or nothing that
 * this browser plays.
 */
(() => {
  "use strict";
  const slap = window.slap;
  const { make } = slap;
  const APART_SECONDS = 1; // frames that are farther apart have little in common
  const NEAR_SECONDS = 0.25;
  let target = null;

  function say(sentence, offer) {
    if (!target) return;
    target.replaceChildren(...(sentence ? [make("p", "note", sentence)] : []));
    if (!offer) return;
    const button = make("button", "slap-key-all", `use the first ${offer} s`);
    button.type = "button";
    button.addEventListener("click", () => {
      slap.useUntil(offer);
      say(`Frames will be taken from the first ${offer} s.`);
    });
    target.append(button);
  }

  /* The control is not there while its fold is closed. */
  let frames = Number(new URLSearchParams(location.search).get("max_frames")) || 64;
  document.addEventListener("input", ({ target: input }) => {
    if (input.closest?.("#input-max-frames")) frames = Number(input.value) || frames;
  }, true);

  const limit = (name) => Number(document.querySelector("#limits").dataset[name]);
  const chosenUntil = () => Number(document.querySelector("#input-until input[type=number]")?.value ?? 0);

  function lasting(seconds) {
    if (seconds >= 3600) return `${(seconds / 3600).toFixed(1)} hours`;
    return seconds >= 60 ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s` : `${seconds.toFixed(1)} s`;
  }

  /* Before gradio hears of it. */
  function refuse(event, files) {
    if (!target || !event.target.closest?.("#input-video") || !files) return;
    const file = [...files].find(({ size }) => size > limit("megabytes") * 1048576);
    if (!file) return say("");
    event.stopImmediatePropagation();
    event.preventDefault();
    if (event.type === "change") event.target.value = "";
    const size = Math.ceil(file.size / 1048576);
    say(`“${file.name}” has ${size} MB, more than the ${limit("megabytes")} MB allowed. Give a shorter or smaller video.`);
  }
  document.addEventListener("change", (event) => refuse(event, event.target.files), true);
  document.addEventListener("drop", (event) => refuse(event, event.dataTransfer?.files), true);

  function judge(event) {
    const { duration } = event.target;
    if (!event.target.closest?.("#input-video") || !Number.isFinite(duration)) return;
    const until = chosenUntil();
    const apart = duration / Math.max(1, frames - 1);
    const offer = Math.max(1, Math.round(NEAR_SECONDS * (frames - 1)));
    if (until && until < duration) say(`Frames will be taken from the first ${until} s of ${lasting(duration)}.`);
    else if (duration > 3600 * limit("hours"))
      say(`This video lasts ${lasting(duration)}, more than the ${limit("hours")} hours allowed.`, offer);
    else if (apart > APART_SECONDS)
      say(`This video lasts ${lasting(duration)}: its ${frames} frames will stand ${apart.toPrecision(2)} s apart.`, offer);
    else say("");
  }
  document.addEventListener("loadedmetadata", judge, true);

  /* What this browser cannot play the server may well read: said beside the video, and gradio's own "Error", which would
   * lie over it and take its presses, is not shown. */
  document.addEventListener("error", (event) => {
    if (event.target.tagName !== "VIDEO" || !event.target.closest("#input-video")) return;
    event.stopImmediatePropagation();
    say("This browser cannot play the file. Press Run: other kinds of video are read as well, and if this one cannot be, you are told why.");
  }, true);

  document.addEventListener("click", ({ target: pressed }) => {
    if (pressed.closest("#input-video [aria-label=Clear]")) say("");
  }, true);

  slap.mountUpload = (element) => (target = element.querySelector("#upload-said"));
})();
