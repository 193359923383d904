/* The lesson's steps on a line: the cheapest way across, the thrown ball, and the race of two descents. */
(() => {
  "use strict";
  const { learn } = window.slap;
  const { physics: p, figure, points } = learn;
  const WOBBLE = [0.5, -0.62, 0.28, 0.74, -0.34, -0.7, 0.46, 0.3, -0.55]; // of the first path, as shares of the picture

  const wobbly = (times, from, to, size) =>
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

  const rings = (times, path) =>
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
    const first = wobbly(times, from, to, 0.42);
    const state = { times, path: first };
    const stage = learn.stage(lab.picture, {
      height: 320,
      x: { range: [0, 1], label: "time, in gaps" },
      y: { range: [-0.3, 1.3], label: "place z, rad" },
      label: "A path of seven frames between two anchors; every frame can be moved up and down",
      draw: () => [
        ...(lab.checked
          ? [
              { line: points(times, straight), className: "straight is-under" },
              ...["ahead", "late"].map((name) => ({ line: points(times, rivals[name]), className: "plain" })),
            ]
          : []),
        { line: points(times, state.path), className: "slap" },
        ...rings(times, state.path),
      ],
    });
    const told = () => {
      stage.redraw();
      const now = cost(state.path);
      const above = now / least - 1;
      lab.numbers({ "S = T, yours": `${figure(now)} rad²/T`, "above the least": `${figure(100 * above)} %` });
      lab.says(() => {
        const far = p.largest(state.path.map((z, i) => z - straight[i]));
        return far < 1e-3
          ? `The path is straight. Its action is ${figure(now)} rad²/T, the least there is.`
          : `The path is up to ${figure(far)} rad off the straight line; its action is ${figure(now)} rad²/T.`;
      });
    };
    learn.softPath(state, () => problem, told);
    learn.nodes(stage, { get: () => state, set: state.drag, unit: "rad" });
    lab.button("Let it relax", state.relax);
    lab.button("Reset", () => state.reset(first));
    told();
    return {
      check(chosen) {
        stage.redraw();
        const costs = Object.entries(rivals).map(([name, path]) => [name, cost(path)]);
        const best = costs.reduce((a, b) => (b[1] < a[1] ? b : a))[0];
        const of = Object.fromEntries(costs.map(([name, value]) => [name, figure(value)]));
        return {
          right: chosen === best,
          sentence: `Running ahead costs ${of.ahead}, waiting ${of.late}, the same speed all the time ${of.steady} rad²/T: `
            + "what haste costs more, slowness never saves in full, because cost grows with the square. "
            + `Your path stands at ${figure(cost(state.path))}. All three are drawn now, the straight one in blue.`,
        };
      },
    };
  };

  learn.steps.ball = (lab) => {
    const times = p.grid(9, 1);
    const problem = { mass: 1, coupling: 9.81, potential: p.POTENTIALS.height };
    const first = wobbly(times, 0, 0, 0.6);
    const state = { times, path: first };
    const stage = learn.stage(lab.picture, {
      height: 320,
      x: { range: [0, 1], label: "time, s" },
      y: { range: [-0.6, 2.8], label: "height z, m" },
      label: "The height of a ball over time at nine moments; each can be moved up and down",
      draw: () => {
        const exact = p.ball(0, 0, 1, problem.coupling);
        const curve = p.grid(99, 1).map((t) => [t, exact.height(t)]);
        return [
          ...(lab.checked ? [{ line: curve, className: "truth is-under" }] : []),
          { line: points(times, state.path), className: "slap" },
          ...rings(times, state.path),
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
      check(chosen) {
        const earth = { ...problem, coupling: 9.81 };
        const fine = p.grid(199, 1);
        const flight = p.minimise(fine, p.straight(fine, 0, 0), earth).path;
        const found = Math.max(...flight);
        const lingering = flight.filter((z) => z > found / 2).length / flight.length;
        told();
        return {
          right: Math.abs(Number(chosen) - found) < 0.1,
          sentence: `On Earth the path of least action is ${figure(found)} m high in the middle, which is gτ²/8, and `
            + `${figure(100 * lingering)} % of the time it is in the upper half: it lingers high. Your own path reached ${figure(Math.max(...state.path))} m at g = ${figure(problem.coupling)} m/s². `
            + "The exact parabola is drawn behind it now.",
        };
      },
    };
  };

  learn.steps.race = (lab) => {
    const [centre, width] = [0.9, 0.5];
    const bound = 1 / width ** 2; // of |P''|
    const problem = { mass: 1, coupling: 2, potential: p.bump(centre, width) };
    const rough = (times) => wobbly(times, 0, 0.3, 0.75).map((z, i, all) => (i && i < all.length - 1 ? z + 0.2 : z));
    let times, start, rate, racers;
    const begin = (path) => {
      start = path;
      rate = p.bestRate(times, problem, bound);
      const advance = { plain: (z) => p.descendOnce(times, z, problem, rate), string: (z) => p.relaxOnce(times, z, problem) };
      racers = Object.fromEntries(
        Object.entries(advance).map(([name, step]) => [name, { path, step, errors: [p.largest(p.greenStep(times, path, problem))] }]),
      );
    };
    const frames = (free) => ((times = p.grid(free, 1)), begin(rough(times)));
    const done = (racer) => racer.errors[racer.errors.length - 1] < 1e-5;
    const advance = (racer) => {
      if (done(racer)) return;
      racer.path = racer.step(racer.path);
      racer.errors.push(p.largest(p.greenStep(times, racer.path, problem)));
    };
    const owner = {};
    frames(15);
    const stage = learn.stage(lab.picture, {
      height: 290,
      x: { range: [0, 1], label: "time, in gaps" },
      y: { range: [-0.6, 1.5], label: "place z, rad" },
      label: "Two paths from the same start: plain gradient descent and the plucked-string step",
      draw: () => [
        { line: [[0, centre], [1, centre]], className: "query-line" },
        { at: [0.5, centre], shape: "star", size: 9, className: "query" },
        { line: points(times, racers.plain.path), className: "plain" },
        { line: points(times, racers.string.path), className: "slap" },
        ...rings(times, start),
      ],
    });
    const chart = learn.stage(lab.picture, {
      height: 190,
      x: { range: [1, 10000], label: "steps + 1", log: true },
      y: { range: [1e-6, 3], label: "distance from rest, rad", log: true },
      label: "How far each path is from rest over its steps, on logarithmic axes",
      draw: () => [
        { line: [[1, 1e-5], [10000, 1e-5]], className: "limit" },
        ...["plain", "string"].map((name) => ({
          line: racers[name].errors
            .map((error, i) => [i + 1, Math.min(3, Math.max(error, 1e-6))])
            .filter(([n], i, all) => n < 40 || i === all.length - 1 || n % Math.ceil(n / 40) === 0),
          className: name === "plain" ? "plain" : "slap",
        })),
      ],
    });
    const told = () => {
      stage.redraw();
      chart.redraw();
      const tell = (racer) => `${figure(racer.errors.length - 1)} steps${done(racer) ? ", at rest" : ""}`;
      lab.numbers({ "gradient descent": tell(racers.plain), "plucked string": tell(racers.string), "frames N": `${times.length - 2}` });
      lab.says(() => `With ${times.length - 2} frames: gradient descent ${tell(racers.plain)}, plucked string ${tell(racers.string)}.`);
    };
    learn.nodes(stage, {
      get: () => ({ times, path: racers.string.path }),
      set: (index, height) => {
        owner.halt?.();
        begin(racers.string.path.map((z, i) => (i === index ? height : z)));
        told();
      },
      unit: "rad",
    });
    const both = () => Object.values(racers);
    lab.button("One step", () => (owner.halt?.(), both().forEach(advance), told()));
    lab.button("Run both", () =>
      learn.animate(owner, () => {
        const hurry = Math.max(1, Math.round(racers.plain.errors.length / 25)); // slow enough to see, never long
        for (let n = 0; n < hurry; n += 1) advance(racers.plain);
        advance(racers.string);
        told();
        return both().every(done);
      }),
    );
    lab.button("Reset", () => (owner.halt?.(), begin(rough(times)), told()));
    lab.slider("Frames N", {
      min: 3, max: 6, step: 1, value: 4,
      show: (power) => `${2 ** power - 1}`,
      act: (power) => (owner.halt?.(), frames(2 ** power - 1), told()),
    });
    told();
    return {
      check(chosen) {
        const counts = [15, 31, 63].map((free) => {
          const grid = p.grid(free, 1);
          const rated = p.bestRate(grid, problem, bound);
          const steps = (one) => p.run(grid, rough(grid), problem, one).errors.length - 1;
          return {
            free,
            plain: steps((z) => p.descendOnce(grid, z, problem, rated)),
            string: steps((z) => p.relaxOnce(grid, z, problem)),
          };
        });
        const growth = Math.sqrt(counts[2].plain / counts[0].plain); // per doubling
        const nearest = ["1", "2", "4"].reduce((a, b) => (Math.abs(b - growth) < Math.abs(a - growth) ? b : a));
        const told = counts.map((c) => `${c.free} frames: ${figure(c.plain)} against ${c.string}`).join("; ");
        return {
          right: chosen === nearest,
          sentence: `Just run, gradient descent against plucked string: ${told} steps. Each doubling costs gradient descent `
            + `${figure(growth)} times as many; the string does not notice.`,
        };
      },
    };
  };
})();
