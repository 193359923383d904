/* The lesson's fourth step: a pendulum, whose straight path stops being the least beyond its first conjugate point. */
(() => {
  "use strict";
  const { learn } = window.slap;
  const { physics: p, figure, points, heights } = learn;
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

    const STRONGEST = 60;
    const critical = p.criticalCoupling(1, 1, FREE);
    /* The upper branch of the pitchfork, followed from strong pull to weak; it opens as the root of lambda - critical. */
    const branch = [[critical, 0]];
    for (let n = 48, path = arch(3); n > 0; n -= 1) {
      const coupling = critical + (STRONGEST - critical) * (n / 48) ** 2;
      path = p.minimise(times, path, at(coupling)).path;
      branch.splice(1, 0, [coupling, Math.abs(path[middle])]);
    }
    const least = (coupling) => { // between the branch's points
      const k = Math.max(1, branch.findIndex(([c]) => c >= coupling));
      const [[c0, z0], [c1, z1]] = [branch[k - 1], branch[k]];
      return z0 + ((coupling - c0) / (c1 - c0)) * (z1 - z0);
    };
    let conjugate, index; // of the straight path, at the present coupling
    const straighten = () => {
      index = p.morseIndex(times, straight, problem);
      conjugate = p.conjugateTime(times, straight, problem, 1);
    };
    straighten();

    const stage = learn.stage(lab.picture, {
      height: 320,
      x: { range: [0, 1], label: "time, in gaps" },
      y: { range: [-3.6, 3.6], label: "angle z, rad" },
      label: "The angle of a pendulum over time at fifteen moments; each can be moved up and down",
      tell: () => `The straight path is a ${index ? "saddle" : "minimum"}; `
        + `neighbouring motions ${conjugate === null ? "do not meet it again within the gap" : `meet it again at t = ${figure(conjugate)}`}. `
        + `Your path stands at ${heights(state.path, "rad")}.`,
      draw: () => {
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
      x: { range: [0, STRONGEST], label: "λ" },
      y: { range: [-3.4, 3.4], label: "z at mid-gap, rad" },
      label: `The angle at mid-gap of the paths of least action, over λ: a pitchfork that opens at ${figure(critical)}`,
      tell: () => `At λ = ${figure(problem.coupling)} ${problem.coupling > critical
        ? `two paths have the least action, at ±${figure(least(problem.coupling))} rad; the straight one is a saddle`
        : "the straight path alone has the least action"}. Yours is at ${figure(state.path[middle])} rad.`,
      draw: () => [
        { line: branch, className: "slap" },
        { line: branch.map(([coupling, z]) => [coupling, -z]), className: "slap" },
        { line: [[0, 0], [critical, 0]], className: "straight" },
        { line: [[critical, 0], [STRONGEST, 0]], className: "straight is-saddle" },
        { line: [[problem.coupling, -3.4], [problem.coupling, 3.4]], className: "cursor" },
        { at: [problem.coupling, state.path[middle]], shape: "ring", size: 5, className: "here" },
      ],
    });

    const regime = () => ["ballistic", "resonance"][index] || "what the paper calls chaos";
    const told = () => {
      stage.redraw();
      chart.redraw();
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
            + `meet it again at t = ${figure(conjugate)}.`;
        return `${still} ${figure(2 * index + 1)} path${index ? "s obey" : " obeys"} the equation, and 24 random starts end in `
          + `${found === 1 ? "one and the same" : `${found} different ones`}: ${regime()}. `
          + `Your path stands at ${figure(state.path[middle])} rad at mid-gap.`;
      });
    };
    learn.softPath(state, () => problem, told);
    const turn = lab.slider("λ", {
      min: 0, max: STRONGEST, step: 0.1, value: problem.coupling,
      show: (coupling) => figure(coupling),
      act: (coupling) => {
        problem.coupling = coupling;
        straighten();
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
      answer() {
        const strong = at(20);
        const [up, down] = [0.01, -0.01].map((size) => p.minimise(times, arch(size), strong).path);
        const [rise, fall] = [up[middle], down[middle]];
        const outcome = rise < 0.1 ? "back" : fall < -0.1 ? "same" : "other";
        const [gained, lost] = [up, down].map((path) => figure(p.action(times, path, strong)));
        return {
          value: outcome,
          sentence: `Nudged up by 0.01 rad it ends at ${figure(rise)} rad, S = ${gained}; nudged down, at ${figure(fall)} rad, `
            + `S = ${lost}; hanging still, S = 0. The straight path's Morse index is ${p.morseIndex(times, straight, strong)} `
            + "there. Both sides pay the same: the hair decides.",
        };
      },
      reveal() {
        state.settled = false;
        turn.set(20);
        state.reset(arch(0.01));
        relax();
        return "Your path has been nudged up, too.";
      },
    };
  };
})();
