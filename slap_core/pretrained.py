"""Trained networks from folders, the project's own and others': encoders, potentials, slots.

The shipped networks lie in `assets/weights/<name>/`: a config, safetensors weights and `card.json`, which says what the
network was trained on, by which command and seed, its scores, and the sha256 of every file. A file whose hash differs
from the card's is refused. Names of encoders resolve through the same lines as the bundled one:

    "bundled"               the encoder trained by this project
    "local-dir:FOLDER"      a folder in open_clip's layout
    "hf-hub:OWNER/NAME"     a model on the Hugging Face hub in open_clip's layout
    "ARCHITECTURE/TAG"      a built-in open_clip architecture with the weights of a pretrained tag

Only safetensors weights are read, whatever the source.
"""

import contextlib
import functools
import importlib
import io
import pathlib
from typing import Any, Final

from slap_core.cards import POTENTIALS, chosen_coupling, load_card, weights_folder, write_card
from slap_core.encoders import CONFIG, WEIGHTS, OpenClipEncoder, from_architecture, from_folder
from slap_core.hub import hub_file, hub_first
from slap_core.learned import LearnedInterpolator
from slap_core.potential import Potential
from slap_core.probe import Probe
from slap_core.slot_vlm import Projector
from slap_core.slots import SlowFastSlots

__all__ = [
    "BASELINES",
    "POTENTIALS",
    "baseline_class",
    "chosen_coupling",
    "kept_encoder",
    "load_baseline",
    "load_card",
    "load_encoder",
    "load_potential",
    "load_probe",
    "load_projector",
    "load_slots",
    "weights_folder",
    "write_card",
]

