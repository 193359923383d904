"""The data that flows through SLAP Explorer: Clip -> Latents -> Solution.

Frozen, validated dataclasses. Times are seconds, kept in float64; frames are uint8 RGB, height x width x 3; angles are
radians. Tensors inside a `Solution` are detached and live on the CPU.
"""

import dataclasses
import enum
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from slap_core import sphere
from slap_core.posterior import Posterior
from slap_core.sampling import kept_index
from slap_core.timed import ShapeRepr, check_times
from slap_core.verdict import Certificate

__all__ = ["Certificate", "Clip", "Encoder", "Energies", "Interpolator", "Latents", "Path", "Posterior", "Result"]
__all__ += ["PotentialFunction", "Solution", "Tokens"]

PotentialFunction = Callable[..., Tensor]
"""P(z, query): from (..., dim) to (...); large where latent and query agree. `query` may be None."""

Interpolation = Literal["geodesic", "linear", "hold"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Clip(ShapeRepr):
    """Frames of a video with their true presentation times.

    Raises:
        ValueError: if the frames are not uint8 (time, height, width, 3), or the times do not strictly increase.
    """

    frames: UInt8[Tensor, "time height width 3"]
    """RGB, upright (rotation and sample aspect ratio applied)."""
    times: Float[Tensor, "time"]
    """Presentation times, seconds since the start of the video; kept in float64."""
    name: str = "clip"
    """What to call it in messages and reports; never a full path."""
    warnings: tuple[str, ...] = ()
    """What the person should know, one sentence each (for example: the end of the file is damaged)."""

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3 or self.frames.dtype != torch.uint8:
            raise ValueError(
                f"A Clip needs uint8 frames of shape (time, height, width, 3), got {self.frames.dtype} "
                f"{tuple(self.frames.shape)}."
            )
        if not (self.frames.shape[1] and self.frames.shape[2]):
            raise ValueError("A Clip needs frames of at least one pixel.")
        object.__setattr__(self, "times", check_times("A Clip", self.times, len(self.frames)))

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, index: Sequence[int] | Tensor) -> "Clip":
        """The clip of the frames at `index` (increasing), with their times."""
        index = torch.as_tensor(index, dtype=torch.long)
        return dataclasses.replace(self, frames=self.frames[index], times=self.times[index])

    def kept_index(self, keep_every: int) -> tuple[Tensor, Tensor]:
        """The indices of the frames that are kept (0, keep_every, 2 keep_every, ...) and of those that are dropped.

        Raises:
            ValueError: if `keep_every` is below 1.
        """
        return kept_index(len(self), keep_every)

    def split(self, keep_every: int = 4) -> tuple["Clip", "Clip"]:
        """The kept clip and the dropped clip (of no frames where nothing is dropped): one in `keep_every` is kept.

        The first frame is always kept. Frames after the last kept one have an anchor on one side only.
        """
        kept, dropped = self.kept_index(keep_every)
        return self.select(kept), self.select(dropped)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Latents(ShapeRepr):
    """Points of a latent space with their times.

    Raises:
        ValueError: if points are not a finite floating (time, dim) tensor, or the times do not strictly increase.
    """

    points: Float[Tensor, "time dim"]
    times: Float[Tensor, "time"]
    """Seconds."""

    def __post_init__(self) -> None:
        points = torch.as_tensor(self.points)
        if points.ndim != 2 or not points.is_floating_point() or not points.shape[1]:
            raise ValueError(
                f"Latents need floating point `points` of shape (time, dim), got {points.dtype} {tuple(points.shape)}."
            )
        if not bool(points.isfinite().all()):
            raise ValueError("Latents need finite points; the encoder returned NaN or infinity.")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "times", check_times("Latents", self.times, len(points)))

    def __len__(self) -> int:
        return len(self.points)

    @property
    def unit(self) -> bool:
        """Whether every point lies on the unit sphere, within rounding."""
        return sphere.is_unit(self.points)

    def select(self, index: Sequence[int] | Tensor) -> "Latents":
        """The latents at `index` (increasing), with their times."""
        index = torch.as_tensor(index, dtype=torch.long)
        return Latents(self.points[index.to(self.points.device)], self.times[index])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Tokens(ShapeRepr):
    """Patch tokens of the encoder's penultimate layer, frame by frame."""

    values: Float[Tensor, "time height width dim"]
    times: Float[Tensor, "time"]
    """Seconds."""
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """Left, top, right, bottom of what the encoder looks at, as fractions of the frame (it may crop)."""

    def __post_init__(self) -> None:
        if self.values.ndim != 4 or not self.values.is_floating_point():
            raise ValueError(f"Tokens need a floating (time, height, width, dim) tensor, got {self.values.shape}.")
        object.__setattr__(self, "times", check_times("Tokens", self.times, len(self.values)))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Path(ShapeRepr):
    """A path through latent space: nodes at times, and what lies between them.

    `interpolation` is "geodesic" (great circles between nodes), "linear" or "hold" (zero-order hold). Before the first
    node and after the last one the path rests.
    """

    nodes: Float[Tensor, "*query node dim"]
    times: Float[Tensor, "node"]
    """Seconds."""
    interpolation: Interpolation = "geodesic"

    def __post_init__(self) -> None:
        if self.interpolation not in ("geodesic", "linear", "hold"):
            raise ValueError(f"interpolation must be geodesic, linear or hold, got {self.interpolation!r}.")
        object.__setattr__(self, "times", check_times("A Path", self.times, self.nodes.shape[-2]))

    def __call__(self, times: Float[Tensor, "time"] | Sequence[float]) -> Float[Tensor, "*query time dim"]:
        """The latents at `times` (seconds)."""
        left, right, fraction = self._locate(times)
        if self.interpolation == "hold":
            return torch.where((fraction < 1).unsqueeze(-1), self.nodes[..., left, :], self.nodes[..., right, :])
        if self.interpolation == "linear":
            return torch.lerp(self.nodes[..., left, :], self.nodes[..., right, :], fraction.unsqueeze(-1))
        return sphere.slerp(
            self.nodes[..., left, :],
            self.nodes[..., right, :],
            fraction.expand(*self.nodes.shape[:-2], len(fraction)),
        )

    def velocity(self, times: Float[Tensor, "time"] | Sequence[float]) -> Float[Tensor, "*query time dim"]:
        """The velocity at `times`, per second; at a node, that of the interval to its right; 0 where the path rests."""
        left, right, fraction = self._locate(times)
        times = torch.as_tensor(times, dtype=torch.float64)
        x, y = self.nodes[..., left, :], self.nodes[..., right, :]
        step = (self.times[right] - self.times[left]).to(x.dtype).clamp_min(torch.finfo(x.dtype).tiny)
        moving = (left != right) & (times >= self.times[0]) & (times < self.times[-1])
        if self.interpolation == "hold":
            return torch.zeros_like(x)
        if self.interpolation == "linear":
            velocity = (y - x) / step[:, None]
        else:
            towards = sphere.log(x, y)
            point = sphere.exp(x, fraction[:, None] * towards)
            velocity = sphere.transport(x, point, towards) / step[:, None]
        return torch.where(moving[:, None], velocity, torch.zeros_like(velocity))

    def _locate(self, times: Tensor | Sequence[float]) -> tuple[Tensor, Tensor, Tensor]:
        times = torch.as_tensor(times, dtype=torch.float64).detach().cpu().clamp(self.times[0], self.times[-1])
        last = len(self.times) - 1
        left = (torch.searchsorted(self.times.contiguous(), times.contiguous(), right=True) - 1).clamp(
            0, max(last - 1, 0)
        )
        right = (left + 1).clamp(max=last)
        step = self.times[right] - self.times[left]
        fraction = torch.where(step > 0, (times - self.times[left]) / step.clamp_min(1e-300), torch.zeros_like(times))
        return left, right, fraction.to(self.nodes.dtype)


