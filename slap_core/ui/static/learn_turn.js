/* The lesson's fourth step: a pendulum, whose straight path stops being the least beyond its first conjugate point. */
(() => {
  "use strict";
  const { learn } = window.slap;
  const { physics: p, figure, points } = learn;
  const FREE = 15;

  learn.steps.turn = (lab) => {
    const times = p.grid(FREE, 1);
    const middle = (FREE + 1) / 2;
    const straight = p.straight(times, 0, 0);
    const problem = { mass: 1, coupling: 4, potential: p.POTENTIALS.pendulum };
    const at = (coupling) => ({ ...problem, coupling });
    const arch = (height) => times.map((t) => height * Math.sin(Math.PI * t));
    const state = { times, path: arch(1.4).map((z, i) => (i % 3 === 1 ? z + 0.5 : z)).map((z, i) => (i % (FREE + 1) ? z : 0)) };
    const first = state.path;

    /* The upper branch of the pitchfork, followed from strong pull to weak. */
    const branch = [];
    for (let coupling = 60, path = arch(3); coupling >= 0; coupling -= 0.5) {
      path = p.minimise(times, path, at(coupling)).path;
      branch.unshift([coupling, Math.abs(path[middle])]);
    }
    const critical = p.criticalCoupling(1, 1);

    const stage = learn.stage(lab.picture, {
      height: 320,
      x: { range: [0, 1], label: "time, in gaps" },
      y: { range: [-3.6, 3.6], label: "angle z, rad" },
      label: "The angle of a pendulum over time at fifteen moments; each can be moved up and down",
      draw: () => {
        const conjugate = p.conjugateTime(times, straight, problem, 1);
        const fan = [-0.45, -0.3, -0.15, 0.15, 0.3, 0.45].map((size) => {
          const speed = size * Math.max(Math.sqrt(problem.coupling), 1.5);
          const flight = p.fly((_, z) => -problem.coupling * Math.sin(z), 0, speed, 1, 120);
          return { line: flight.map(([t, z]) => [t, z]), className: "fan" };
        });
        return [
          ...fan,
          { line: points(times, straight), className: conjugate === null ? "straight" : "straight is-saddle" },
          { line: points(times, state.path), className: "slap" },
          ...[0, FREE + 1].map((i) => ({ at: [times[i], 0], shape: "ring", size: 9, className: "anchor" })),
          ...(conjugate === null ? [] : [
            { at: [conjugate, 0], shape: "cross", size: 6, className: "conjugate" },
            { at: [conjugate, 0], text: "conjugate point", className: "note", shift: [0, 24], anchor: "middle" },
          ]),
        ];
      },
    });
    const chart = learn.stage(lab.picture, {
      height: 170,
      x: { range: [0, 60], label: "λ" },
      y: { range: [-3.4, 3.4], label: "z at mid-gap, rad" },
      label: "The angle at mid-gap of every path of least action, over λ: one up to 9.87, two beyond",
      draw: () => [
        { line: branch, className: "slap" },
        { line: branch.map(([coupling, z]) => [coupling, -z]), className: "slap" },
        { line: [[0, 0], [critical, 0]], className: "straight" },
        { line: [[critical, 0], [60, 0]], className: "straight is-saddle" },
        { line: [[problem.coupling, -3.4], [problem.coupling, 3.4]], className: "cursor" },
        { at: [problem.coupling, state.path[middle]], shape: "ring", size: 5, className: "here" },
      ],
    });

    const regime = (index) => ["ballistic", "resonance"][index] || "what the paper calls chaos";
    const told = () => {
      stage.redraw();
      chart.redraw();
      const index = p.morseIndex(times, straight, problem);
      const conjugate = p.conjugateTime(times, straight, problem, 1);
      lab.numbers({
        "S, yours": figure(p.action(times, state.path, problem)),
        "S, straight": figure(p.action(times, straight, problem)),
        "Morse index of straight": `${index}`,
        "conjugate point": conjugate === null ? "none in the gap" : `t = ${figure(conjugate)}`,
      });
      lab.says(() => {
        const found = p.minima(times, 0, 0, problem).length;
        const still = index === 0
          ? "The straight path is a minimum: no conjugate point lies in the gap."
          : `The straight path is a saddle, downhill in ${index === 1 ? "one way" : `${index} ways`}: neighbouring motions `
            + `meet it again at t = ${figure(conjugate)}.`;
        return `${still} 24 random starts end in ${found === 1 ? "one and the same path" : `${found} different paths`} of least `
          + `action: ${regime(index)}. Your path stands at ${figure(state.path[middle])} rad at mid-gap.`;
      });
    };
    learn.softPath(state, () => problem, told);
    const turn = lab.slider("λ", {
      min: 0, max: 60, step: 0.1, value: problem.coupling,
      show: (coupling) => figure(coupling),
      act: (coupling) => {
        problem.coupling = coupling;
        if (state.settled) state.path = p.minimise(times, nudged(state.path), problem).path;
        told();
      },
    });
    /* The straight path is left only by someone who is off it. */
    const nudged = (path) => path.map((z, i) => z + (path[middle] < 0 ? -1 : 1) * 1e-3 * Math.sin(Math.PI * times[i]));
    const relax = () => ((state.settled = true), state.relax());
    lab.button("Let it relax", relax);
    lab.button("Nudge up", () => (state.reset(arch(0.01)), relax()));
    lab.button("Nudge down", () => (state.reset(arch(-0.01)), relax()));
    lab.button("Reset", () => ((state.settled = false), state.reset(first)));
    const drag = state.drag;
    state.drag = (index, height) => ((state.settled = false), drag(index, height));
    learn.nodes(stage, { get: () => state, set: state.drag, unit: "rad", name: "moment" });
    told();

    return {
      check(chosen) {
        const strong = at(20);
        const [up, down] = [0.01, -0.01].map((size) => p.minimise(times, arch(size), strong).path);
        const [rise, fall] = [up[middle], down[middle]];
        const outcome = rise < 0.1 ? "back" : fall < -0.1 ? "same" : "other";
        state.settled = false;
        turn.set(20);
        state.reset(arch(0.01));
        relax();
        const [gained, lost] = [up, down].map((path) => figure(p.action(times, path, strong)));
        return {
          right: chosen === outcome,
          sentence: `Nudged up by 0.01 rad it ends at ${figure(rise)} rad, S = ${gained}; nudged down, at ${figure(fall)} rad, `
            + `S = ${lost}; hanging still, S = 0. The straight path's Morse index is ${p.morseIndex(times, straight, strong)} `
            + "there. Both sides pay the same: the hair decides.",
        };
      },
    };
  };
})();
