"""Interpolators that know nothing of the query: what the least-action path is compared with.

All have the same call as `LeastAction`, and rest outside the anchors:

    zero-order hold    z(t) = the last anchor seen
    LERP               z(t) = (1 - s) a + s b,      s the elapsed part of the gap
    SLERP              z(t) = exp_a(s log_a b),     the limit lambda -> 0 of the least-action path on the sphere
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import sphere
from slap_core.gaps import find_gaps
from slap_core.types import Interpolation, Latents, Path, Result, Solution

__all__ = ["Lerp", "Slerp", "ZeroOrderHold"]


class _ClosedForm:
    """An interpolator whose path is known at once from the anchors."""

    method: str
    interpolation: Interpolation

    def __call__(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
    ) -> Solution:
        """The latents at `times`, from the seen ones.

        Args:
            seen: the anchors.
            times: seconds, strictly increasing.
            query: not used; one path is recovered whatever is asked.

        Raises:
            ValueError: if there is no anchor, or the times do not strictly increase.
        """
        gaps = find_gaps(seen.times, times)
        recovered = gaps.times[~gaps.is_anchor]
        points = seen.points.detach().cpu()
        order = torch.cat([seen.times, recovered]).argsort()
        nodes = torch.cat([points, Path(points, seen.times, self.interpolation)(recovered)])[order]
        path = Path(nodes, torch.cat([seen.times, recovered])[order], self.interpolation)
        result = Result.CLOSED_FORM if len(recovered) else Result.NOTHING_TO_RECOVER
        return Solution(self.method, path, gaps.times, result)


class ZeroOrderHold(_ClosedForm):
    """Repeats the last anchor until the next one; before the first anchor, the first."""

    method = "ZOH"
    interpolation = "hold"


class Lerp(_ClosedForm):
    """Straight lines between anchors, at constant speed; on unit latents it cuts through the sphere."""

    method = "LERP"
    interpolation = "linear"


class Slerp(_ClosedForm):
    """Great circles between anchors, at constant angular speed; unit latents only."""

    method = "SLERP"
    interpolation = "geodesic"

    def __call__(
        self,
        seen: Latents,
        times: Float[Tensor, "time"] | Sequence[float],
        query: Float[Tensor, "*query dim"] | None = None,
    ) -> Solution:
        """The latents at `times`, from the seen ones.

        Args:
            seen: the anchors, unit vectors.
            times: seconds, strictly increasing.
            query: not used; one path is recovered whatever is asked.

        Raises:
            ValueError: if the latents are not unit vectors, there is no anchor, or the times do not strictly increase.
        """
        sphere.require_unit("SLERP", seen.points)
        return super().__call__(seen, times, query)