class Result(enum.Enum):
    """How a method ended, as a sentence that can be shown."""

    CONVERGED = "Converged: no node would move by more than the tolerance."
    CLOSED_FORM = "Closed form: nothing had to be iterated."
    NOT_CONVERGED = "Not converged: the iteration limit was reached with nodes still moving."
    STALLED = "Not converged: no further descent was possible in this floating point type."
    NOTHING_TO_RECOVER = "Nothing to recover: no frame was dropped."

    @property
    def ok(self) -> bool:
        """Whether the path is a solution to within the tolerance."""
        return self not in (Result.NOT_CONVERGED, Result.STALLED)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Energies(ShapeRepr):
    """The energies along a path, in units in which the mean gap lasts 1."""

    times: Float[Tensor, "node"]
    """Seconds."""
    kinetic: Float[Tensor, "*query node"]
    """T = mu/2 |velocity|^2 at each node, the mean over its two sides."""
    potential: Float[Tensor, "*query node"]
    """lambda P at each node."""
    action: Float[Tensor, "*query gap"]
    """Action of each gap (and free end), in order."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Solution(ShapeRepr):
    """What a method recovered; detached, on the CPU."""

    method: str
    """ZOH, LERP, SLERP, SLAP, ..."""
    path: Path
    """Through anchors and recovered frames alike."""
    times: Float[Tensor, "time"]
    """Seconds of the frames that were asked for."""
    result: Result
    certificate: Certificate | None = None
    energies: Energies | None = None
    history: Float[Tensor, "iteration"] | None = None
    """Total action after each iteration, where there were iterations."""
    posterior: Posterior | None = None
    """How sure the path is, where that was asked for."""

    @property
    def points(self) -> Float[Tensor, "*query time dim"]:
        """The recovered latents at `times`."""
        return self.path(self.times)


class Encoder(Protocol):
    """A frozen image and text encoder."""

    name: str
    dim: int

    def __call__(self, clip: Clip) -> Latents:
        """Unit latents of the clip's frames."""

    def encode(self, clip: Clip) -> tuple[Latents, Tokens]:
        """Unit latents and, in the same pass, patch tokens of the penultimate layer."""

    def text(self, prompts: Sequence[str]) -> Float[Tensor, "query dim"]:
        """Unit latents of the prompts."""

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that the encoder was never taught."""


@runtime_checkable
class Interpolator(Protocol):
    """Recovers the latents at `times` from the seen ones."""

    def __call__(
        self, seen: Latents, times: Float[Tensor, "time"], query: Float[Tensor, "*query dim"] | None = None
    ) -> Solution:
        """The path through the seen latents, with nodes at `times` (seconds)."""
        ...
