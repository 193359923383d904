"""A learned force that need not come from any action, in the same string: what is left of SLAP without *least action*.

LeastAction's path is where the string's tension balances lambda grad P. Here any vector field F pulls instead,

    tension_i(z) + lambda w_i Pi F(z_i) = 0,    tension_i = log(z_i -> z_{i+1})/h_i + log(z_i -> z_{i-1})/h_{i-1},

with mu = 1, time in units of T (the mean length of the gaps), weights w_i and Green's matrix G as in `gaps`. It
is solved from the geodesic by the same preconditioned step, z <- exp_z(Pi G (tension + lambda w Pi F)), accelerated by
Anderson's method, and has converged by the same measure: no node would move by more than the tolerance. As F has in
general no potential there is nothing that falls on the way, and nothing is certified but the balance of forces.

F is what `attractors` has for grad P, with one bond undone: where a node is drawn to need not be what it is drawn by,

    F(z) = scale * sum_k w_k v_k,    w = softmax(beta (<u_k, z> + d_k)),

and it has a potential if the *keys* u are the *values* v. A perceptron finds u, v and d from the query and the anchors;
before training u = v.

Source: with free keys and values, the attention of Vaswani et al., "Attention Is All You Need", 2017.
"""

import itertools
import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from slap_core import sphere
from slap_core.attractors import between_ends, by_way_of, faint, hidden_layers, in_unit_ball
from slap_core.descent import shares, shorten
from slap_core.learned import LearnedInterpolator, silent
from slap_core.stretches import Stretches
from slap_core.strings import FrameString

__all__ = ["ForceField"]

MEMORY = 6
"""Earlier steps that Anderson's method combines."""
NEAR = 0.02
"""Training differentiates the path of a stretch that moves by less than this, radians..."""
TRAINING_PACE = 0.5
"""... in steps of this part of a whole one."""
SLACK = 2.0
"""A step that is so many times the shortest is one astray: back to the shortest, at half the pace."""


_SCALE = 4.0
"""|F| at most, before training..."""
_SHARPNESS = 8.0
"""... and beta."""


