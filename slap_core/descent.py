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

import itertools

import torch
from jaxtyping import Float, Int
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.trust_region import Descent, decrease, dot, trust_region

__all__ = ["adam", "minimize"]

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
    state = Descent.begin(z, iterations=iterations)
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
    past = [(z, -action.precondition(z, now.gradient))]
    shortest = torch.full_like(z[:, 0, 0], torch.inf)
    slow = torch.zeros_like(index)
    while True:
        z, step = past[-1]
        size = step.norm(dim=-1).amax(-1)
        state.record(index, z, now.value, size)
        slow = torch.where(size > 0.7 * shortest, slow + 1, 0)
        shortest = torch.minimum(shortest, size)
        going = size > tolerance
        # Where the action curves down or the potential is not finite, Newton's region is the place to be.
        hopeful = going & (slow < PATIENCE) & (_curvature(action, past) > 0.05) & (state.iterations[index] < iterations)
        given_up = torch.cat([given_up, index[going & ~hopeful]])
        if not bool(hopeful.all()):
            keep = hopeful.nonzero().squeeze(-1)
            if not len(keep):
                return given_up
            index, action, now = index[keep], action.select(keep), now.select(keep)
            past = [(x[keep], s[keep]) for x, s in past]
            z, step, shortest, slow = z[keep], step[keep], shortest[keep], slow[keep]
        v = _shorten(action.tangent(z, _combine(action, past)))
        trial = action.retract(z, v)
        then = action.evaluate(trial)
        answer = -action.precondition(trial, then.gradient)
        state.iterations[index] += 1
        state.gradients[index] += 1
        fell = decrease(now, then, v, expected=-dot(now.gradient, v)) >= 0
        # A trial that is refused still tells of the curvature: it is remembered as an earlier step.
        chosen = fell[:, None, None]
        refused = torch.where(chosen, z, trial), torch.where(chosen, step, answer)
        past = [*past[:-1], refused, (torch.where(chosen, trial, z), torch.where(chosen, answer, step))][-MEMORY - 1 :]
        now = then.where(fell, now)


def _curvature(action: DiscreteAction, past: list[tuple[Tensor, Tensor]]) -> Tensor:
    """<dz, Hess dz>/<dz, dz> in the H1 metric along the last step; 1 is the string's own."""
    if len(past) < 2:
        return torch.ones(len(action), device=past[0][0].device)
    (x, s), (y, t) = past[-2:]
    moved, answered = y - x, s - t
    square, product = action.inner(moved[:, None], torch.stack([moved, answered], 1))[:, 0].unbind(1)
    return product / square.clamp_min(torch.finfo(square.dtype).tiny)


def _combine(action: DiscreteAction, past: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Anderson's next step from the last one."""
    z, step = past[-1]
    if len(past) == 1:
        return step
    moves = torch.stack([y - x for (x, _), (y, _) in itertools.pairwise(past)], 1)
    turns = torch.stack([t - s for (_, s), (_, t) in itertools.pairwise(past)], 1)
    products = action.inner(turns, torch.cat([turns, step[:, None]], 1)).double()
    gram, right = products[..., :-1], products[..., -1:]
    scale = gram.diagonal(dim1=-2, dim2=-1).clamp_min(1e-300).rsqrt()
    # Unit diagonal and a ridge: nearly parallel turns must not be subtracted from each other beyond their digits.
    ridge = 10 * torch.finfo(z.dtype).eps * torch.eye(gram.shape[1], dtype=gram.dtype, device=z.device)
    gram = gram * scale[:, :, None] * scale[:, None, :] + ridge
    share = (torch.linalg.solve(gram, right * scale[..., None]) * scale[..., None]).to(z)
    return step - (share[..., None] * (moves + turns)).sum(1)


def _shorten(v: Tensor) -> Tensor:
    """v, scaled down where it would move a node further than LONGEST."""
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
    state = Descent.begin(z, iterations=iterations)
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
