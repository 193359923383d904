"""Minimise a batch of discrete actions: accelerated H1 descent, Newton where that fails, and the paper's Adam.

*H1 (Sobolev) descent* moves by the string's response to the residual force, z <- exp_z(-Pi G grad S): the gradient in
the metric of the kinetic energy. From SLERP it contracts with a factor of about lambda M T^2/(8 mu), M the Lipschitz
constant of grad P, whatever the number of nodes. Anderson's method accelerates it: among the combinations of the last
steps it takes the one whose step is shortest in the H1 norm, |v|^2 = sum_i mu/h_i |v_{i+1} - v_i|^2.

A step is taken only if the action falls. Where that fails, or the action curves down, a trust region of Newton takes
over (see `trust_region`).

Each problem of a batch has its own history, radius and end; ended ones leave the batch.

Source: Walker and Ni, "Anderson acceleration for fixed-point iterations", 2011.
"""

import dataclasses

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.trust_region import Descent, decrease, dot, trust_region

__all__ = ["adam", "minimize", "shares", "shorten"]

MEMORY = 8
"""Earlier steps that Anderson's method combines."""
PATIENCE = 3
"""Steps in a row by which H1 descent may fail to gain, before Newton takes over."""
LONGEST = 1.0
"""No node moves further than this in one step, radians."""


def minimize(
    action: DiscreteAction, z: Float[Tensor, "batch node dim"], *, tolerance: float, iterations: int
) -> Descent:
    """The minimisers reached from z: no H1 step of any node is above `tolerance` (radians) where it converged.

    Args:
        action: the problems.
        z: where to start.
        tolerance: radians.
        iterations: at most so many steps of either kind, together.
    """
    state, action = Descent.begin(z, iterations=iterations), action.asked()
    left = _accelerated(action, state, tolerance=tolerance, iterations=iterations)
    if len(left):
        trust_region(action, state, left, tolerance=tolerance, iterations=iterations)
    return state


def _accelerated(action: DiscreteAction, state: Descent, *, tolerance: float, iterations: int) -> Int[Tensor, "left"]:
    """Anderson's method on all problems; which of them it could not finish."""
    index = torch.arange(len(action), device=state.z.device)
    given_up = index[:0]
    z = state.z.clone()
    now = action.evaluate(z)
    state.gradients += 1
    step = -action.precondition(z, now.gradient)
    past = _Past.begin(z)
    shortest = torch.full_like(z[:, 0, 0], torch.inf)
    slow = torch.zeros_like(index)
    while True:
        size = step.norm(dim=-1).amax(-1)
        state.record(index, z, now.value, size)
        slow = torch.where(size > 0.7 * shortest, slow + 1, 0)
        shortest = torch.minimum(shortest, size)
        going = size > tolerance
        # Where the action curves down or the potential is not finite, Newton's region is the place to be.
        hopeful = going & (slow < PATIENCE) & (past.curvature > 0.05) & (state.iterations[index] < iterations)
        given_up = torch.cat([given_up, index[going & ~hopeful]])
        if not bool(hopeful.all()):
            keep = hopeful.nonzero().squeeze(-1)
            if not len(keep):
                return given_up
            index, action, now, past = index[keep], action.select(keep), now.select(keep), past.select(keep)
            z, step, shortest, slow = z[keep], step[keep], shortest[keep], slow[keep]
        v = shorten(action.tangent(z, past.combine(action, step)))
        trial = action.retract(z, v)
        then = action.evaluate(trial)
        answer = -action.precondition(trial, then.gradient)
        state.iterations[index] += 1
        state.gradients[index] += 1
        # A trial that is refused still tells of the curvature, and is remembered like any other.
        past.add(action, trial - z, answer - step)
        fell = decrease(now, then, v, expected=-dot(now.gradient, v)) >= 0
        if bool(fell.all()):
            z, step, now = trial, answer, then
        else:
            chosen = fell[:, None, None]
            z, step, now = torch.where(chosen, trial, z), torch.where(chosen, answer, step), then.where(fell, now)


