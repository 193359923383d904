/* Joins the views to gradio: each view is a gr.HTML whose value is the view's JSON. */
(() => {
  "use strict";
  const slap = window.slap;
  slap.plotlyUrl = document.querySelector("meta[name='slap-plotly']").content;

  slap.mount = (element, props, watch, id) => {
    const host = document.getElementById(id);
    const show = () => {
      if (props.value) slap.render(host, JSON.parse(props.value), element.querySelector(".slap-host"));
    };
    watch("value", show);
    show();
  };

  /* Gradio takes a control's value from its own input. */
  function fill(input, value) {
    if (!input) return;
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input), "value").set.call(input, value);
    for (const name of ["input", "change", "blur"]) input.dispatchEvent(new Event(name, { bubbles: true }));
  }
  const keptInput = () => document.querySelector("#input-kept :is(textarea, input)");
  slap.useCoupling = (coupling) => fill(document.querySelector("#input-coupling input[type=number]"), String(coupling));
  slap.useUntil = (seconds) => fill(document.querySelector("#input-until input[type=number]"), String(seconds));
  slap.useKept = (frames) => fill(keptInput(), frames);
  slap.useQuestion = (words) => fill(document.querySelector("#input-question :is(textarea, input)"), words);
  slap.namedKept = () => keptInput()?.value ?? "";

  const runButton = () => document.querySelector("#button-run");
  slap.picked = () => (runButton().disabled = false);

  /* A click on an example fills in its clip and query, and shows what it is about. */
  slap.mountExamples = (element, pick) => {
    const choose = (button, linked) => {
      element.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
      runButton().disabled = true; // until the clip has arrived: see `picked`
      element.querySelector(".chosen").textContent = button.parentElement.querySelector(".note").textContent;
      pick({ index: Number(button.dataset.index), linked });
    };
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-index]");
      if (button) choose(button, false);
    });
    /* By a link, which also says with which settings. */
    slap.explore.example = (index) => {
      const button = element.querySelector(`button[data-index="${index}"]`);
      if (button) choose(button, true);
    };
  };

  /* The stages of a run and one sentence about where it stands, read aloud when it changes. */
  slap.mountStatus = (element, props, watch) => {
    const target = element.querySelector(".slap-status");
    const list = slap.make("ol", "slap-stages");
    const sentence = slap.make("p", "slap-sentence");
    sentence.setAttribute("aria-live", "polite");
    target.replaceChildren(sentence, list);
    slap.status = (status) => {
      target.dataset.state = status.state;
      list.replaceChildren(
        ...status.stages.map(({ name, state, seconds }) => {
          const item = slap.make("li", "", seconds ? `${name} ${seconds}` : name);
          item.dataset.state = state;
          if (state === "active") item.style.setProperty("--share", `${100 * status.fraction}%`);
          return item;
        }),
      );
      if (sentence.textContent !== status.sentence) sentence.textContent = status.sentence;
    };
    const show = () => {
      if (!props.value) return;
      const status = JSON.parse(props.value);
      run = status.run;
      if (run === stoppedRun) return; // news of a stopped run may still be on its way
      heard = true;
      slap.status(status);
      if (status.state === "ready") setTimeout(() => slap.keep.done({ state: "early" }), 100); // the files come last
    };
    watch("value", show);
    show();
  };

  const say = (slap.say = (sentence, state = "empty") => slap.status?.({ state, stages: [], sentence }));

  function replaceWaiting(state, message) {
    slap.views.forEach((view, host) => {
      if (view.state === "loading" && host.isConnected) slap.render(host, { ...view, state, message });
    });
  }

  function running(yes) {
    runButton().disabled = yes;
    document.querySelector("#button-stop").disabled = !yes;
  }

  let run = null; // the run that the page shows
  let heard = false; // whether the run that was asked for last has told anything
  let asked = 0; // runs asked for
  let stopped = false;
  let stoppedRun = null;
  let stopTime = -Infinity;

  slap.queued = (values) => {
    slap.asking?.clear();
    slap.keep.asked(values);
    slap.explore.write(values);
    stopped = heard = false;
    asked += 1;
    say("Waiting for a free place …", "loading");
    running(true); // at once: the server may be busy, and who waits may leave
  };

  /* What was still awaited when a run was stopped says so; what had come stays. */
  slap.stopped = () => {
    stopped = true;
    stopTime = performance.now();
    stoppedRun = run;
    running(false);
    replaceWaiting("empty", "Stopped before this was computed. Press Run to begin again.");
    say("Stopped.");
  };

  /* Gradio also reports a cancelled run as failed, up to twice, and after the next run has begun: soon after a stop, a
   * failure counts only if that next run then stays silent. */
  slap.refused = () => {
    const late = performance.now() - stopTime < 15000;
    const number = asked;
    const tell = () => {
      if (stopped || number !== asked || (late && heard)) return;
      running(false);
      const sentence =
        "The server could not take this run: too many are waiting, or the connection was lost. Try again.";
      replaceWaiting("failed", sentence);
      say(sentence);
    };
    setTimeout(tell, late ? 5000 : 0);
  };

  /* Gradio's dark theme is a class on the body. Plotly's library is fetched while the person still reads. */
  slap.opened = () => {
    new MutationObserver(slap.redraw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    const said = new Set(); // in what stands on the page from the start
    document.querySelectorAll(".lead, #terms dd").forEach((text) => slap.glossIn(text, said));
    slap.plotly(slap.plotlyUrl).catch(() => {}); // whoever needs it says so
    // Gradio's own address for this, ?view=api, shows nothing before the second click.
    if (location.hash === "#api") document.querySelector("footer .show-api")?.click();
  };

  /* Explore: the address says which example and which settings (see links.js), the browser what was run last. */
  let table = null;
  slap.explore = {
    opened: (values, rows) => {
      table = rows;
      explore.asks = rows.filter((row) => row.asks).length; // the last ones, which are no part of a run
      slap.opened();
      return slap.keep.restored(values, explore.linked);
    },
    /* The values by the address, null where it says nothing; the first is the number of an example. */
    linked: () => (slap.links.says(table) ? slap.links.read(table) : null),
    write: (values) => slap.links.write(table, named(values)),
    copyLink: async (values) => {
      const copied = await slap.links.copy(table, named(values));
      document.querySelector("#link-copied [aria-live]").textContent = copied
        ? "The link is copied. It names an example, never your own video."
        : `This browser copies nothing; here is the link: ${location.href}`;
    },
  };
  const explore = slap.explore;

  /* In place of the video the number of the example that it is. */
  function named([video, ...others]) {
    const buttons = [...document.querySelectorAll("#examples button")];
    const index = video ? buttons.findIndex((button) => button.dataset.file === (video.orig_name || video.path.split("/").pop())) : -1;
    return [index < 0 ? "" : String(index), ...others];
  }
})();
