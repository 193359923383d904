"""The rows of the tunnel test: every method an interpolator, made for a case because some know the answer.

    oracle, floor                        the cut-away latents; what the camera saw
    rule                                 three lines: the query, in the middle, if an anchor shows anything
    zoh, lerp, slerp                     no learning
    latent_ode, autoregressive, regressor, field, regressor_gp      trained on the same scenes and targets
    static                               least action with the cosine as potential
    slap_paper                           ... with the potential by the paper's recipe
    slap_no_sobolev, slap_no_spectral    ... without its Sobolev penalty, without its spectral norm
    slap                                 ... with the potential that was shaped through the solver
    slap_pure_inertia, slap_pure_potential    slap with lambda = 0, and with mu/20
    wrong_query                          slap, asked about what another case hides

Every solver of least action is `Landscape` with its own potential and lambda.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.baselines import Lerp, Oracle, Rule, Slerp, ZeroOrderHold
from slap_core.benchmarks.tunnel.cases import Case
from slap_core.encoders import OpenClipEncoder
from slap_core.gaps import time_unit
from slap_core.gaussian_process import GaussianProcessRegressor
from slap_core.least_action import LeastAction
from slap_core.potential import StaticPotential
from slap_core.pretrained import load_baseline, load_potential
from slap_core.types import Latents, PotentialFunction, Solution
from slap_core.visibility import stiffness_from_query

__all__ = ["LANDSCAPES", "ROWS", "Landscape", "Method", "landscapes", "methods"]

Method = Callable[[Case], Callable[..., Solution]]

ROWS = (
    *("oracle", "floor", "rule", "zoh", "lerp", "slerp", "latent_ode", "autoregressive", "regressor", "field"),
    *("regressor_gp", "static", "slap_paper", "slap", "slap_pure_inertia", "slap_pure_potential", "slap_no_sobolev"),
    *("slap_no_spectral", "wrong_query"),
)
"""In the order of the table."""
LANDSCAPES = {
    "static": None,
    "slap_paper": "paper",
    "slap_no_sobolev": "no_sobolev",
    "slap_no_spectral": "no_spectral",
    "slap": "solver",
}
"""Rows with a potential and a lambda of their own: the recipes of the learned ones."""
TRAINED = {
    "latent_ode": "latent_ode",
    "autoregressive": "autoregressive",
    "regressor": "regressor",
    "field": "force_field",
}
"""Rows of trained rivals: their names among the baselines."""
LIGHT = 1 / 20
"""The mass of a path without inertia."""
TOLERANCE = 1e-5
"""Of the solver, radians; what is above it counts as unconverged."""
NOISE = 0.02
"""Standard deviation of an alignment from anchor to anchor: what softens the anchor of *inside*."""


@dataclasses.dataclass(frozen=True, eq=False)
class Landscape:
    """Paths of least action in a potential: an interpolator without certificates, for very many cases."""

    potential: PotentialFunction | None
    coupling: float
    mass: float = 1.0

    def __call__(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
    ) -> Solution:
        """The path for each query; anchors between others are held as firmly as they show what is asked for."""
        return self.scan(seen, times, query, couplings=[self.coupling])[0]

    def scan(
        self,
        seen: Latents,
        times: Tensor | Sequence[float],
        query: Tensor | None,
        *,
        couplings: Sequence[float],
        stiffness: Float[Tensor, "anchor"] | None = None,
    ) -> list[Solution]:
        """The same for many lambdas.

        The unit of time is the whole gap, however many anchors there are in it: of lambda, and of the stiffness by
        which they hold, if it is given.
        """
        *_, found = self.scan_chunks(seen, times, query, couplings=couplings, stiffness=stiffness)
        return found

    def scan_chunks(
        self,
        seen: Latents,
        times: Tensor | Sequence[float],
        query: Tensor | None,
        *,
        couplings: Sequence[float],
        stiffness: Float[Tensor, "anchor"] | None = None,
    ) -> Iterator[list[Solution]]:
        """What `scan` returns, yielded last; before it, after each chunk of work, an empty list: a place to stop."""
        unit = 1.0
        if len(seen) > 2:
            unit = time_unit(seen.times, times) / float(seen.times[-1] - seen.times[0])
            stiffness = _visible(seen, query, self.mass) if stiffness is None else stiffness * unit
        scaled = [coupling * unit**2 for coupling in couplings]
        solver = LeastAction(self.potential, mass=self.mass, tolerance=TOLERANCE)
        yield from solver.scan_chunks(seen, times, query, couplings=scaled, stiffness=stiffness)


def _visible(seen: Latents, query: Tensor | None, mass: float) -> Tensor | None:
    """How firmly each anchor holds, from how far it dips below its neighbours; the outer ones hold."""
    if query is None:
        return None
    # All queries share it, the least of what each of them says: it is about the anchors.
    every = query.reshape(-1, query.shape[-1])
    found = torch.stack([stiffness_from_query(seen, one, mass=mass, noise=NOISE) for one in every]).amin(0)
    found[[0, -1]] = torch.inf
    return found


def landscapes() -> dict[str, PotentialFunction]:
    """The potentials of `LANDSCAPES`."""
    return {
        row: StaticPotential() if recipe is None else load_potential(recipe=recipe)
        for row, recipe in LANDSCAPES.items()
    }


def methods(
    encoder: OpenClipEncoder,
    potentials: Mapping[str, PotentialFunction],
    couplings: Mapping[str, float],
    others: Mapping[int, Float[Tensor, "dim"]],
) -> dict[str, Method]:
    """The rows, in order; those of least action for the potentials that are given.

    Args:
        encoder: of the latents.
        potentials: of `landscapes`.
        couplings: lambda of each of them.
        others: for each case's seed, what another case hides.
    """
    own = {name: Landscape(potential, couplings[name]) for name, potential in potentials.items()}
    slap = own["slap"]
    trained = {row: load_baseline(name) for row, name in TRAINED.items()}
    fixed: dict[str, Callable[..., Solution]] = {
        "rule": Rule.in_words(encoder.text),
        "zoh": ZeroOrderHold(),
        "lerp": Lerp(),
        "slerp": Slerp(),
        **trained,
        "regressor_gp": GaussianProcessRegressor(trained["regressor"]),
        **own,
        "slap_pure_inertia": Landscape(slap.potential, 0.0),
        "slap_pure_potential": Landscape(slap.potential, slap.coupling, LIGHT),
    }
    made: dict[str, Method] = {name: lambda case, one=one: one for name, one in fixed.items()}
    made["oracle"] = lambda case: Oracle(Latents(case.target, case.times))
    made["floor"] = lambda case: Oracle(Latents(case.observed, case.times))
    made["wrong_query"] = lambda case: lambda seen, times, _: slap(seen, times, others[case.seed])
    return {name: made[name] for name in ROWS if name in made}
