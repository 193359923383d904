/* The lesson's first steps, on a line: the cheapest way across, and the thrown ball. */
(() => {
  "use strict";
  const { learn } = window.slap;
  const { physics: p, figure, points, heights } = learn;
  const WOBBLE = [0.5, -0.62, 0.28, 0.74, -0.34, -0.7, 0.46, 0.3, -0.55]; // of the first path, as shares of the picture

  learn.wobbly = (times, from, to, size) =>
    p.straight(times, from, to).map((z, i, { length }) => (i && i < length - 1 ? z + size * WOBBLE[(i - 1) % 9] : z));

  /* A path that the hand drags and that relaxes; `told` is called after every change. */
  learn.softPath = (state, problem, told) => {
    state.drag = (index, height) => {
      state.halt?.();
      state.path = state.path.map((z, i) => (i === index ? height : z));
      told();
    };
    state.relax = () =>
      learn.animate(state, () => {
        const step = p.greenStep(state.times, state.path, problem());
        const rest = p.largest(step) < 2e-4;
        // A small share of the plucked-string step per picture, so that the eye can follow the action down.
        const share = p.morseIndex(state.times, state.path, problem()) ? 1 : 0.09;
        const next = state.path.map((z, i) => z + share * step[i]);
        const lower = p.action(state.times, next, problem()) <= p.action(state.times, state.path, problem()) + 1e-12;
        state.path = rest
          ? p.minimise(state.times, state.path, problem()).path
          : lower ? next : p.relaxOnce(state.times, state.path, problem());
        told();
        return rest;
      });
    state.reset = (path) => {
      state.halt?.();
      state.path = path;
      told();
    };
  };

  learn.rings = (times, path) =>
    [0, path.length - 1].map((i) => ({ at: [times[i], path[i]], shape: "ring", size: 9, className: "anchor" }));

  learn.steps.line = (lab) => {
    const problem = { mass: 1, coupling: 0, potential: p.POTENTIALS.none };
    const times = p.grid(7, 1);
    const [from, to] = [0.15, 0.85];
    const straight = p.straight(times, from, to);
    const shaped = (f) => times.map((t) => from + (to - from) * f(t));
    const rivals = { ahead: shaped((t) => t * (2 - t)), steady: straight, late: shaped((t) => t * t) };
    const cost = (path) => p.action(times, path, problem);
    const least = cost(straight);
    const first = learn.wobbly(times, from, to, 0.42);
    const state = { times, path: first };
    const stage = learn.stage(lab.picture, {
      height: 320,
      x: { range: [0, 1], label: "time, in gaps" },
      y: { range: [-0.3, 1.3], label: "place z, rad" },
      label: "A path of seven frames between two anchors; every frame can be moved up and down",
      tell: () => `Anchors at ${figure(from)} and ${figure(to)} rad. The frames between stand at ${heights(state.path, "rad")}.`
        + (lab.checked ? " Drawn with it: the straight line, a path that runs ahead, above it, and one that waits, below." : ""),
      draw: () => [
        ...(lab.checked
          ? [
              { line: points(times, straight), className: "straight is-under" },
              ...["ahead", "late"].map((name) => ({ line: points(times, rivals[name]), className: "plain" })),
              { at: [0.5, rivals.ahead[4]], text: "runs ahead", className: "note", shift: [-8, -10], anchor: "end" },
              { at: [0.5, rivals.late[4]], text: "waits", className: "note", shift: [8, 20] },
            ]
          : []),
        { line: points(times, state.path), className: "slap" },
        ...learn.rings(times, state.path),
      ],
    });
    const told = () => {
      stage.redraw();
      const now = cost(state.path);
      const above = now / least - 1;
      lab.numbers({ "S = T, yours": `${figure(now)} rad²/gap`, "above the least": `${figure(100 * above)} %` });
      lab.says(() => {
        const far = p.largest(state.path.map((z, i) => z - straight[i]));
        return far < 1e-3
          ? `The path is straight. Its action is ${figure(now)} rad²/gap, the least there is.`
          : `The path is up to ${figure(far)} rad off the straight line; its action is ${figure(now)} rad²/gap.`;
      });
    };
    learn.softPath(state, () => problem, told);
    learn.nodes(stage, { get: () => state, set: state.drag, unit: "rad" });
    lab.button("Let it relax", state.relax);
    lab.button("Reset", () => state.reset(first));
    told();
    return {
      answer() {
        const costs = Object.entries(rivals).map(([name, path]) => [name, cost(path)]);
        const best = costs.reduce((a, b) => (b[1] < a[1] ? b : a))[0];
        const of = Object.fromEntries(costs.map(([name, value]) => [name, figure(value)]));
        return {
          value: best,
          sentence: `Running ahead costs ${of.ahead}, waiting ${of.late}, the same speed all the time ${of.steady} rad²/gap: `
            + "what the hurried part costs more, the slow part never saves in full, because cost grows with the square of speed.",
        };
      },
      reveal() {
        state.finish?.();
        stage.redraw();
        return `Your path stands at ${figure(cost(state.path))}. All three are drawn now, the straight one in blue.`;
      },
    };
  };

  learn.steps.ball = (lab) => {
    const HEIGHTS = ["0.61", "1.23", "2.45"]; // the predictions
    const times = p.grid(9, 1);
    const problem = { mass: 1, coupling: 9.81, potential: p.POTENTIALS.height };
    const first = learn.wobbly(times, 0, 0, 0.6);
    const state = { times, path: first };
    const stage = learn.stage(lab.picture, {
      height: 320,
      x: { range: [0, 1], label: "time, s" },
      y: { range: [-0.6, 2.8], label: "height z, m" },
      label: "The height of a ball over time at nine moments; each can be moved up and down",
      tell: () => `From the hand at 0 m and back to it after 1 s. Between, the ball is at ${heights(state.path, "m")}.`
        + (lab.checked ? ` Drawn behind it: the exact parabola, ${figure(p.ball(0, 0, 1, problem.coupling).top)} m high.` : ""),
      draw: () => {
        const exact = p.ball(0, 0, 1, problem.coupling);
        const curve = p.grid(99, 1).map((t) => [t, exact.height(t)]);
        return [
          ...(lab.checked ? [{ line: curve, className: "truth is-under" }] : []),
          { line: points(times, state.path), className: "slap" },
          ...learn.rings(times, state.path),
        ];
      },
    });
    const told = () => {
      stage.redraw();
      const g = problem.coupling;
      const exact = p.ball(0, 0, 1, g);
      const off = p.largest(state.path.map((z, i) => z - exact.height(times[i])));
      const [cost, pull] = [p.kinetic(times, state.path, 1), p.pull(times, state.path, problem.potential)];
      lab.numbers({
        "T, moving": `${figure(cost)} m²/s`,
        "λ ∑ w P, gravity": `${figure(g * pull)} m²/s`,
        "S = T − λ ∑ w P": `${figure(cost - g * pull)} m²/s`,
        "S of the free flight": lab.checked ? `${figure(exact.action)} m²/s` : "after your check",
      });
      lab.says(() => {
        const top = `highest at ${figure(Math.max(...state.path))} m`;
        return off < 1e-3
          ? `The path is the parabola, ${top}. Flown freely from node to node its action is `
            + `${figure(p.flownAction(times, state.path, g))} m²/s, the exact −g²τ³/24; straight pieces cut the corners.`
          : `The path is up to ${figure(off)} m off the flight of a ball; it is ${top}.`;
      });
    };
    learn.softPath(state, () => problem, told);
    learn.nodes(stage, { get: () => state, set: state.drag, unit: "m", name: "moment" });
    const gravity = lab.slider("λ = g", {
      min: 0, max: 20, step: 0.01, value: 9.81,
      show: (g) => `${figure(g)} m/s²`,
      act: (g) => {
        problem.coupling = g;
        told();
      },
    });
    lab.button("Let it relax", state.relax);
    lab.button("Reset", () => state.reset(first));
    for (const [planet, g] of [["Moon", 1.62], ["Mars", 3.71], ["Earth", 9.81]]) {
      lab.button(planet, () => (gravity.set(g), state.relax()));
    }
    told();
    return {
      answer() {
        const earth = { ...problem, coupling: 9.81 };
        const fine = p.grid(199, 1);
        const flight = p.minimise(fine, p.straight(fine, 0, 0), earth).path;
        const found = Math.max(...flight);
        const lingering = flight.filter((z) => z > found / 2).length / flight.length;
        const nearest = HEIGHTS.reduce((a, b) => (Math.abs(b - found) < Math.abs(a - found) ? b : a));
        return {
          value: nearest,
          sentence: `On Earth the path of least action is ${figure(found)} m high in the middle, which is gτ²/8, and `
            + `${figure(100 * lingering)} % of the time it is in the upper half: it lingers high.`,
        };
      },
      reveal() {
        state.finish?.();
        told();
        return `Your own path reached ${figure(Math.max(...state.path))} m at g = ${figure(problem.coupling)} m/s². `
          + "The exact parabola is drawn behind it now.";
      },
    };
  };
})();
