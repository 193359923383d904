/* The lesson's third step: plain gradient descent races the plucked-string step, from the same start. */
(() => {
  "use strict";
  const { learn } = window.slap;
  const { physics: p, figure, points, heights, count } = learn;

  learn.steps.race = (lab) => {
    const [centre, width] = [0.9, 0.5];
    const bound = 1 / width ** 2; // of |P''|
    const problem = { mass: 1, coupling: 2, potential: p.bump(centre, width) };
    const rough = (times) => learn.wobbly(times, 0, 0.3, 0.75).map((z, i, all) => (i && i < all.length - 1 ? z + 0.2 : z));
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
    const last = (racer) => racer.errors[racer.errors.length - 1];
    const done = (racer) => last(racer) < 1e-5;
    const advance = (racer) => {
      if (done(racer)) return;
      racer.path = racer.step(racer.path);
      racer.errors.push(p.largest(p.greenStep(times, racer.path, problem)));
    };
    const standing = (racer) => `${count(racer.errors.length, "gradient")}, ${figure(last(racer))} rad from rest`;
    const apart = () => p.largest(racers.plain.path.map((z, i) => z - racers.string.path[i]));
    const owner = {};
    frames(15);
    const stage = learn.stage(lab.picture, {
      height: 290,
      x: { range: [0, 1], label: "time, in gaps" },
      y: { range: [-0.6, 1.5], label: "place z, rad" },
      label: "Two paths from the same start; the nodes of the plucked string's can be moved up and down",
      tell: () => `The pull is towards ${figure(centre)} rad. The plucked string's path stands at `
        + `${heights(racers.string.path, "rad")}; gradient descent's is up to ${figure(apart())} rad away from it.`,
      draw: () => [
        { line: [[0, centre], [1, centre]], className: "query-line" },
        { at: [0.5, centre], shape: "star", size: 9, className: "query" },
        { line: points(times, racers.plain.path), className: "plain" },
        { line: points(times, racers.string.path), className: "slap" },
        ...learn.rings(times, start),
      ],
    });
    const chart = learn.stage(lab.picture, {
      height: 190,
      x: { range: [1, 10000], label: "gradients computed", log: true },
      y: { range: [1e-6, 3], label: "distance from rest, rad", log: true },
      label: "How far each path is from rest over the gradients it has computed, on logarithmic axes",
      tell: () => `Gradient descent: ${standing(racers.plain)}. Plucked string: ${standing(racers.string)}. `
        + "At rest is below 10⁻⁵ rad.",
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
      const tell = (racer) => `${count(racer.errors.length - 1, "step")}${done(racer) ? ", at rest" : ""}`;
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
      answer() {
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
        const told = counts.map((c) => `${figure(c.plain)} against ${c.string} steps with ${c.free} frames`).join(", ");
        return {
          value: nearest,
          sentence: `Gradient descent against plucked string: ${told}. Each doubling costs gradient descent `
            + `${figure(growth)} times as many; the string hardly notices.`,
        };
      },
      reveal: () => "Both were run for this answer, from the rough start that Reset gives.",
    };
  };
})();
