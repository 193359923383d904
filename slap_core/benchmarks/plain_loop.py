"""What a plain loop over the same libraries takes for a video, stage by stage: the rival of `benchmarks.pipeline`.

- decode: decord gives every frame, one after the other; those that the main job took are picked by their times;
- load, encode: open_clip loads its folder, prepares each frame by its own transform and encodes it alone, in float32;
- solve: the paper's Adam from SLERP, at the best of three learning rates, until it is close to our action (see
  `descents`), or for the most evaluations; which rate that is and when it is close is found beforehand;
- scan: the same number of steps for every lambda, one after the other;
- project: one UMAP of everything that is drawn, the scan's paths too, with umap's own settings.

Encoder and Adam compute where the settings say.

What the main job computes besides has no rival here: the other methods and the energies (in *solve*), the look at the
Hessians (in *scan*), words, slots, objects, figures.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image

from slap_core.action import DiscreteAction
from slap_core.benchmarks import descents
from slap_core.chosen_potential import chosen_potential
from slap_core.encoders import OpenClipEncoder
from slap_core.gaps import find_gaps
from slap_core.machine import same_threads
from slap_core.stages import Encoded, Scanned, Settings, Solved, finished
from slap_core.types import PotentialFunction

__all__ = ["STAGES", "PlainLoop", "decode_all", "encode_singly", "umap_of"]

STAGES: Final = ("decode", "load", "encode", "solve", "scan", "project_umap")

Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True, eq=False)
class PlainLoop:
    """A video, what the main job found in it, and how many steps Adam needs."""

    path: pathlib.Path
    folder: pathlib.Path
    """The encoder's."""
    settings: Settings
    encoded: Encoded
    solved: Solved
    scanned: Scanned
    potential: PotentialFunction | None
    learning_rate: float
    evaluations: int
    """Of Adam."""
    close: bool
    """Whether Adam came close to our action."""

    @classmethod
    def beside(
        cls,
        path: pathlib.Path,
        folder: pathlib.Path,
        settings: Settings,
        encoder: OpenClipEncoder,
        stages: tuple[Encoded, Solved, Scanned],
        *,
        limit: int,
    ) -> "PlainLoop":
        """The rival of a run.

        Args:
            path: of the video.
            folder: of the encoder, in open_clip's layout.
            settings: of the run.
            encoder: of the run.
            stages: that the run has found.
            limit: on Adam's evaluations.
        """
        encoded, solved, scanned = stages
        potential, _ = finished(chosen_potential(settings, encoder, encoded))
        action = _action(potential, encoded, settings, settings.coupling)
        adams, _ = descents.race_adam(action, limit=limit)
        best = descents.best_rate(adams)
        told = adams[best]
        return cls(
            path, folder, settings, encoded, solved, scanned, potential, best, told["evaluations"], told["close"]
        )

    def run(self, clock: Callable[[], float]) -> dict[str, float]:
        """Seconds by stage, of one of `clocks.CLOCKS`."""

        def timed(work: Callable[[], Value]) -> tuple[float, Value]:
            begin = clock()
            value = work()
            return clock() - begin, value

        times = self.encoded.truth.times.numpy()
        seconds = {}
        seconds["decode"], frames = timed(lambda: decode_all(self.path, times))
        seconds["load"], (model, _, transform) = timed(
            lambda: open_clip.create_model_and_transforms(f"local-dir:{self.folder}")
        )
        tokens = open_clip.get_tokenizer(f"local-dir:{self.folder}")([self.encoded.prompt])
        model = model.eval().to(self.settings.device)
        seconds["encode"], _ = timed(lambda: encode_singly(model, transform, frames, tokens))
        seconds["solve"], _ = timed(lambda: self._adam(self.settings.coupling))
        seconds["scan"], _ = timed(lambda: [self._adam(coupling) for coupling in self.settings.couplings])
        seconds["project_umap"], _ = timed(lambda: umap_of(self._drawn()))
        return seconds

    def _adam(self, coupling: float) -> None:
        action = _action(self.potential, self.encoded, self.settings, coupling)
        descents.adam(action, self.evaluations - 1, self.learning_rate)

    def _drawn(self) -> Float[np.ndarray, "point dim"]:
        truth = self.encoded.truth
        paths = [solution.path(truth.times) for solution in self.solved.solutions.values()]
        return torch.cat([truth.points, *paths, *self.scanned.points]).float().numpy()


def decode_all(path: pathlib.Path, times: Float[np.ndarray, "time"]) -> list[UInt8[np.ndarray, "height width 3"]]:
    """The frames at those times (seconds), after all have been decoded.

    Raises:
        ValueError: if decord cannot read the file.
    """
    import decord

    try:
        reader = decord.VideoReader(str(path))
        stamps = np.asarray(reader.get_frame_timestamp(np.arange(len(reader))))[:, 0]
        wanted = [int(np.abs(stamps - time).argmin()) for time in times]
        kept = {}
        for index in range(len(reader)):
            frame = reader[index].asnumpy()
            if index in wanted:
                kept[index] = frame
    except (decord.DECORDError, RuntimeError) as error:
        raise ValueError(f"decord, with which the plain loop reads, cannot read {path.name}; leave it out.") from error
    return [kept[index] for index in wanted]


@torch.inference_mode()
def encode_singly(
    model: torch.nn.Module,
    transform: Callable[[Image.Image], torch.Tensor],
    frames: Sequence[UInt8[np.ndarray, "height width 3"]],
    tokens: torch.Tensor,
) -> Float[torch.Tensor, "time dim"]:
    """Unit latents of the frames, on the CPU; the query is encoded as well.

    Args:
        model: of open_clip, in evaluation mode.
        transform: of open_clip, to a tensor.
        frames: of any size.
        tokens: of the query.
    """
    device = next(model.parameters()).device
    F.normalize(model.encode_text(tokens.to(device)), dim=-1)
    prepared = (transform(Image.fromarray(frame))[None].to(device) for frame in frames)
    return torch.cat([F.normalize(model.encode_image(one), dim=-1) for one in prepared]).cpu()


def umap_of(points: Float[np.ndarray, "point dim"]) -> Float[np.ndarray, "point 2"]:
    """Two coordinates by umap's own settings."""
    import umap

    with same_threads():
        return umap.UMAP().fit_transform(points)


def _action(
    potential: PotentialFunction | None, encoded: Encoded, settings: Settings, coupling: float
) -> DiscreteAction:
    """What is minimised on the frame grid, all gaps at once."""
    if isinstance(potential, torch.nn.Module):
        potential = potential.to(settings.device)
    gaps = find_gaps(encoded.seen.times, encoded.dropped.times)
    return DiscreteAction.of(
        potential,
        encoded.seen.points.to(settings.device),
        gaps,
        gap=torch.arange(len(gaps)),
        coupling=torch.full((len(gaps),), coupling, dtype=torch.float64),
        query=None if encoded.query is None else encoded.query.to(settings.device),
        mass=settings.mass,
        geometry=settings.geometry,
    )