class ForceField(LearnedInterpolator):
    """A learned force in the string's response.

    Args:
        dim: dimensions of the latent space.
        count: values and keys, each.
        width: units of each hidden layer of the perceptron that finds them.
        depth: its hidden layers.
        dropout: share of its hidden units that is left out while the stations are taught.
        coupling: lambda.
        tolerance: converged when no preconditioned step of any node is longer, radians.
        max_iterations: limit on the steps.
        warm_steps: steps without a graph before those that are differentiated in training.
        unrolled_steps: steps that are differentiated.
        residual_weight: of the penalty in training for forces out of balance.

    Raises:
        ValueError: for an argument out of its range.
    """

    method = "Force field"
    iterates = True

    def __init__(
        self,
        dim: int,
        *,
        count: int = 8,
        width: int = 384,
        depth: int = 3,
        dropout: float = 0.1,
        coupling: float = 1.0,
        tolerance: float = 1e-5,
        max_iterations: int = 200,
        warm_steps: int = 24,
        unrolled_steps: int = 3,
        residual_weight: float = 1.0,
    ) -> None:
        super().__init__(dim)
        if not (math.isfinite(coupling) and coupling >= 0):
            raise ValueError(f"coupling must be a finite number of at least 0, got {coupling}.")
        if not tolerance > 0:
            raise ValueError(f"tolerance must be above 0 in radians, got {tolerance}.")
        if max_iterations < 1 or warm_steps < 0 or unrolled_steps < 1:
            raise ValueError(
                "max_iterations and unrolled_steps must be at least 1 and warm_steps at least 0, got "
                f"{max_iterations}, {unrolled_steps} and {warm_steps}."
            )
        self.coupling, self.tolerance, self.max_iterations = coupling, tolerance, max_iterations
        self.warm_steps, self.unrolled_steps, self.residual_weight = warm_steps, unrolled_steps, residual_weight
        self.count = count
        self.network = hidden_layers(3 * dim + 1, width, depth, dropout=dropout)
        self.values, self.offsets = faint(width, count * dim), faint(width, count)
        self.turn = silent(width, count * dim)
        self.blend = between_ends(count)
        self.log_scale = nn.Parameter(torch.tensor(_SCALE).log())
        self.log_sharpness = nn.Parameter(torch.tensor(_SHARPNESS).log())

    def pull(self, stretches: Stretches) -> Callable[[Float[Tensor, "batch node dim"]], Tensor]:
        """F as a function of z, of the shape of z."""
        found = self.network(stretches.boundary())
        value = self._values(stretches, found)
        key = value + self.turn(found).unflatten(-1, (self.count, self.dim))
        offset = self.offsets(found)[:, None]
        scale, sharpness = self.log_scale.exp(), self.log_sharpness.exp()

        def force(z: Float[Tensor, "batch node dim"]) -> Float[Tensor, "batch node dim"]:
            return scale * (sharpness * (z @ key.mT + offset)).softmax(-1) @ value

        return force

    def station_path(self, stretches: Stretches) -> Float[Tensor, "batch node dim"]:
        """The path by way of all values in their order."""
        return by_way_of(self._values(stretches, self.network(stretches.boundary())), stretches.fraction())

    def _values(self, stretches: Stretches, found: Float[Tensor, "batch width"]) -> Float[Tensor, "batch value dim"]:
        ends = torch.stack([stretches.start, stretches.stop], 1)
        return in_unit_ball(self.blend @ ends + self.values(found).unflatten(-1, (self.count, self.dim)))

    def step(self, stretches: Stretches, z: Float[Tensor, "batch node dim"]) -> Float[Tensor, "batch node dim"]:
        """The preconditioned step at z, tangent, 0 in the padding: where it is 0 the forces balance."""
        return self._step(_string(stretches), self.pull(stretches), z)

    def _step(
        self, string: FrameString, pull: Callable[[Tensor], Tensor], z: Float[Tensor, "batch node dim"]
    ) -> Float[Tensor, "batch node dim"]:
        # Not `string.energy`, whose gradient has none of its own at coincident points; padding lies on the far anchor.
        stiffness = string.stiffness[..., None]
        chain = torch.cat([string.start[:, None], z, string.stop[:, None]], 1)
        onward, back = sphere.log(chain[:, :-1], chain[:, 1:]), sphere.log(chain[:, 1:], chain[:, :-1])
        tension = stiffness[:, 1:] * onward[:, 1:] + stiffness[:, :-1] * back[:, :-1]
        total = tension + self.coupling * string.weight[..., None] * sphere.tangent(z, pull(z))
        return sphere.tangent(z, string.green @ total)

    def balance(
        self, stretches: Stretches, *, iterations: int
    ) -> tuple[Float[Tensor, "batch node dim"], Float[Tensor, "batch"]]:
        """The path with the shortest steps that was found, and the largest step of any of its nodes, radians."""
        exists, string, pull = stretches.mask()[..., None], _string(stretches), self.pull(stretches)
        z = best = stretches.geodesic()
        best_step = torch.zeros_like(z)
        shortest = torch.full_like(z[:, 0, 0], torch.inf)
        pace = torch.ones_like(shortest)
        past: list[tuple[Tensor, Tensor]] = []
        for iteration in range(iterations + 1):
            step = self._step(string, pull, z)
            size = step.norm(dim=-1).amax(-1)
            better = size < shortest
            best, best_step = _where(better, z, best), _where(better, step, best_step)
            shortest = torch.where(better, size, shortest)
            done = shortest <= self.tolerance
            if iteration == iterations or bool(done.all()):
                break
            astray = ~(size <= SLACK * shortest)
            pace = torch.where(astray, pace / 2, torch.where(better, (2 * pace).clamp_max(1.0), pace))
            # Where it went astray it begins anew from the best point: equal entries count for nothing.
            past = [(_where(astray, best, x), _where(astray, best_step, s)) for x, s in [*past, (z, step)][-MEMORY:]]
            base, move = past[-1][0], _anderson(past)
            move = shorten(pace[:, None, None] * sphere.tangent(base, move))
            z = torch.where(exists & ~done[:, None, None], sphere.exp(base, move), best)
        return best, shortest

    def recover(self, stretches: Stretches) -> Float[Tensor, "batch node dim"]:
        """Unit latents at the nodes."""
        return self.balance(stretches, iterations=self.max_iterations)[0]

    def solve(self, stretches: Stretches) -> tuple[Float[Tensor, "batch node dim"], Bool[Tensor, "batch"]]:
        """Unit latents at the nodes, and whether the forces balance there."""
        path, residual = self.balance(stretches, iterations=self.max_iterations)
        return path, residual <= self.tolerance

    def training_path(
        self, stretches: Stretches, target: Float[Tensor, "batch node dim"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch node dim"], Float[Tensor, ""]]:
        """The path after a few steps, the last ones with their graph, and the penalty of what is not yet balanced.

        Where the first steps lead nowhere, later ones have gradients that mean nothing: such a stretch learns from the
        penalty alone, s^2/(1 + s^2) of the step s that is left at each of its nodes, which bends the force and not the
        path. Without the penalty a network learns to be right after so many steps, and not where forces balance.
        """
        exists, string, pull = stretches.mask()[..., None], _string(stretches), self.pull(stretches)
        with torch.no_grad():
            start, residual = self.balance(stretches, iterations=self.warm_steps)
        path = start
        for _ in range(self.unrolled_steps):
            path = torch.where(exists, sphere.exp(path, shorten(TRAINING_PACE * self._step(string, pull, path))), path)
        left = torch.where(exists, self._step(string, pull, start), 0.0).square().sum(-1)
        penalty = self.residual_weight * (left / (1 + left)).sum() / exists.sum()
        return _where(residual < NEAR, path, start), penalty


def _string(stretches: Stretches) -> FrameString:
    return FrameString.on(stretches.gaps, stretches.start, stretches.stop, mass=1.0, geometry="sphere")


def _where(chosen: Bool[Tensor, "batch"], x: Tensor, y: Tensor) -> Tensor:
    return torch.where(chosen[:, None, None], x, y)


def _anderson(past: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The move from the last point that makes the combination of the past steps shortest, in the flat metric.

    There is no action whose H1 metric it could take, and a problem that begins anew forgets its past.
    """
    z, step = past[-1]
    if len(past) == 1:
        return step
    moves = torch.stack([(y - x).flatten(1) for (x, _), (y, _) in itertools.pairwise(past)], 1).double()
    turns = torch.stack([(t - s).flatten(1) for (_, s), (_, t) in itertools.pairwise(past)], 1).double()
    right = turns @ step.flatten(1).double()[..., None]
    share = shares(turns @ turns.mT, right, rounding=torch.finfo(z.dtype).eps)
    return step - (share * (moves + turns)).sum(1).reshape(step.shape).to(step)
