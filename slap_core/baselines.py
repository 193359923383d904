"""Interpolators that learn nothing: what the least-action path is compared with at the least.

All have the same call as `LeastAction`, and those that interpolate rest outside the anchors:

    zero-order hold    z(t) = the last anchor seen
    LERP               z(t) = (1 - s) a + s b,      s the elapsed part of the gap
    SLERP              z(t) = exp_a(s log_a b),     the limit lambda -> 0 of the least-action path on the sphere
    rule               z(t) = the query "in the middle" if an anchor of the stretch shows a thing, else empty
    oracle             z(t) = the true latent: what a perfect method would recover

The rule is what a method must beat to show that it looks at more than the words of the query.
"""

import abc
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core import sphere
from slap_core.gaps import Gaps, find_gaps
from slap_core.stretches import query_rows, solution_through
from slap_core.types import Interpolation, Latents, Path, Solution

__all__ = ["Lerp", "Oracle", "Rule", "Slerp", "ZeroOrderHold"]


class _ClosedForm(abc.ABC):
    """An interpolator whose path is known at once."""

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
            seen: the anchors; unit vectors for SLERP and the rule.
            times: seconds, strictly increasing.
            query: for the rule, one (dim) or several (queries, dim), each of which gets its path; the others do not
                use it and recover one path whatever is asked.

        Raises:
            ValueError: if there is no anchor, the times do not strictly increase, or the latents, times or query are
                not what the method needs.
        """
        gaps = find_gaps(seen.times, times)
        points = self._recover(seen, gaps, query)
        return solution_through(self.method, seen, gaps, points, interpolation=self.interpolation)

    @abc.abstractmethod
    def _recover(self, seen: Latents, gaps: Gaps, query: Tensor | None) -> Float[Tensor, "*query recovered dim"]: ...


class _Between(_ClosedForm):
    """An interpolator between anchors."""

    def _recover(self, seen: Latents, gaps: Gaps, query: Tensor | None) -> Float[Tensor, "recovered dim"]:
        known = Path(seen.points.detach().cpu(), seen.times, self.interpolation)
        return known(gaps.times[~gaps.is_anchor])


class ZeroOrderHold(_Between):
    """Repeats the last anchor until the next one; before the first anchor, the first."""

    method = "ZOH"
    interpolation = "hold"


class Lerp(_Between):
    """Straight lines between anchors, at constant speed; on unit latents it cuts through the sphere."""

    method = "LERP"
    interpolation = "linear"


class Slerp(_Between):
    """Great circles between anchors, at constant angular speed; unit latents only."""

    method = "SLERP"
    interpolation = "geodesic"

    def _recover(self, seen: Latents, gaps: Gaps, query: Tensor | None) -> Float[Tensor, "recovered dim"]:
        sphere.require_unit("SLERP", seen.points)
        return super()._recover(seen, gaps, query)


class Rule(_ClosedForm):
    """The query in the middle of the picture wherever an anchor shows a thing, else nothing; unit latents only.

    An anchor x shows a thing if it is closer to the latent of "a thing" than to that of "nothing", <x, thing> >
    <x, empty>. If either anchor of a stretch does, all of the stretch is normalise(query + middle - thing), the query
    moved to the middle by the difference of two prompts; otherwise it is `empty`. Without a query it is `middle`.

    Args:
        empty: unit latent of a picture without objects.
        thing: unit latent of an object of no kind.
        middle: unit latent of such an object in the middle of the picture.

    Raises:
        ValueError: if they are not unit vectors of the same dimensions.
    """

    method = "Rule"
    interpolation = "geodesic"

    def __init__(
        self, *, empty: Float[Tensor, "dim"], thing: Float[Tensor, "dim"], middle: Float[Tensor, "dim"]
    ) -> None:
        if not empty.ndim == thing.ndim == middle.ndim == 1 or not len(empty) == len(thing) == len(middle):
            raise ValueError(
                "A Rule needs three latents of one shape (dim), got "
                f"{tuple(empty.shape)}, {tuple(thing.shape)}, {tuple(middle.shape)}; encode one prompt for each."
            )
        latents = torch.stack([empty, thing, middle]).detach().cpu()
        sphere.require_unit("Rule", latents)
        self.empty, self.thing, self.middle = latents

    @classmethod
    def in_words(cls, text: Callable[[Sequence[str]], Tensor]) -> "Rule":
        """The rule with the prompts "nothing to see", "an object" and "an object in the middle".

        Args:
            text: from prompts to their unit latents, `text` of an encoder.
        """
        empty, thing, middle = text(["nothing to see", "an object", "an object in the middle"])
        return cls(empty=empty, thing=thing, middle=middle)

    def _recover(self, seen: Latents, gaps: Gaps, query: Tensor | None) -> Float[Tensor, "*query recovered dim"]:
        points = seen.points.detach().cpu()
        sphere.require_unit("Rule", points)
        if points.shape[1] != len(self.empty):
            raise ValueError(
                f"This Rule has prompts of {len(self.empty)} dimensions, got latents of {points.shape[1]}; make the "
                "Rule with the encoder of the latents."
            )
        empty, thing, middle = (x.to(points) for x in (self.empty, self.thing, self.middle))
        shows = points @ thing > points @ empty
        held = (shows[gaps.start] | shows[gaps.stop])[gaps.gap_of]
        asked = thing[None] if query is None else query_rows(query, points)
        path = torch.where(held[:, None], sphere.normalize(asked + middle - thing)[:, None], empty)
        return path[0] if query is None or query.ndim == 1 else path


class Oracle(_ClosedForm):
    """Returns the truth: the ceiling of what can be recovered.

    Args:
        truth: the true latents at (at least) all times that will be asked for.
    """

    method = "Oracle"
    interpolation = "geodesic"

    def __init__(self, truth: Latents) -> None:
        self.truth = truth

    def _recover(self, seen: Latents, gaps: Gaps, query: Tensor | None) -> Float[Tensor, "recovered dim"]:
        asked = gaps.times[~gaps.is_anchor]
        dims = self.truth.points.shape[1], seen.points.shape[1]
        if dims[0] != dims[1]:
            raise ValueError(
                f"The oracle's latents have {dims[0]} dimensions, the anchors {dims[1]}; use those of one encoder."
            )
        if not len(asked):
            return self.truth.points.detach().cpu()[:0]
        if not len(self.truth):
            raise ValueError("The oracle needs true latents, got none; give those of the dropped frames.")
        nearest = (asked[:, None] - self.truth.times).abs().min(1)
        if bool((nearest.values > 1e-9 * max(1.0, float(self.truth.times.abs().max()))).any()):
            missing = float(asked[nearest.values.argmax()])
            raise ValueError(
                f"The oracle knows the truth at its own times only, and was asked for {missing:.6g} s; give it the "
                "latents of all dropped frames."
            )
        return self.truth.points.detach().cpu()[nearest.indices]
