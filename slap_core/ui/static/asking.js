/* Questions on their way to the server and back; answer.js shows what comes.
 *
 *   slap.mountAnswer(element, props, watch)   the view, whose value is the JSON of slap_core.ui.ask
 *   slap.asking.begin(values, same)           a question is asked with these values of the inputs; `same` numbers those that
 *                                             a run has to agree in, beside the video, to show the same frames
 *   slap.asking.stopped(), refused()          it was stopped; the server did not take it
 *   slap.asking.matches()                     whether the figures show the frames that were asked about
 *   slap.asking.clear()                       a run begins: the marks leave the figures
 */
(() => {
  "use strict";
  const slap = window.slap;
  const LOST = "The server could not take this question: too many are waiting, or the connection was lost. Try again.";
  let asked = null; // the inputs, and which of them matter
  let ticket = ""; // of the question that is shown: what bears another one is news of a question that was stopped
  let view = {};
  let heard = false;
  let stopTime = -Infinity;
  let observer = null;

  function show(news, running) {
    view = news;
    slap.answer.show(view);
    if (running === undefined) return;
    document.querySelector("#button-ask").disabled = running;
    document.querySelector("#button-ask-stop").disabled = !running;
  }

  slap.mountAnswer = (element, props, watch) => {
    slap.answer.mount(element.querySelector(".slap-answer"));
    const take = () => {
      const news = JSON.parse(props.value || "{}");
      if (news.run !== ticket) return;
      if (news.state === "empty") return show(news);
      heard = true;
      if (news.state === "ready") slap.answer.want(true);
      show(news, news.state === "loading");
    };
    watch("value", take);
    take();
  };

  slap.asking = {
    begin: (values, same) => {
      const inputs = values.slice(0, -1);
      ticket = crypto.randomUUID?.() ?? String(Math.random());
      asked = { values: inputs, same };
      heard = false;
      slap.explore.write(inputs);
      slap.answer.want(false);
      show({ state: "loading", sentence: "Waiting for a free place …" }, true);
      observer ??= new MutationObserver(slap.answer.refresh);
      observer.observe(document.querySelector("#view-strip"), { attributes: true, attributeFilter: ["data-state"] });
      return [...inputs, ticket];
    },
    stopped: () => {
      ticket = "stopped";
      stopTime = performance.now();
      show({ ...view, state: "stopped", sentence: "Stopped." }, false);
    },
    /* Gradio also reports what was cancelled as failed, late: see page.js. */
    refused: () => {
      const late = performance.now() - stopTime < 15000;
      const mine = ticket;
      const tell = () => {
        if (mine !== ticket || view.state !== "loading" || (late && heard)) return;
        show({ state: "failed", sentence: LOST }, false);
      };
      setTimeout(tell, late ? 5000 : 0);
    },
    matches: () => {
      const run = slap.keep.shown();
      if (!run || !asked || document.querySelector("#view-strip").dataset.state !== "ready") return false;
      const { values, same } = asked;
      return run[0]?.path === values[0]?.path && same.every((k) => String(run[k]) === String(values[k]));
    },
    clear: () => slap.answer.clear(),
  };
})();
