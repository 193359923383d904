/* Least action on a line, as pure functions: no page, no state, so that they can be tested by themselves.
 *
 * A path is an array of heights z at an array of times t; its first and last entries are the anchors, the rest is free.
 * A problem is {mass, coupling, potential: {value, slope, curvature}}: mu, lambda and P with its derivatives. As in
 * slap_core.action, what is minimised is
 *
 *   S = sum_i mu/(2 h_i) (z_{i+1} - z_i)^2  -  lambda sum_i w_i P(z_i),      w_i trapezoidal (half a step at an anchor).
 *
 * This is motion in the potential energy U = lambda P: mu z'' = -lambda P'(z). The broken line through the nodes has
 * exactly this kinetic energy.
 */
(() => {
  "use strict";

  const POTENTIALS = {
    none: { value: () => 0, slope: () => 0, curvature: () => 0 },
    /* Height: with lambda = g the path is that of a thrown ball. */
    height: { value: (z) => z, slope: () => 1, curvature: () => 0 },
    /* The potential energy of a pendulum, z the angle from where it hangs: z'' = -lambda sin z. */
    pendulum: { value: (z) => 1 - Math.cos(z), slope: Math.sin, curvature: Math.cos },
    /* -z^2/2 and z^2/2, whose paths are sinh and sin. */
    hill: { value: (z) => (-z * z) / 2, slope: (z) => -z, curvature: () => -1 },
    spring: { value: (z) => (z * z) / 2, slope: (z) => z, curvature: () => 1 },
  };

  /* A smooth bump of height 1 at `centre`: what a query that agrees with one place looks like. */
  function bump(centre, width) {
    const at = (z) => (z - centre) / width;
    const value = (z) => Math.exp(-(at(z) ** 2) / 2);
    return {
      value,
      slope: (z) => (-at(z) / width) * value(z),
      curvature: (z) => ((at(z) ** 2 - 1) / width ** 2) * value(z),
    };
  }

  const grid = (free, duration) => Array.from({ length: free + 2 }, (_, i) => (i * duration) / (free + 1));

  const straight = (times, from, to) =>
    times.map((t) => from + ((to - from) * (t - times[0])) / (times[times.length - 1] - times[0]));

  const weights = (times) =>
    times.map((t, i) => ((times[i + 1] ?? t) - (times[i - 1] ?? t)) / 2);

  function kinetic(times, path, mass) {
    let sum = 0;
    for (let i = 0; i + 1 < path.length; i += 1) sum += (path[i + 1] - path[i]) ** 2 / (times[i + 1] - times[i]);
    return (mass * sum) / 2;
  }

  /* sum_i w_i P(z_i), without lambda. */
  const pull = (times, path, potential) =>
    weights(times).reduce((sum, w, i) => sum + w * potential.value(path[i]), 0);

  const action = (times, path, problem) =>
    kinetic(times, path, problem.mass) - problem.coupling * pull(times, path, problem.potential);

  /* dS/dz_i; 0 at the anchors. */
  function gradient(times, path, { mass, coupling, potential }) {
    const w = weights(times);
    return path.map((z, i) => {
      if (i === 0 || i === path.length - 1) return 0;
      const before = (z - path[i - 1]) / (times[i] - times[i - 1]);
      const after = (path[i + 1] - z) / (times[i + 1] - times[i]);
      return mass * (before - after) - coupling * w[i] * potential.slope(z);
    });
  }

  /* The Hessian over the free nodes, tridiagonal. */
  function hessian(times, path, { mass, coupling, potential }) {
    const w = weights(times);
    const diagonal = [];
    const beside = []; // between free node k and k + 1
    for (let i = 1; i < path.length - 1; i += 1) {
      const [left, right] = [mass / (times[i] - times[i - 1]), mass / (times[i + 1] - times[i])];
      diagonal.push(left + right - coupling * w[i] * potential.curvature(path[i]));
      if (i < path.length - 2) beside.push(-right);
    }
    return { diagonal, beside };
  }

  /* Elimination without pivoting; by Sylvester's law the number of negative pivots is that of negative eigenvalues. */
  function pivots({ diagonal, beside }) {
    const found = [];
    diagonal.forEach((d, k) => found.push(k ? d - beside[k - 1] ** 2 / (found[k - 1] || 1e-300) : d));
    return found;
  }

  const morseIndex = (times, path, problem) =>
    pivots(hessian(times, path, problem)).filter((pivot) => pivot < 0).length;

  /* Solves matrix x = right for right over all nodes; x is 0 at the anchors. */
  function solve(matrix, right) {
    const p = pivots(matrix);
    const x = right.slice(1, -1);
    for (let k = 1; k < x.length; k += 1) x[k] -= (matrix.beside[k - 1] / p[k - 1]) * x[k - 1];
    for (let k = x.length - 1; k >= 0; k -= 1) {
      x[k] = (x[k] - (k + 1 < x.length ? matrix.beside[k] * x[k + 1] : 0)) / p[k];
    }
    return [0, ...x, 0];
  }

  /* Green's matrix of the string: how far the string gives way at time s if it is plucked with unit force at time t. */
  function green(times, i, j, mass) {
    const [first, last] = [times[0], times[times.length - 1]];
    const [low, high] = [Math.min(times[i], times[j]), Math.max(times[i], times[j])];
    return ((low - first) * (last - high)) / (mass * (last - first));
  }

  /* The plucked-string step: Green's matrix applied to minus the gradient. Each node's force moves the whole string. */
  function greenStep(times, path, problem) {
    const string = hessian(times, path, { ...problem, coupling: 0 });
    return solve(string, gradient(times, path, problem).map((g) => -g));
  }

  const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const along = (path, step, share) => path.map((z, i) => z + share * step[i]);

  /* The plucked-string step, halved until the action falls enough. */
  function relaxOnce(times, path, problem, direction = null) {
    const step = direction || greenStep(times, path, problem);
    const before = action(times, path, problem);
    const slope = gradient(times, path, problem).reduce((sum, g, i) => sum + g * step[i], 0);
    for (let share = 1; share > 1e-10; share /= 2) {
      const next = along(path, step, share);
      if (action(times, next, problem) <= before + 1e-4 * share * slope) return next;
    }
    return path;
  }

  /* A path of least action near `start`: Newton's step where the Hessian is positive, else the plucked-string step.
   * Returns {path, steps, converged}; a point of balance that is no minimum is left only if `start` is off it. */
  function minimise(times, start, problem, { tolerance = 1e-10, limit = 400 } = {}) {
    let path = start;
    for (let steps = 0; steps < limit; steps += 1) {
      if (largest(greenStep(times, path, problem)) < tolerance) return { path, steps, converged: true };
      const matrix = hessian(times, path, problem);
      const sure = pivots(matrix).every((pivot) => pivot > 0);
      const newton = sure ? solve(matrix, gradient(times, path, problem).map((g) => -g)) : null;
      const next = relaxOnce(times, path, problem, newton);
      if (next === path) return { path, steps, converged: largest(greenStep(times, path, problem)) < 1e-6 };
      path = next;
    }
    return { path, steps: limit, converged: false };
  }

  /* The best constant step of plain gradient descent on an even grid, 2/(l + L), from the string's eigenvalues l and L
   * and a bound on |P''|. */
  function bestRate(times, { mass, coupling }, bound) {
    const [h, free] = [times[1] - times[0], times.length - 2];
    const eigenvalue = (k) => ((4 * mass) / h) * Math.sin((Math.PI * k) / (2 * (free + 1))) ** 2;
    const spread = coupling * h * bound;
    return 2 / (Math.max(eigenvalue(1) - spread, eigenvalue(1) / 10) + eigenvalue(free) + spread);
  }

  const descendOnce = (times, path, problem, rate) => along(path, gradient(times, path, problem), -rate);

  /* How far each step of a method leaves the path from balance: the largest plucked-string step that would be next, the
   * same measure for every method. Ends below `tolerance`. */
  function run(times, start, problem, advance, { tolerance = 1e-5, limit = 100000 } = {}) {
    const errors = [];
    for (let path = start; ; path = advance(path)) {
      errors.push(largest(greenStep(times, path, problem)));
      if (errors[errors.length - 1] < tolerance || errors.length > limit) return { path, errors };
    }
  }

  /* The thrown ball, in closed form. `height` at time t, and the action of the smooth parabola. */
  function ball(from, to, duration, g) {
    return {
      height: (t) => from + ((to - from) * t) / duration + (g / 2) * t * (duration - t),
      top: (from + to) / 2 + (g * duration ** 2) / 8 + (to - from) ** 2 / (2 * g * duration ** 2),
      action: (to - from) ** 2 / (2 * duration) - (g * duration * (from + to)) / 2 - (g ** 2 * duration ** 3) / 24,
    };
  }

  /* The action of the path that flies freely from node to node under gravity (mass 1): Hamilton's principal function,
   * summed. For the parabola's nodes it is the action of the smooth parabola. */
  const flownAction = (times, path, g) =>
    path.slice(1).reduce((sum, z, i) => sum + ball(path[i], z, times[i + 1] - times[i], g).action, 0);

  /* Classical Runge-Kutta for z'' = force(t, z). */
  function fly(force, start, speed, duration, steps) {
    const h = duration / steps;
    let [z, v] = [start, speed];
    const rows = [[0, z, v]];
    for (let i = 0; i < steps; i += 1) {
      const t = i * h;
      const a1 = force(t, z);
      const a2 = force(t + h / 2, z + (h / 2) * v);
      const a3 = force(t + h / 2, z + (h / 2) * v + (h * h * a1) / 4);
      const a4 = force(t + h, z + h * v + (h * h * a2) / 2);
      z += h * v + ((h * h) / 6) * (a1 + a2 + a3);
      v += (h / 6) * (a1 + 2 * a2 + 2 * a3 + a4);
      rows.push([t + h, z, v]);
    }
    return rows;
  }

  /* The first conjugate point after the first anchor: where Jacobi's field, mu J'' = -lambda P''(z(t)) J with J = 0 and
   * J' = 1 at the anchor, is 0 again. Time after the anchor; null if it is not before `horizon`, beyond which (the path's
   * end) the curvature is that at the end. */
  function conjugateTime(times, path, { mass, coupling, potential }, horizon) {
    const last = times.length - 1;
    const height = (t) => {
      let i = 0;
      while (i < last - 1 && times[i + 1] < t + times[0]) i += 1;
      const share = Math.min(1, (t + times[0] - times[i]) / (times[i + 1] - times[i]));
      return path[i] + share * (path[i + 1] - path[i]);
    };
    const rows = fly((t, j) => (-coupling / mass) * potential.curvature(height(t)) * j, 0, 1, horizon, 2400);
    const k = rows.findIndex(([, j], i) => i > 0 && j <= 0);
    if (k < 0) return null;
    const [[t0, j0, v0], [t1, j1]] = [rows[k - 1], rows[k]];
    const bend = (j1 - j0 - v0 * (t1 - t0)) / (t1 - t0) ** 2; // the parabola through both, with the first one's slope
    let s = ((t1 - t0) * j0) / (j0 - j1);
    for (let n = 0; n < 20; n += 1) s -= (j0 + v0 * s + bend * s * s) / (v0 + 2 * bend * s);
    return t0 + s;
  }

  /* The smallest lambda at which the straight path along a place of curvature 1 has its last anchor as conjugate point:
   * (pi/tau)^2 in continuous time, and the string's smallest eigenvalue on a grid of even steps. */
  const criticalCoupling = (duration, mass, free = Infinity) =>
    free === Infinity
      ? mass * (Math.PI / duration) ** 2
      : mass * ((2 * (free + 1)) / duration) ** 2 * Math.sin(Math.PI / (2 * (free + 1))) ** 2;

  /* Numbers in [0, 1) from a seed (mulberry32). */
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let x = Math.imul(state ^ (state >>> 15), state | 1);
      x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
      return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  /* The different paths of least action that are reached from `count` smooth random starts. */
  function minima(times, from, to, problem, { count = 24, spread = 12, seed = 1 } = {}) {
    const [draw, found] = [random(seed), []];
    const line = straight(times, from, to);
    const span = times[times.length - 1] - times[0];
    for (let n = 0; n < count; n += 1) {
      const waves = [1, 2, 3].map((k) => ((2 * draw() - 1) * spread) / k);
      const wave = (t) => waves.reduce((sum, a, k) => sum + a * Math.sin((Math.PI * (k + 1) * (t - times[0])) / span), 0);
      const start = line.map((z, i) => (i && i < line.length - 1 ? z + wave(times[i]) : z));
      const { path, converged } = minimise(times, start, problem);
      if (!converged || morseIndex(times, path, problem)) continue;
      if (!found.some((other) => largest(other.map((z, i) => z - path[i])) < 1e-3)) found.push(path);
    }
    return found.sort((a, b) => action(times, a, problem) - action(times, b, problem));
  }

  const physics = {
    POTENTIALS, action, ball, bestRate, bump, conjugateTime, criticalCoupling, descendOnce, flownAction, fly, gradient,
    green, greenStep, grid, hessian, kinetic, largest, minima, minimise, morseIndex, pull, random, relaxOnce, run, solve,
    straight, weights,
  };
  if (typeof module === "object") module.exports = physics;
  else (window.slap = window.slap || {}).physics = physics;
})();
