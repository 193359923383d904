"""Newton's method with a trust region, for strong coupling, where H1 descent does not contract.

The space is a product of spheres, one for each node. In each region truncated conjugate gradients (Steihaug and
Toint) solve the Newton system in the H1 metric |v|^2 = sum_i mu/h_i |v_{i+1} - v_i|^2, with exact Hessian products.
Negative curvature leads to the boundary of the region. An iterate is taken only if the action falls, and the region
shrinks until it does.

Source: Absil, Baker and Gallivan, "Trust-region methods on Riemannian manifolds", 2007.
"""

import dataclasses

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from slap_core.action import DiscreteAction, Evaluation

__all__ = ["Descent", "decrease", "dot", "trust_region"]

INNER = 40
"""Conjugate gradient steps per Newton system."""

PATIENCE = 5
"""Newton steps in which the residual of a problem near its minimum must halve; else it has stalled."""


@dataclasses.dataclass
class Descent:
    """Where each problem of a batch stands."""

    z: Float[Tensor, "batch node dim"]
    step: Float64[Tensor, "batch"]
    """Largest H1 step of any node, radians."""
    stalled: Bool[Tensor, "batch"]
    """No further descent was possible in this floating point type."""
    iterations: Int[Tensor, "batch"]
    gradients: Int[Tensor, "batch"]
    """Evaluations of the potential's gradient; a Hessian product counts 2."""
    trace: Float64[Tensor, "iteration batch"]
    """The action after each iteration, as far as the problem came."""

    @classmethod
    def begin(cls, z: Tensor, *, iterations: int) -> "Descent":
        """No problem evaluated yet."""
        number = torch.full((len(z),), torch.inf, dtype=torch.float64, device=z.device)
        count = torch.zeros(len(z), dtype=torch.long, device=z.device)
        return cls(
            z=z.clone(),
            step=number,
            stalled=count > 0,
            iterations=count,
            gradients=count.clone(),
            trace=number.expand(iterations + 1, -1).clone(),
        )

    def record(self, index: Tensor, z: Tensor, value: Tensor, step: Tensor) -> None:
        """Note where the problems at `index` stand."""
        self.z[index], self.step[index] = z, step.double()
        self.trace[self.iterations[index], index] = value

    def history(self) -> Float64[Tensor, "iteration batch"]:
        """The action after each iteration of the longest problem; those that ended repeat their last."""
        iteration = torch.arange(int(self.iterations.max()) + 1, device=self.z.device)
        return self.trace.gather(0, torch.minimum(iteration[:, None], self.iterations))


def trust_region(action: DiscreteAction, state: Descent, index: Tensor, *, tolerance: float, iterations: int) -> None:
    """Newton's method on the problems at `index`, to the end."""
    action, z = action.select(index), state.z[index]
    now = action.evaluate(z)
    state.gradients[index] += 1
    largest = torch.pi * (action.mass / action.length).sqrt().double()
    radius = largest / 4
    shortest, fruitless = torch.full_like(radius, torch.inf), torch.zeros_like(index)
    while True:
        size = action.precondition(z, now.gradient).norm(dim=-1).amax(-1).double()
        state.record(index, z, now.value, size)
        halved = size < shortest / 2
        shortest, fruitless = torch.where(halved, size, shortest), torch.where(halved, 0, fruitless)
        stalled = (size > tolerance) & (fruitless >= PATIENCE)
        state.stalled[index[stalled]] = True
        going = (size > tolerance) & ~stalled & (state.iterations[index] < iterations)
        if not bool(going.all()):
            keep = going.nonzero().squeeze(-1)
            if not len(keep):
                return
            index, action, z, now = index[keep], action.select(keep), z[keep], now.select(keep)
            radius, largest, shortest, fruitless = (x[keep] for x in (radius, largest, shortest, fruitless))
        state.iterations[index] += 1
        v, promised, at_boundary, products = _newton(action, z, now, radius, tolerance=tolerance)
        trial = action.retract(z, v)
        then = action.evaluate(trial)
        state.gradients[index] += 2 + 2 * products  # the trial's, and the one that the Hessian differentiates
        # This close to a minimum Newton's step is many times shorter than the last one, or made of rounding errors.
        fruitless = fruitless + (promised < 1e-5 * now.scale)
        quality = decrease(now, then, v, expected=promised) / promised
        quality = torch.where(quality.isfinite(), quality, -torch.inf)
        taken = quality > 0.1
        radius = torch.where(quality < 0.25, radius / 4, radius)
        radius = torch.where((quality > 0.75) & at_boundary, torch.minimum(2 * radius, largest), radius)
        z = torch.where(taken[:, None, None], trial, z)
        now = then.where(taken, now)


