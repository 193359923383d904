"""The potential that pulls in the main job: learned, fitted to the clip, static or none, as the settings say."""

import copy
from collections.abc import Generator

from slap_core.baselines import Slerp
from slap_core.encoders import OpenClipEncoder
from slap_core.fitting import fit_potential_steps
from slap_core.potential import calibrated_cosine
from slap_core.pretrained import load_potential
from slap_core.stages import Encoded, Progress, Settings
from slap_core.types import PotentialFunction

__all__ = ["chosen_potential"]

LEARNED = {
    "learned": ("paper", "learned on drawn tunnel scenes"),
    "hidden": ("solver", "learned through the solver, to recover what hides in drawn tunnel scenes"),
}
"""By setting: the recipe, and what the page calls it."""
DEFAULT_COUPLING = 0.5
"""The lambda for which a potential is fitted where the chosen one is 0, so that the scan has a pull to show."""


def chosen_potential(
    settings: Settings, encoder: OpenClipEncoder, encoded: Encoded
) -> Generator[Progress, None, tuple[PotentialFunction | None, str]]:
    """The potential that pulls, and what the page calls it; `Progress` while it is fitted.

    Args:
        settings: of the run.
        encoder: of the latents.
        encoded: what there is to fit and to calibrate on.

    Raises:
        ValueError: if a learned one is asked for and none is shipped for the encoder.
    """
    kind = settings.potential
    if kind == "off":
        return None, "off"
    if encoded.query is None:
        return None, "off: there is no query to pull"
    if kind in ("auto", "learned", "hidden"):
        recipe, name = LEARNED["learned" if kind == "auto" else kind]
        learned = load_potential(encoder.name, recipe=recipe)
        if learned is not None:
            # A copy: the loaded network is shared by all runs.
            return copy.deepcopy(learned).double().to(settings.device), name
        if kind != "auto":
            raise ValueError(
                f"No learned potential is shipped for the encoder {encoder.name}; choose fitted, static or auto."
            )
    if kind == "fitted":
        fitted = yield from fit_potential_steps(
            encoded.seen, encoded.query[None], coupling=settings.coupling or DEFAULT_COUPLING, seed=settings.seed
        )
        return fitted.double().to(settings.device), fitted.fitted.sentence
    middles = Slerp()(encoded.seen, encoded.dropped.times).points
    return calibrated_cosine(middles, encoded.query), "static: cosine to the query"
