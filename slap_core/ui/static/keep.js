/* What the browser keeps of the last run, so that it is there again after a reload: the views, the settings, the files.
 * It stays in this browser, for this tab, for half a day. Where nothing is kept, an example that was computed beforehand
 * is shown.
 *
 *   slap.keep.asked(values)     a run begins, with these values of the inputs
 *   slap.keep.done(files)       its figures are there, and, if they are ready, these files can be taken away
 *   slap.keep.restored(values, linked)  puts back what there is; the values that the inputs shall have. A link to other
 *                               settings than those of the last run goes before it
 *   slap.keep.shown()           the values of the inputs of the run that the figures show; null where there was none
 *   slap.keep.put, get          keep and find something else under a name
 */
(() => {
  "use strict";
  const slap = (window.slap = window.slap || {});
  const HOURS = 12;
  let inputs = null; // of the run that is under way
  let whole = false; // whether its files have come too
  let shown = null; // of the run that the figures show

  const tab = (() => {
    try {
      const old = sessionStorage.getItem("slap-tab");
      if (old) return old;
      const own = crypto.randomUUID?.() ?? String(Math.random());
      sessionStorage.setItem("slap-tab", own);
      return own;
    } catch {
      return null; // storage is forbidden here: nothing is kept
    }
  })();

  const promised = (request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });

  async function table(mode) {
    const opening = indexedDB.open("slap", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
    return (await promised(opening)).transaction("kept", mode).objectStore("kept");
  }

  async function put(name, value) {
    if (!tab) return;
    await promised((await table("readwrite")).put({ when: Date.now(), value }, `${tab}/${name}`));
  }

  async function get(name) {
    if (!tab) return null;
    const found = await promised((await table("readonly")).get(`${tab}/${name}`));
    return found && Date.now() - found.when < HOURS * 3600e3 ? found.value : null;
  }

  async function forgetOld() {
    const kept = await table("readwrite");
    const walk = kept.openCursor();
    walk.onsuccess = () => {
      const at = walk.result;
      if (!at) return;
      if (Date.now() - at.value.when > HOURS * 3600e3) at.delete();
      at.continue();
    };
  }

  /* The views of the page as they are, without those that stand beside them for comparison. */
  const current = (slap.currentViews = () =>
    [...slap.views].filter(([host, view]) => host.isConnected && view.state === "ready" && !view.apart).map(([, view]) => view));

  function show(views, extra = {}) {
    for (const view of views) {
      const host = document.getElementById(`view-${view.name}`);
      if (host) slap.render(host, { ...view, ...extra }, host.querySelector(".slap-host") || host);
    }
  }

  async function there(file) {
    if (!file?.url) return false;
    try {
      return (await fetch(file.url, { method: "HEAD" })).ok;
    } catch {
      return false;
    }
  }

  async function last(values, settings) {
    const kept = await get("last");
    if (!kept || settings.some((value, i) => String(value) !== String(kept.inputs[i + 1]))) return null;
    show(kept.views);
    shown = kept.inputs;
    slap.say("This is your last run, as this browser has kept it.", "ready");
    const [video, ...others] = kept.inputs;
    const here = await there(video); // uploads are deleted on a schedule
    slap.showTakeaway({ ...kept.files, state: here ? kept.files.state : "gone" });
    return values.map((value, i) => (i ? others[i - 1] ?? value : here ? video : value));
  }

  /* The example that was computed beforehand: gzip, as the report's library is. */
  async function sample(linked) {
    const url = document.querySelector("meta[name='slap-sample']")?.content;
    if (!url) return;
    const answer = await fetch(url);
    if (!answer.ok) return;
    const stream = answer.body.pipeThrough(new DecompressionStream("gzip"));
    const { title, views } = JSON.parse(await new Response(stream).text());
    if (inputs || [...slap.views.values()].some((view) => view.state !== "empty")) return; // somebody was quicker
    show(views, { sample: true });
    const next = linked ? "The link’s settings are filled in: press Run." : "Choose a clip and press Run to compute one yourself.";
    slap.say(`${title}: an example that was computed beforehand. ${next}`, "ready");
  }

  slap.keep = {
    put: (name, value) => put(name, value).catch(() => {}),
    get: (name) => get(name).catch(() => null),
    asked: (values) => {
      shown = inputs = values;
      whole = false;
    },
    shown: () => shown,
    done: (files) => {
      if (whole) return;
      whole = files.state === "ready";
      if (inputs) slap.keep.put("last", { views: current(), inputs, files });
    },
    restored: async (values, linked) => {
      const [example, ...settings] = linked() || [];
      try {
        forgetOld().catch(() => {});
        const own = values.length - slap.explore.asks; // inputs of a run: what is asked may differ
        const found = await last(values, settings.slice(0, own - 1));
        if (found) return settings.length ? [...found.slice(0, own), ...settings.slice(own - 1)] : found;
      } catch {
        // a browser that keeps nothing starts afresh
      }
      sample(settings.length > 0).catch(() => {});
      if (example) slap.explore.example(example);
      return settings.length ? [values[0], ...settings] : values;
    },
  };
})();