def _newton(
    action: DiscreteAction, z: Tensor, now: Evaluation, radius: Float64[Tensor, "batch"], *, tolerance: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The step, the decrease that the quadratic model promises, whether it ends at the boundary, and products used."""
    product = action.hessian(z)
    v, curved_v = torch.zeros_like(z), torch.zeros_like(z)
    residual = now.gradient
    answer = action.precondition(z, residual)
    direction = -answer
    power = dot(residual, answer)
    # H1 inner products by recurrence: <v, v>, <v, direction>, <direction, direction>.
    vv, vd, dd = torch.zeros_like(power), torch.zeros_like(power), power
    # A node at mid-gap moves by at most sqrt(L/mu)/2 times the H1 norm. Solved to a tenth, ever better near the end
    # (quadratic convergence), but never beyond half of the tolerance.
    unit = (action.mass / action.length).double()
    goal = (power * (power / unit).clamp_max(0.01)).maximum(unit * tolerance**2)
    at_boundary = torch.zeros_like(power, dtype=torch.bool)
    going = power > 0
    products = torch.zeros_like(power, dtype=torch.long)
    for _ in range(INNER):
        curved = product(direction)
        products += going
        curvature = dot(direction, curved)
        length = torch.where(curvature > 0, power / curvature, torch.inf)
        ahead = vv + 2 * length * vd + length.square() * dd
        leaves = going & ((curvature <= 0) | ~(ahead < radius.square()))
        reach = (-vd + (vd.square() + dd * (radius.square() - vv)).clamp_min(0).sqrt()) / dd
        length = torch.where(going, torch.where(leaves, reach, length), 0.0)
        v = v + length.to(v)[:, None, None] * direction
        curved_v = curved_v + length.to(v)[:, None, None] * curved
        at_boundary |= leaves
        going = going & ~leaves
        residual = residual + torch.where(going, length, 0.0).to(v)[:, None, None] * curved
        answer = action.precondition(z, residual)
        new_power = dot(residual, answer)
        going = going & (new_power > goal)
        if not bool(going.any()):
            break
        ratio = torch.where(going, new_power / power, 0.0)
        vv = torch.where(going, ahead, vv)
        vd = torch.where(going, ratio * (vd + length * dd), vd)
        dd = torch.where(going, new_power + ratio.square() * dd, dd)
        direction = torch.where(going[:, None, None], ratio.to(v)[:, None, None] * direction - answer, direction)
        power = torch.where(going, new_power, power)
    promised = -dot(now.gradient, v) - dot(v, curved_v) / 2
    return v, promised, at_boundary, products


def dot(a: Tensor, b: Tensor) -> Float64[Tensor, "batch"]:
    """The inner product of two paths of vectors, problem by problem."""
    return (a * b).sum((-2, -1)).double()


def decrease(now: Evaluation, then: Evaluation, v: Tensor, *, expected: Tensor) -> Float64[Tensor, "batch"]:
    """How far the action fell along v.

    A small difference of two values drowns in the rounding of the potential's type (which may be coarser than that of
    the latents); the slopes at both ends do not, and give it to third order in v.
    """
    by_value = now.value - then.value
    by_slope = -(dot(now.gradient, v) + dot(then.gradient, v)) / 2
    # In single precision a calibrated potential's values err by some 1e-5 of the whole.
    small = (1e-5 if v.dtype == torch.float64 else 1e-4) * now.scale
    return torch.where((by_value.abs() < small) & (expected.abs() < small), by_slope, by_value)
