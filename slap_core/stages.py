"""What the main job yields, stage by stage, and what it is made of: the one vocabulary of page, report and API.

`analysis.analyse_stages` yields these in order: Decoded, Encoded, Solved, Projected (PCA), Scanned, Compared, Slotted,
Tracked, Projected (UMAP). `analysis.analyse` collects them in an `Analysis`.
"""

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Literal, TypeVar

from jaxtyping import Bool, Float, Int
from torch import Tensor

from slap_core.concepts import Compared
from slap_core.sampling import MOST_FRAMES, Sampling, frame_list
from slap_core.types import Clip, Energies, Latents, Solution
from slap_core.words import concept_list

__all__ = [
    "Analysis",
    "Compared",
    "Decoded",
    "Encoded",
    "ObjectPath",
    "Progress",
    "Projected",
    "Scanned",
    "Settings",
    "Slotted",
    "Solid",
    "Solved",
    "Stage",
    "Tracked",
    "finished",
]

QUERY_CHARACTERS = 200


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that a person may choose; recorded in summary.json.

    Raises:
        ValueError: for a value out of range, naming the range.
    """

    keep_every: int = 4
    """Keep one frame in this many."""
    max_frames: int = 64
    """Frames taken from the video, evenly in time; from 1 to 512."""
    coupling: float = 0.05
    """lambda: pull of the query, about the radians of bending at mid-gap."""
    mass: float = 1.0
    """mu: inertia of the path."""
    encoder: str = "bundled"
    """"bundled", an open_clip architecture ("ViT-B-32/laion2b_s34b_b79k"), "hf-hub:..." or "local-dir:..."."""
    potential: Literal["auto", "learned", "hidden", "fitted", "static", "off"] = "auto"
    """Auto: learned where one is shipped for the encoder, else static (cosine). Hidden: learned through the solver, to
    recover what was hidden rather than what the camera saw. Fitted: to this clip."""
    geometry: Literal["sphere", "euclidean"] = "sphere"
    couplings: tuple[float, ...] = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
    """The lambdas of the resonance curve, increasing."""
    seed: int = 0
    device: str = "cpu"
    concepts: str | Sequence[str] = ()
    """Words to track beside the query, at most six of 60 characters each, or a string with commas between them; kept as
    a tuple."""
    sampling: Sampling = "even"
    """Which frames are kept: "even" for the first and every `keep_every`-th after it, "random" for as many, drawn with
    the seed, the first and the last among them."""
    kept: str | Sequence[int] = ()
    """Exactly these frames, counted from 0 among those that were taken: "0, 5, 12-14", or a sequence; kept as a tuple.
    None: as `keep_every` and `sampling` say."""
    until_seconds: float = 0.0
    """Frames are taken from so many seconds of the video, from its first frame on; 0: from all of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "concepts", concept_list(self.concepts))
        object.__setattr__(self, "kept", frame_list(self.kept))

        def check(ok: bool, name: str, requirement: str) -> None:
            if not ok:
                raise ValueError(f"{name} must be {requirement}, got {getattr(self, name)!r}.")

        check(float(self.keep_every).is_integer() and self.keep_every >= 1, "keep_every", "a whole number, 1 or more")
        frames = float(self.max_frames).is_integer() and 1 <= self.max_frames <= MOST_FRAMES
        check(frames, "max_frames", f"between 1 and {MOST_FRAMES}")
        check(0 <= self.until_seconds <= 86400, "until_seconds", "between 0 and 86400")
        check(self.sampling in ("even", "random"), "sampling", "even or random")
        check(0 <= self.coupling <= 100, "coupling", "between 0 and 100")
        check(0.001 <= self.mass <= 1000, "mass", "between 0.001 and 1000")
        kinds = ("auto", "learned", "hidden", "fitted", "static", "off")
        check(self.potential in kinds, "potential", "auto, learned, hidden, fitted, static or off")
        check(self.geometry in ("sphere", "euclidean"), "geometry", "sphere or euclidean")
        check(
            2 <= len(self.couplings) <= 129
            and all(0 <= a < b <= 100 for a, b in zip(self.couplings, self.couplings[1:], strict=False)),
            "couplings",
            "2 to 129 increasing numbers between 0 and 100",
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Decoded:
    """The clip, and which of its frames stay."""

    clip: Clip
    kept: Int[Tensor, "kept"]
    """Indices of the kept frames = anchors."""
    dropped: Int[Tensor, "dropped"]
    """Indices of the dropped frames."""


@dataclasses.dataclass(frozen=True, eq=False)
class Encoded:
    """The latents of all frames. Methods see `seen` only; `truth` is for scoring and drawing."""

    truth: Latents
    seen: Latents
    dropped: Latents
    query: Float[Tensor, "dim"] | None
    prompt: str
    """The query as used: stripped; empty where there was none."""
    encoder: str
    unknown_words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What the person should know (for example: this encoder has seen drawn scenes only)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Solved:
    """Every method's path, scored against the dropped latents."""

    solutions: Mapping[str, Solution]
    """By method, in the order ZOH, LERP, SLERP, Latent ODE (where one is shipped for the encoder), SLAP."""
    energies: Mapping[str, Energies]
    """By method, all with the same potential, lambda and mu."""
    drift: Mapping[str, Float[Tensor, "dropped"]]
    """1 - cos(recovered, true) of each dropped frame, by method."""
    alignment: Mapping[str, Float[Tensor, "time"]]
    """cos(latent, query) at every frame, by method, and "truth"; empty without a query."""
    potential: str
    """Which potential pulled: learned, static or off, and its name."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scanned:
    """The resonance curve: one batch of solutions over lambda."""

    couplings: Float[Tensor, "coupling"]
    drift: Float[Tensor, "coupling"]
    """Mean of 1 - cos(recovered, true) over the dropped frames."""
    alignment: Float[Tensor, "coupling"] | None
    """Mean of cos(recovered, query); None without a query."""
    action: Float[Tensor, "coupling"]
    kinetic: Float[Tensor, "coupling"]
    """Mean over the gaps' duration."""
    potential: Float[Tensor, "coupling"]
    """Mean of P (without lambda)."""
    converged: tuple[bool, ...]
    coupling_number: Float[Tensor, "coupling"]
    """Lambda as it is measured at each path, the largest of its gaps: 1 less the smallest eigenvalue of the Hessian
    relative to the string's. At 1 the path is no minimum any more. NaN where it was not found."""
    points: Float[Tensor, "coupling dropped dim"]
    times: Float[Tensor, "node"]
    """Seconds: of the anchors and the dropped frames, to which the curves of energies belong."""
    kinetic_curve: Float[Tensor, "coupling node"]
    """T along each path."""
    potential_curve: Float[Tensor, "coupling node"]
    """P along each path (without lambda)."""
    gap_action: Float[Tensor, "coupling gap"]
    """Of each path, as of the energies of the methods."""
    best: int | None
    """Index of lambda*, the lambda of least drift; None where nothing was dropped. It uses the dropped truth: known
    only because we dropped it ourselves."""


@dataclasses.dataclass(frozen=True, eq=False)
class Solid:
    """The points of the latent map along their first three principal axes, from their mean."""

    truth: Float[Tensor, "time 3"]
    paths: Mapping[str, Float[Tensor, "time 3"]]
    """By method."""
    query: Float[Tensor, "3"] | None
    scan: Float[Tensor, "coupling dropped 3"] | None
    explained: float
    """Share of the variance that the three axes hold, in [0, 1]."""


@dataclasses.dataclass(frozen=True, eq=False)
class Projected:
    """The latent map: two coordinates for every point that is drawn."""

    method: Literal["PCA", "UMAP"]
    truth: Float[Tensor, "time 2"]
    anchors: Float[Tensor, "kept 2"]
    paths: Mapping[str, Float[Tensor, "step 2"]]
    """By method: the path at `steps`, anchors and recovered frames alike."""
    steps: Float[Tensor, "step"]
    """Seconds: the times of all frames."""
    recovered: Mapping[str, Float[Tensor, "dropped 2"]]
    """By method: the recovered latents at the dropped frames."""
    query: Float[Tensor, "2"] | None
    scan: Float[Tensor, "coupling dropped 2"] | None
    """The recovered latents of every lambda that was scanned; None before they are known."""
    trustworthiness: float | None
    """In [0, 1]: how well neighbours on the map are neighbours in latent space; None for fewer than 8 points."""
    seed: int
    solid: Solid
    note: str = ""
    """Why PCA stands in for UMAP, where it does."""


@dataclasses.dataclass(frozen=True, eq=False)
class Slotted:
    """Slot attention masks."""

    frames: Int[Tensor, "frame"]
    """Indices of the frames that the slow slots look at."""
    slow: Float[Tensor, "frame slot height width"]
    """Attention of each slow slot over the tokens; sums to 1 over the slots; one index means one thing throughout."""
    fast: Float[Tensor, "cell time event"]
    """Attention of each fast slot over time, for the cells of the grid row by row; sums to 1 over the slots."""
    grid: tuple[int, int]
    """Rows and columns of cells."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom of what the slow masks cover, as fractions of the frame."""
    origin: str
    """A sentence: trained by whom on what, or fitted to this clip."""


@dataclasses.dataclass(frozen=True, eq=False)
class ObjectPath:
    """An object in every frame of the clip (see `object_paths`)."""

    slot: int
    """The slow slot that holds it."""
    seen: Bool[Tensor, "time"]
    """In which frames it is seen: its anchors, kept frames all."""
    there: Bool[Tensor, "time"]
    """In which frames it is in the picture, seen or believed."""
    place: Float[Tensor, "time 2"]
    """Its centre: row and column as fractions of what the masks cover."""
    masks: Float[Tensor, "time height width"]
    """Where it is seen or believed to be; 0 where it is not in the picture."""
    solutions: Mapping[str, Solution]
    """By method, SLERP and SLAP: what it looks like in the frames in which it is not seen, as unit latents."""


@dataclasses.dataclass(frozen=True, eq=False)
class Tracked:
    """The objects that were found in the kept frames, carried through all others."""

    objects: tuple[ObjectPath, ...]
    box: tuple[float, float, float, float]
    """Left, top, right, bottom of what their masks cover, as fractions of the frame."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a stage is; between two of these a run can be cancelled."""

    stage: str
    """decode, encode, potential, solve, project, scan, words, slots or objects."""
    fraction: float
    """In [0, 1]."""
    note: str = ""
    """A sentence about the whole run, from now on: where it computes, if not where it was meant to."""


Outcome = TypeVar("Outcome")


def finished(steps: Generator[Progress, None, Outcome], on_step: Callable[[Progress], None] | None = None) -> Outcome:
    """What a generator of progress returns in the end.

    Args:
        steps: run to their end.
        on_step: told of each; what it raises ends the run.
    """
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value
        if on_step is not None:
            on_step(progress)


Stage = Decoded | Encoded | Solved | Scanned | Compared | Slotted | Tracked | Projected


@dataclasses.dataclass(frozen=True, eq=False)
class Analysis:
    """Everything the main job found."""

    settings: Settings
    decoded: Decoded
    encoded: Encoded
    solved: Solved
    scanned: Scanned
    compared: Compared
    slotted: Slotted
    tracked: Tracked
    maps: Mapping[str, Projected]
    """By projection: "PCA", "UMAP" (which is a PCA with a note where UMAP is not possible)."""
    seconds: Mapping[str, float]
    """Wall time of each stage."""
