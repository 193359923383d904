"""What the trainers of potentials can be told: `through_solver` and, by the paper's recipe, `info_nce`."""

import dataclasses
import pathlib
from typing import Literal

from slap_core.attractors import AttractorPotential
from slap_core.perceptron import ActivationName
from slap_core.potential import Potential
from slap_core.training import loop
from slap_core.training.scene_file import SceneSettings

__all__ = ["PaperSettings", "PotentialSettings", "SolverSettings"]


@dataclasses.dataclass(frozen=True)
class PotentialSettings(loop.LoopSettings):
    """Settings of a potential, whatever it is trained by."""

    out: pathlib.Path = pathlib.Path("runs/potential")
    """Folder for weights, card and checkpoint."""
    objective: Literal["paper", "solver"] = "solver"
    """By the paper's losses on pictures and claims, or through the solver."""
    encoder: str = "bundled"
    """Whose latents."""
    form: Literal["perceptron", "attractors"] = "perceptron"
    """P as a perceptron of the latent, or by attractors that a perceptron finds (see `slap_core.attractors`)."""
    width: int = 256
    """Units of each hidden layer."""
    depth: int = 2
    """Hidden layers."""
    count: int = 8
    """Attractors."""
    dropout: float = 0.1
    """Share of the hidden units of the perceptron that finds attractors that is left out while they are stations."""
    activation: ActivationName = "silu"
    """Smooth function between the layers of a perceptron of the latent."""
    spectral_norm: bool = False
    """Whether every layer has spectral norm at most 1."""
    context: bool = False
    """Whether the potential is told the two anchors of the gap; attractors always are."""

    @property
    def attracts(self) -> bool:
        """Whether the potential has attractors."""
        return self.form == "attractors"

    def network(self, dim: int) -> Potential:
        """A new potential of these sizes."""
        if self.attracts:
            return AttractorPotential(dim, count=self.count, width=self.width, depth=self.depth, dropout=self.dropout)
        names = ("width", "depth", "activation", "spectral_norm", "context")
        return Potential(dim, **{name: getattr(self, name) for name in names})


@dataclasses.dataclass(frozen=True)
class SolverSettings(SceneSettings, PotentialSettings):
    """Settings of the training through the solver.

    Raises:
        ValueError: for a value out of range, or captions without videos.
    """

    width: int = 512
    """Units of each hidden layer."""
    depth: int = 3
    """Hidden layers."""
    form: Literal["perceptron", "attractors"] = "attractors"
    """P as a perceptron of the latent, or by attractors that a perceptron finds (see `slap_core.attractors`)."""
    weight_decay: float = 0.05
    """Of AdamW."""
    noise: float = 0.3
    """Length of the random vector that is added to anchors and queries in every step, before they are normalised."""
    steps: int = 10_000
    """Steps of the optimiser."""
    batch: int = 64
    """Stretches per step."""
    stations: float = 0.88
    """Share of the steps, the first ones, in which attractors are taught to lie on the right paths, without solving."""
    learning_rate: float = 1e-3
    """The highest learning rate."""
    context: bool = True
    """Whether the potential is told the two anchors of the gap."""
    coupling_low: float = 0.2
    """Lambda is drawn between this..."""
    coupling_high: float = 0.8
    """... and this, evenly in its logarithm, in units of the untrained, calibrated potential."""
    margin_weight: float = 0.1
    """a: of the margin over several starts."""
    margin_stretches: int = 4
    """Of a batch, those that are started elsewhere as well; 0 for none."""
    margin_every: int = 4
    """Only in one of so many steps, with so many times the weight: other starts take half of the time."""
    excess_weight: float = 0.005
    """b: of Lambda above 0.8."""
    contrast_weight: float = 0.002
    """c: of InfoNCE."""
    tau: float = 2.0
    """Temperature of InfoNCE, in units of the calibrated potential."""
    gamma: float = 0.0002
    """Weight of the Sobolev penalty."""
    videos: pathlib.Path | None = None
    """A folder of videos to learn from in place of Tunnel World."""
    captions: pathlib.Path | None = None
    """A CSV with the columns video and caption, for the queries."""
    stretches_per_video: int = 64
    """Drawn of each video."""
    compare: pathlib.Path | None = None
    """A folder with another potential to judge beside this one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.coupling_low <= self.coupling_high:
            raise ValueError(
                f"coupling_low must be above 0 and at most coupling_high, got {self.coupling_low} and "
                f"{self.coupling_high}."
            )
        if self.captions is not None and self.videos is None:
            raise ValueError("captions need --videos, the folder whose files they describe.")
        if not 0 <= self.stations <= 1:
            raise ValueError(f"stations, a share of the steps, must lie in 0 to 1, got {self.stations}.")
        if self.margin_every < 1:
            raise ValueError(f"margin_every must be at least 1, got {self.margin_every}.")
        if not 0 <= self.margin_stretches <= self.batch:
            raise ValueError(f"margin_stretches must lie in 0 to {self.batch}, got {self.margin_stretches}.")


@dataclasses.dataclass(frozen=True)
class PaperSettings(PotentialSettings):
    """Settings of the paper's recipe.

    Raises:
        ValueError: for a value out of range, or context, for which the recipe has no anchors.
    """

    objective: Literal["paper", "solver"] = "paper"
    """By the paper's losses on pictures and claims, or through the solver."""
    steps: int = 800
    """Steps of the optimiser."""
    batch: int = 128
    """Pictures per step, each with a claim; the others are its negatives."""
    learning_rate: float = 2e-3
    """The highest learning rate."""
    spectral_norm: bool = True
    """Whether every layer has spectral norm at most 1."""
    tau: float = 0.003
    """Temperature of InfoNCE: small, for spectral norm keeps f within a few hundredths."""
    gamma: float = 0.1
    """Weight of the Sobolev penalty."""
    pictures: int = 8192
    """Pictures that are drawn and encoded, once; each step takes some of them and makes new claims about them."""
    image_size: int = 96
    """Pixels of a side of the pictures."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.context:
            raise ValueError("The paper's recipe learns from single pictures: context needs --objective solver.")