@dataclasses.dataclass(eq=False)
class _Past:
    """The last moves of each problem and by what the H1 step *turned* on them, the oldest of MEMORY overwritten."""

    turns: Float[Tensor, "batch memory number"]
    sums: Float[Tensor, "batch memory number"]
    """Of a move and its turn."""
    gram: Float64[Tensor, "batch memory memory"]
    """The H1 inner products of the turns."""
    curvature: Float[Tensor, "batch"]
    """<dz, Hess dz>/<dz, dz> in the H1 metric along the last move; 1 is the string's own."""
    count: int = 0
    """Moves made."""

    @classmethod
    def begin(cls, z: Float[Tensor, "batch node dim"]) -> "_Past":
        """No move yet."""
        turns, sums = (z.new_empty(len(z), MEMORY, z[0].numel()) for _ in range(2))
        gram = torch.zeros(len(z), MEMORY, MEMORY, dtype=torch.float64, device=z.device)
        return cls(turns, sums, gram, torch.ones_like(z[:, 0, 0]))

    def select(self, index: Tensor) -> "_Past":
        """The problems at `index`."""
        return _Past(self.turns[index], self.sums[index], self.gram[index], self.curvature[index], self.count)

    def add(self, action: DiscreteAction, moved: Tensor, turned: Tensor) -> None:
        """Remember a move and its turn."""
        pulled = action.stretch(moved)
        tiny = torch.finfo(moved.dtype).tiny
        self.curvature = -(turned * pulled).sum((-2, -1)) / (moved * pulled).sum((-2, -1)).clamp_min(tiny)
        place = self.count % MEMORY
        self.count += 1
        torch.add(moved, turned, out=self.sums[:, place].view_as(moved))
        self.turns[:, place] = turned.flatten(1)
        products = self._products(action.stretch(turned))
        self.gram[:, place, : products.shape[1]] = products
        self.gram[:, : products.shape[1], place] = products

    def combine(self, action: DiscreteAction, step: Float[Tensor, "batch node dim"]) -> Tensor:
        """Anderson's next step from the last one."""
        known = min(self.count, MEMORY)
        if not known:
            return step
        right = self._products(action.stretch(step))[..., None]
        share = shares(self.gram[:, :known, :known], right, rounding=torch.finfo(step.dtype).eps).to(step)
        return step - (share.mT @ self.sums[:, :known]).view_as(step)

    def _products(self, force: Float[Tensor, "batch node dim"]) -> Float64[Tensor, "batch known"]:
        """The turns' inner products with what is pulled by the force."""
        # A row times a matrix: as a matrix times a column the same product takes ten times as long.
        return (force.flatten(1)[:, None] @ self.turns[:, : min(self.count, MEMORY)].mT).squeeze(1).double()


def shares(
    gram: Float64[Tensor, "batch memory memory"], right: Float64[Tensor, "batch memory 1"], *, rounding: float
) -> Float64[Tensor, "batch memory 1"]:
    """How much of each earlier turn to take off a step, so that what is left of it is shortest.

    Args:
        gram: the inner products of the turns, in whatever metric; a turn of length 0 counts for nothing.
        right: theirs with the step.
        rounding: the precision of the turns: nearly parallel ones must not be subtracted from each other beyond it.
    """
    # Unit diagonal and a ridge.
    scale = gram.diagonal(dim1=-2, dim2=-1).clamp_min(1e-300).rsqrt()[..., None]
    ridge = 10 * rounding * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve(gram * scale * scale.mT + ridge, right * scale) * scale


def shorten(v: Tensor) -> Tensor:
    """The field v, scaled down where it would move a node further than LONGEST."""
    size = v.norm(dim=-1).amax(-1)
    return v * (LONGEST / size.clamp_min(LONGEST))[:, None, None]


def adam(
    action: DiscreteAction,
    z: Float[Tensor, "batch node dim"],
    *,
    tolerance: float,
    iterations: int,
    learning_rate: float,
) -> Descent:
    """The paper's own recipe, for comparison: Adam on the discrete action, each step retracted by normalising.

    It has no metric of the path, so that it needs many more steps; the action may rise on the way.
    """
    state, action = Descent.begin(z, iterations=iterations), action.asked()
    everything = torch.arange(len(action), device=z.device)
    mean, square = torch.zeros_like(z), torch.zeros_like(z)
    for iteration in range(iterations + 1):
        now = action.evaluate(z)
        state.gradients += 1
        size = action.precondition(z, now.gradient).norm(dim=-1).amax(-1)
        state.record(everything, z, now.value, size)
        if iteration == iterations or not bool((size > tolerance).any()):
            break
        state.iterations += 1
        mean = 0.9 * mean + 0.1 * now.gradient
        square = 0.999 * square + 0.001 * now.gradient.square()
        corrected = mean / (1 - 0.9 ** (iteration + 1))
        spread = (square / (1 - 0.999 ** (iteration + 1))).sqrt()
        z = z - learning_rate * corrected / (spread + 1e-8)
        z = sphere.normalize(z) if action.geometry == "sphere" else z
    return state
