"""Figures: the stages of the main job -> views, the plotly figures and pictures with their words.

Pure functions of the data types: nothing here knows which page or report shows the result. `build` makes all views of
an analysis; `update` those that one new stage changes, for a page that fills in stage by stage.
"""

import dataclasses
from collections.abc import Iterable

from slap_core.stages import Analysis, Decoded, Encoded, Projected, Scanned, Slotted, Solved, Stage, Tracked
from slap_core.views.figures import certificate, energies, latent_map, objects, resonance, slots, strip
from slap_core.views.figures.view import Table, View, plain
from slap_core.views.titles import TITLES

__all__ = ["Found", "Table", "View", "build", "plain", "update"]


@dataclasses.dataclass
class Found:
    """The stages that have come so far."""

    decoded: Decoded | None = None
    encoded: Encoded | None = None
    solved: Solved | None = None
    projected: Projected | None = None
    scanned: Scanned | None = None
    slotted: Slotted | None = None
    tracked: Tracked | None = None

    def add(self, stage: Stage) -> None:
        """Take in a stage; a later map replaces an earlier one."""
        setattr(self, type(stage).__name__.lower(), stage)


def update(found: Found, stage: Stage) -> dict[str, View]:
    """The views, by name, that `stage` makes or changes; `found` takes the stage in."""
    found.add(stage)
    decoded, encoded, solved = found.decoded, found.encoded, found.solved
    match stage:
        case Decoded() | Encoded() if decoded:
            return {"strip": strip.film_strip(decoded, encoded)}
        case Solved() if decoded and encoded:
            return {
                "energies": energies.energy_curves(stage, decoded),
                "certificate": certificate.certificate_view(stage, encoded),
            }
        case Projected() if decoded and encoded and solved:
            return {"map": latent_map.latent_map(stage, decoded, encoded, solved)}
        case Scanned() if solved:
            own = solved.solutions["SLAP"].certificate
            return {"resonance": resonance.resonance_curve(stage, solved, coupling=own.coupling if own else 0.0)}
        case Slotted() if decoded:
            return {"slots": slots.slot_masks(stage, decoded)}
        case Tracked() if decoded:
            return {"objects": objects.object_xray(stage, decoded)}
        case _:
            raise ValueError(
                f"{type(stage).__name__} came before the stages that it needs; the order is Decoded, Encoded, Solved, "
                "Projected, Scanned, Slotted, Tracked."
            )


def build(source: Analysis | Iterable[Stage]) -> dict[str, View]:
    """All views of an analysis, or of the stages that there are, by name in the order of the page."""
    if isinstance(source, Analysis):
        # The later of the two maps is the one to show.
        maps = [source.maps[method] for method in ("PCA", "UMAP") if method in source.maps][-1:]
        source = [source.decoded, source.encoded, source.solved, *maps, source.scanned, source.slotted, source.tracked]
    found, views = Found(), {}
    for stage in source:
        views |= update(found, stage)
    return {name: views[name] for name in TITLES if name in views}
