"""Figures: the stages of the main job -> views, the plotly figures and pictures with their words.

Pure functions of the data types: nothing here knows which page or report shows the result. `build` makes all views of
an analysis; `update` those that one new stage changes, for a page that fills in stage by stage.
"""

import dataclasses
from collections.abc import Iterable

from slap_core.provenance import provenance
from slap_core.stages import (
    Analysis,
    Compared,
    Decoded,
    Encoded,
    Projected,
    Scanned,
    Settings,
    Slotted,
    Solved,
    Stage,
    Tracked,
)
from slap_core.views.figures import certificate, concepts, energies, latent_map, objects, resonance, sees, slots, strip
from slap_core.views.figures.view import Table, View, plain
from slap_core.views.titles import TITLES

__all__ = ["Found", "Table", "View", "build", "plain", "update"]


@dataclasses.dataclass
class Found:
    """The stages that have come so far."""

    settings: Settings | None = None
    """Of the run; where they are known, views say where they come from."""
    decoded: Decoded | None = None
    encoded: Encoded | None = None
    solved: Solved | None = None
    projected: Projected | None = None
    scanned: Scanned | None = None
    compared: Compared | None = None
    slotted: Slotted | None = None
    tracked: Tracked | None = None

    def add(self, stage: Stage) -> None:
        """Take in a stage; a later map replaces an earlier one."""
        setattr(self, type(stage).__name__.lower(), stage)


def update(found: Found, stage: Stage) -> dict[str, View]:
    """The views, by name, that `stage` makes or changes; `found` takes the stage in."""
    found.add(stage)
    views, decoded, encoded = _views(found, stage), found.decoded, found.encoded
    if found.settings is None or decoded is None:
        return views
    source = provenance(found.settings, decoded.clip.name, encoded.prompt if encoded else "")
    return {name: dataclasses.replace(view, provenance=source) for name, view in views.items()}


def _views(found: Found, stage: Stage) -> dict[str, View]:
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
            return {"resonance": resonance.resonance_curve(stage, solved, coupling=_coupling(solved))}
        case Compared() if decoded and encoded and solved and found.scanned:
            coupling = _coupling(solved)
            pulled = bool(encoded.prompt) and coupling > 0 and not solved.potential.startswith("off")
            return {
                "concepts": concepts.concept_timeline(stage, found.scanned, decoded, coupling=coupling, pulled=pulled),
                "sees": sees.sights(stage, decoded, coupling=coupling),
            }
        case Slotted() if decoded:
            return {"slots": slots.slot_masks(stage, decoded)}
        case Tracked() if decoded:
            return {"objects": objects.object_xray(stage, decoded)}
        case _:
            raise ValueError(
                f"{type(stage).__name__} came before the stages that it needs; the order is Decoded, Encoded, Solved, "
                "Projected, Scanned, Compared, Slotted, Tracked."
            )


def _coupling(solved: Solved) -> float:
    """Lambda of SLAP's path."""
    own = solved.solutions["SLAP"].certificate
    return own.coupling if own else 0.0


def build(source: Analysis | Iterable[Stage]) -> dict[str, View]:
    """All views of an analysis, or of the stages that there are, by name in the order of the page."""
    found, views = Found(), {}
    if isinstance(source, Analysis):
        found.settings = source.settings
        # The later of the two maps is the one to show.
        maps = [source.maps[method] for method in ("PCA", "UMAP") if method in source.maps][-1:]
        first = [source.decoded, source.encoded, source.solved, *maps, source.scanned, source.compared]
        source = [*first, source.slotted, source.tracked]
    for stage in source:
        views |= update(found, stage)
    return {name: views[name] for name in TITLES if name in views}
