"""The semantic least action principle for video, as a library.

    analysis = slap_core.analyse("clip.mp4", "a red car", keep_every=4)
    analysis.solved.drift["SLAP"].mean()

Names are loaded when they are first used, so that `import slap_core` costs nothing.
"""

import importlib
from typing import Any

_HOME = {
    "alarm": ("hallucination_alarm",),
    "analysis": ("analyse", "analyse_stages", "ask"),
    "baselines": ("Lerp", "Oracle", "Rule", "Slerp", "ZeroOrderHold"),
    "branches": ("resonance_of",),
    "coupling": ("auto_coupling", "scan"),
    "fitting": ("fit_potential", "fit_slots"),
    "force_field": ("ForceField",),
    "gaussian_process": ("GaussianProcessRegressor",),
    "language_model": ("load_language_model",),
    "latent_ode": ("LatentODE",),
    "least_action": ("LeastAction",),
    "object_paths": ("follow_objects",),
    "potential": ("Potential", "StaticPotential"),
    "pretrained": ("load_baseline", "load_encoder", "load_potential", "load_projector", "load_slots"),
    "rivals": ("AutoregressiveTransformer", "DirectRegressor"),
    "suggestions": ("suggest_frames",),
    "slot_clusters": ("ClusteredSlots",),
    "slots": ("FastSlots", "SlowFastSlots", "SlowSlots"),
    "stages": ("Analysis", "Settings"),
    "types": ("Certificate", "Clip", "Energies", "Latents", "Path", "Posterior", "Result", "Solution", "Tokens"),
    "video": ("read_clip", "write_clip"),
    "visibility": ("stiffness_from_fraction", "stiffness_from_query"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__version__ = "0.1.0"
__all__ = sorted(_MODULE)


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"slap_core has no {name!r}; it has: {', '.join(__all__)}.")
    return getattr(importlib.import_module(f"slap_core.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
