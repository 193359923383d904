"""Derivatives of solved paths with respect to what pulls them: the adjoint of the stationarity condition.

A solved path z satisfies F(z, theta) = grad S(z) = 0, in which theta (the weights of the potential, lambda, the query)
enters by the force alone,

    f_i(z, theta) = lambda w_i Pi_i grad P(z_i; theta),    dF = H dz - df = 0,

with H the Riemannian Hessian of the action, Pi (D^2 S - diag(<z_i, dS/dz_i>)) Pi on the sphere. For a loss l of the
path

    H u = Pi dl/dz,    dl/dtheta = sum_i <u_i, df_i/dtheta>.

One linear system is solved for each problem, by conjugate gradients in the metric of the string, the solver's own;
nothing of the iterations that found the path is kept. To autograd the path becomes a function of the force: `Adjoint`
gives it that gradient, and the force is an ordinary function of theta.

Where H is not positive definite the path is no strict minimum and u no derivative of anything the solver does: such
problems are counted and give no gradient. For problems that did not converge the derivative of a few damped H1 steps,

    u = sum_{k < K} alpha G (1 - alpha H G)^k dl/dz,    G the string's response,

stands in; it is that of K unrolled steps with H held fixed. Together with `residual`, whose square is a penalty, it
teaches the landscape to have its minimum there.

Source: implicit function theorem; the same idea as in Bai, Kolter and Koltun, "Deep Equilibrium Models", 2019.
"""

import dataclasses

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from slap_core.action import DiscreteAction
from slap_core.trust_region import dot

__all__ = ["Adjoint", "force", "residual", "solve_adjoint"]

UNROLLED = 5
"""Steps that stand in where a problem did not converge."""
DAMPING = 0.5
"""alpha: their length."""


def force(action: DiscreteAction, z: Float[Tensor, "batch node dim"]) -> Float[Tensor, "batch node dim"]:
    """Lambda w Pi grad P at fixed z, as a function of the potential's weights, lambda and the query; 0 in the padding.

    Args:
        action: the problems; its `force_weight` may require gradients, for lambda's.
        z: paths; held fixed.
    """
    z = z.detach()
    with torch.enable_grad():
        if hasattr(action.potential, "value_and_gradient"):
            _, pull = action.potential.value_and_gradient(z, action.query)
        else:
            leaf = z.requires_grad_(True)
            (pull,) = torch.autograd.grad(action.potential(leaf, action.query).sum(), leaf, create_graph=True)
        return action.force_weight[..., None] * action.tangent(z.detach(), pull)


def residual(action: DiscreteAction, z: Float[Tensor, "batch node dim"]) -> Float[Tensor, "batch node dim"]:
    """The H1 step that is left at fixed z, radians, as a function of theta; 0 where z is stationary."""
    z = z.detach()
    with torch.no_grad():
        string = dataclasses.replace(action, potential=None).evaluate(z).gradient
    return action.precondition(z, string - force(action, z))


@torch.no_grad()
def solve_adjoint(
    action: DiscreteAction,
    z: Float[Tensor, "batch node dim"],
    slope: Float[Tensor, "batch node dim"],
    *,
    tolerance: float = 1e-6,
    iterations: int = 200,
) -> tuple[Float[Tensor, "batch node dim"], Bool[Tensor, "batch"]]:
    """U with H u = Pi slope, and whether H proved positive along every direction taken.

    Args:
        action: the problems.
        z: their stationary paths.
        slope: dl/dz.
        tolerance: of the residual, relative, in the string's norm.
        iterations: at most so many Hessian products.
    """
    product = action.hessian(z)
    left = action.tangent(z, slope)  # what lies in the padding G ignores
    answer = action.precondition(z, left)
    u, direction = torch.zeros_like(left), answer
    power = dot(left, answer)
    goal = power * tolerance**2
    going, definite = power > 0, torch.ones_like(power, dtype=torch.bool)
    for _ in range(iterations):
        if not bool(going.any()):
            break
        curved = product(direction)
        curvature = dot(direction, curved)
        definite &= ~going | (curvature > 0)
        going = going & (curvature > 0)
        length = torch.where(going, power / curvature, 0.0).to(z)[:, None, None]
        u, left = u + length * direction, left - length * curved
        answer = action.precondition(z, left)
        new = dot(left, answer)
        direction = answer + torch.where(going, new / power, 0.0).to(z)[:, None, None] * direction
        power = torch.where(going, new, power)
        going = going & (power > goal)
    return u, definite


class Adjoint:
    """Solved paths as differentiable functions of what pulls them.

        adjoint = Adjoint(action, found.z, converged=found.step <= tolerance)
        loss_of(adjoint.path).backward()

    Args:
        action: the problems.
        z: what the solver found.
        converged: which of them are stationary; None: all.
        tolerance: of the adjoint's linear system, relative.
    """

    path: Float[Tensor, "batch node dim"]
    """z, with its derivatives."""
    dropped: Bool[Tensor, "batch"]
    """Known after a backward pass: which problems are no strict minimum, and gave no gradient."""

    def __init__(
        self,
        action: DiscreteAction,
        z: Float[Tensor, "batch node dim"],
        *,
        converged: Bool[Tensor, "batch"] | None = None,
        tolerance: float = 1e-6,
    ) -> None:
        self.action = action
        self.z = z.detach()
        self.converged = torch.ones(len(z), dtype=torch.bool, device=z.device) if converged is None else converged
        self.tolerance = tolerance
        self.dropped = torch.zeros_like(self.converged)
        self.path = _Stationary.apply(force(action, z), self)

    def pull_back(self, slope: Float[Tensor, "batch node dim"]) -> Float[Tensor, "batch node dim"]:
        """u: the derivative of the loss with respect to the force, from that with respect to the path."""
        u = torch.zeros_like(slope)
        solved, rest = self.converged.nonzero().squeeze(-1), (~self.converged).nonzero().squeeze(-1)
        if len(solved):
            action = self.action.select(solved)
            found, definite = solve_adjoint(action, self.z[solved], slope[solved], tolerance=self.tolerance)
            u[solved] = torch.where(definite[:, None, None], found, 0.0)
            self.dropped[solved] = ~definite
        if len(rest):
            u[rest] = _unrolled(self.action.select(rest), self.z[rest], slope[rest])
        return u


class _Stationary(torch.autograd.Function):
    """From the force to the path that it balances; the gradient is the adjoint's."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, force: Tensor, adjoint: Adjoint) -> Tensor:
        ctx.adjoint = adjoint
        return adjoint.z.clone()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, slope: Tensor) -> tuple[Tensor, None]:
        return ctx.adjoint.pull_back(slope), None


@torch.no_grad()
def _unrolled(action: DiscreteAction, z: Tensor, slope: Tensor) -> Tensor:
    product = action.hessian(z)
    v = action.tangent(z, slope)
    u = torch.zeros_like(v)
    for _ in range(UNROLLED):
        step = DAMPING * action.precondition(z, v)
        u, v = u + step, v - product(step)
    return u
