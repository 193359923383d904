"""A Gaussian process with the string's kernel around any interpolator: how it answers to a further glimpse.

The string of the kinetic energy, read as a probability density exp(-S), is a Gaussian process: a Brownian bridge
between two anchors, and what lies beyond them is independent of it. Its covariance is Green's matrix (mu = 1)

    k(s, t) = (min(s, t) - t_0)(t_1 - max(s, t))/(t_1 - t_0)    between anchors at t_0 and t_1

Around the path m(t) that an interpolator draws through the *outermost* anchors, the anchors y_k between them are
observations with variance 1/kappa (kappa their stiffness in the sense of a spring; infinite: exact), and the recovered
path is the process' mean,

    z(t) = normalise(m(t) + k(t, t_k) (K + 1/kappa)^-1 (y - m(t_k))).

It adds chords and normalises: the flat formula, exact where angles are small. Without anchors between the outermost it
is the interpolator itself; around a geodesic with exact ones it is the path through all of them, piece by piece.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, equation 2.38 (with a mean function).
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import sphere
from slap_core.gaps import find_gaps, green_matrix
from slap_core.stretches import solution_through
from slap_core.types import Latents, Result, Solution

__all__ = ["GaussianProcessRegressor"]


class GaussianProcessRegressor:
    """An interpolator through the outermost anchors, drawn towards those between them; unit latents only.

    Args:
        mean: any interpolator, for example a trained `DirectRegressor`; it is not told of the inner anchors.
        stiffness: kappa > 0 of the inner anchors, with the gap between the outermost ones as the unit of time; infinite
            is exact.

    Raises:
        ValueError: if the stiffness is not above 0.
    """

    method = "Regressor + GP"

    def __init__(self, mean: Callable[..., Solution], *, stiffness: float = math.inf) -> None:
        if not stiffness > 0:
            raise ValueError(f"stiffness must be above 0 (infinite for exact anchors), got {stiffness}.")
        self.mean = mean
        self.stiffness = float(stiffness)

    def __call__(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
    ) -> Solution:
        """The latents at `times`, from the seen ones.

        The path has nodes at the inner anchors too: with finite stiffness it need not pass through them, and what is
        recovered at their times is its own value there.

        Args:
            seen: the anchors, unit vectors; the first and the last are exact.
            times: seconds, strictly increasing.
            query: as the interpolator takes it.

        Raises:
            ValueError: if the latents are not unit vectors, there is no anchor, or the times do not strictly increase,
                and whatever the interpolator refuses.
        """
        asked = find_gaps(seen.times, times)
        sphere.require_unit(self.method, seen.points)
        if len(seen) < 3:
            return dataclasses.replace(self.mean(seen, asked.times, query), method=self.method)
        outer, inner = seen.select([0, len(seen) - 1]), seen.select(range(1, len(seen) - 1))
        moments = torch.cat([asked.times[~asked.is_anchor], inner.times]).sort().values
        gaps = find_gaps(outer.times, moments)
        prior = self.mean(outer, moments, query)
        path = prior.points.clone()
        between = int((~gaps.free).nonzero())
        here = gaps.gap_of == between
        drawn, known = path[..., here, :], inner.points.detach().cpu().to(path)
        at = torch.searchsorted(moments[here], inner.times)
        kernel = green_matrix(gaps)[between, : int(gaps.count[between]), : int(gaps.count[between])]
        noise = torch.eye(len(inner), dtype=kernel.dtype) / self.stiffness
        gain = torch.linalg.solve(kernel[at[:, None], at] + noise, kernel[at]).mT.to(path)
        drawn = sphere.normalize(drawn + gain @ (known - drawn[..., at, :]))
        if math.isinf(self.stiffness):
            drawn[..., at, :] = sphere.normalize(known)  # to the last digit
        path[..., here, :] = drawn
        result = Result.NOTHING_TO_RECOVER if bool(asked.is_anchor.all()) else prior.result
        solution = solution_through(self.method, outer, gaps, path)
        return dataclasses.replace(solution, times=asked.times, result=result)