BASELINES: Final = {
    "latent_ode": ("latent_ode", "LatentODE"),
    "regressor": ("rivals", "DirectRegressor"),
    "autoregressive": ("rivals", "AutoregressiveTransformer"),
    "force_field": ("force_field", "ForceField"),
}
"""The trained baselines by the names of their folders: module and class."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")


def load_encoder(name: str = "bundled", *, device: str = "cpu") -> OpenClipEncoder:
    """The encoder of that name, ready to use.

    Args:
        name: "bundled", "local-dir:FOLDER", "hf-hub:OWNER/NAME" or "ARCHITECTURE/TAG" (see the module's text).
        device: where it computes.

    Raises:
        ValueError: if the name is unknown, or its files cannot be had or do not fit; the sentence says what to do.
    """
    if name == "bundled":
        folder = weights_folder("encoder")
        card = load_card(folder)
        return from_folder(folder, name="bundled", notes=card["notes"], device=device)
    if name.startswith("local-dir:"):
        folder = pathlib.Path(name.removeprefix("local-dir:")).expanduser()
        return from_folder(folder, name=f"local-dir:{folder.name}", device=device)
    if name.startswith("hf-hub:"):
        return from_folder(_hub_folder(name.removeprefix("hf-hub:")), name=name, device=device)
    return _load_tag(name, device)


def kept_encoder(name: str = "bundled", *, device: str = "cpu") -> OpenClipEncoder:
    """`load_encoder`, but what was asked for last is still in memory; a local folder, which may change, is read anew.

    Not to be moved to another device: others may be using it. Arguments and errors as for `load_encoder`.
    """
    return load_encoder(name, device=device) if name.startswith("local-dir:") else _last_encoder(name, device)


@functools.lru_cache(maxsize=1)
def _last_encoder(name: str, device: str) -> OpenClipEncoder:
    return load_encoder(name, device=device)


def _load_tag(name: str, device: str) -> OpenClipEncoder:
    import open_clip.pretrained as tags  # the table of tags alone, no model

    architecture, _, tag = name.partition("/")
    if not tag:
        known = tags.list_pretrained_tags_by_model(architecture)
        hint = f"for example {architecture}/{known[-1]}" if known else "for example ViT-B-32/laion2b_s34b_b79k"
        raise ValueError(
            f"{name[:80]!r} is not the name of an encoder; use bundled, local-dir:FOLDER, hf-hub:OWNER/NAME or "
            f"ARCHITECTURE/TAG, {hint}."
        )
    config = tags.get_pretrained_cfg(architecture, tag)
    if not config:
        known = ", ".join(tags.list_pretrained_tags_by_model(architecture)) or "none: see open_clip.list_pretrained()"
        raise ValueError(f"open_clip has no weights {tag[:80]!r} for {architecture[:80]!r}; its tags are: {known}.")
    if not config.get("hf_hub"):
        raise ValueError(f"{name} is published as a pickle only, which is not read; choose another tag.")
    owner, repository, file = [*config["hf_hub"].split("/", 2), ""][:3]
    candidates = [pathlib.PurePosixPath(file).with_suffix(".safetensors").name] if file else []
    weights = hub_first(f"{owner}/{repository}", [*candidates, *WEIGHTS])
    return from_architecture(architecture, weights, config, name=name, device=device)


def _hub_folder(repository: str) -> pathlib.Path:
    """A folder with the hub repository's config, safetensors weights and tokenizer (downloaded, or cached before)."""
    from huggingface_hub.errors import EntryNotFoundError

    weights = hub_first(repository, list(WEIGHTS))
    hub_file(repository, CONFIG)
    for file in TOKENIZER_FILES:
        try:
            hub_file(repository, file)
        except EntryNotFoundError:
            continue
    return weights.parent


@functools.cache
def _own(kind: type, name: str) -> Any:
    folder = weights_folder(name)
    load_card(folder)
    # The mixin's hub path can fall back to a pickle; a local folder with safetensors cannot.
    if not (folder / "model.safetensors").is_file():
        raise ValueError(f"assets/weights/{name} has no model.safetensors; restore the folder from the repository.")
    with contextlib.redirect_stdout(io.StringIO()):  # the mixin prints that it loads
        network = kind.from_pretrained(folder)
    return network.eval().requires_grad_(False)


def load_potential(encoder: str = "bundled", *, recipe: str = "paper") -> Potential | None:
    """The learned potential shipped for an encoder, or None where there is none.

    Args:
        encoder: the name of the encoder.
        recipe: "paper" (InfoNCE and a Sobolev penalty on pictures and words), "solver" (shaped through the solver, so
            that paths end at what was hidden), or, for comparison, the paper's with one thing left out: "no_sobolev",
            "no_spectral".

    Raises:
        ValueError: if there is no such recipe.
    """
    if recipe not in POTENTIALS:
        raise ValueError(f"{recipe!r} is not a recipe of potentials; choose one of: {', '.join(POTENTIALS)}.")
    return _own(Potential, POTENTIALS[recipe]) if encoder == "bundled" else None


def load_slots(encoder: str = "bundled") -> SlowFastSlots | None:
    """The slow and fast slots shipped for an encoder, or None where there are none."""
    return _own(SlowFastSlots, "slots") if encoder == "bundled" else None


def load_projector(name: str = "slot_vlm", *, encoder: str = "bundled", language: str = "bundled") -> Projector | None:
    """The projector shipped for an encoder and a language model, or None where there is none.

    Args:
        name: of its folder: the one that answers, or one of the ablations of `benchmarks.answers`.
        encoder: the name of the encoder.
        language: the name of the language model.
    """
    shipped = encoder == language == "bundled" and weights_folder(name).is_dir()
    return _own(Projector, name) if shipped else None


def load_probe(encoder: str = "bundled") -> Probe | None:
    """The probe of what is hidden, shipped for an encoder, or None where there is none."""
    return _own(Probe, "probe") if encoder == "bundled" else None


def baseline_class(name: str) -> type[LearnedInterpolator]:
    """The class of the trained baseline of that name, whose module is imported now.

    Raises:
        ValueError: if there is no such baseline.
    """
    if name not in BASELINES:
        raise ValueError(f"{name[:80]!r} is not a trained baseline; choose one of: {', '.join(BASELINES)}.")
    module, kind = BASELINES[name]
    return getattr(importlib.import_module(f"slap_core.{module}"), kind)


def load_baseline(name: str, encoder: str = "bundled") -> LearnedInterpolator | None:
    """The trained baseline shipped for an encoder, an `Interpolator`, or None where there is none.

    Args:
        name: one of `BASELINES`.
        encoder: the name of the encoder.

    Raises:
        ValueError: if there is no such baseline, or its files are damaged.
    """
    kind = baseline_class(name)
    return _own(kind, name) if encoder == "bundled" and weights_folder(name).is_dir() else None
