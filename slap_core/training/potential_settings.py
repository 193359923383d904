"""What both trainers of potentials can be told, and how the network follows from it."""

import dataclasses
import pathlib
from typing import Literal

from slap_core.perceptron import ActivationName
from slap_core.potential import Potential
from slap_core.training import loop

__all__ = ["PotentialSettings"]


@dataclasses.dataclass(frozen=True)
class PotentialSettings(loop.LoopSettings):
    """Settings of a potential, whatever it is trained by."""

    out: pathlib.Path = pathlib.Path("runs/potential")
    """Folder for weights, card and checkpoint."""
    objective: Literal["paper", "solver"] = "solver"
    """By the paper's losses on pictures and claims, or through the solver."""
    encoder: str = "bundled"
    """Whose latents."""
    width: int = 256
    """Units of each hidden layer."""
    depth: int = 2
    """Hidden layers."""
    activation: ActivationName = "silu"
    """Smooth function between the layers."""
    spectral_norm: bool = False
    """Whether every layer has spectral norm at most 1."""
    context: bool = False
    """Whether the potential is told the two anchors of the gap."""

    def network(self, dim: int) -> Potential:
        """A new potential of these sizes."""
        names = ("width", "depth", "activation", "spectral_norm", "context")
        return Potential(dim, **{name: getattr(self, name) for name in names})
