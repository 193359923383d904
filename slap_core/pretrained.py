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
import hashlib
import importlib
import io
import json
import pathlib
from typing import Any, Final

from slap_core.encoders import CONFIG, WEIGHTS, OpenClipEncoder, from_architecture, from_folder
from slap_core.learned import LearnedInterpolator
from slap_core.potential import LearnedPotential
from slap_core.slots import SlowFastSlots

__all__ = ["BASELINES", "baseline_class", "load_baseline", "load_card", "load_encoder", "load_potential", "load_slots"]
__all__ += ["weights_folder", "write_card"]

ASSETS = pathlib.Path(__file__).resolve().parent.parent / "assets"
BASELINES: Final = {
    "latent_ode": ("latent_ode", "LatentODE"),
    "regressor": ("rivals", "DirectRegressor"),
    "autoregressive": ("rivals", "AutoregressiveTransformer"),
    "force_field": ("force_field", "ForceField"),
}
"""The trained baselines by the names of their folders: module and class."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")


def weights_folder(name: str) -> pathlib.Path:
    """The folder of a shipped network."""
    return ASSETS / "weights" / name


def sha256(path: pathlib.Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_card(folder: pathlib.Path) -> dict[str, Any]:
    """The card of a shipped network, after the hash of every file it lists was checked.

    Raises:
        ValueError: if the folder has no readable card, a file is missing, or a hash differs.
    """
    remedy = "restore the folder from the repository, or train it again with the command in its README.md"
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"assets/weights/{folder.name} has no readable card.json; {remedy}.") from error
    for file, expected in card["sha256"].items():
        path = folder / file
        if not path.is_file():
            raise ValueError(f"assets/weights/{folder.name}/{file} is missing; {remedy}.")
        if sha256(path) != expected:
            raise ValueError(f"assets/weights/{folder.name}/{file} is damaged: its hash is not the card's; {remedy}.")
    return card


def write_card(folder: pathlib.Path, card: dict[str, Any]) -> None:
    """Write `card.json` and a README.md made from it, with the hashes of the folder's other files.

    Args:
        folder: holds the network's config and weights.
        card: `title`, `what` (a sentence), `trained_on`, `command`, `seed`, `scores`, `licence`; more is kept.
    """
    files = sorted(f for f in folder.iterdir() if f.is_file() and f.name not in ("card.json", "README.md"))
    card = {**card, "sha256": {file.name: sha256(file) for file in files}}
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    scores = "\n".join(f"| {key} | {value} |" for key, value in card["scores"].items())
    (folder / "README.md").write_text(
        f"# {card['title']}\n\n{card['what']}\n\nTrained on: {card['trained_on']}\n\nSeed {card['seed']}, by\n\n"
        f"    {card['command']}\n\n| score | value |\n|---|---|\n{scores}\n\nLicence: {card['licence']}\n",
        encoding="utf-8",
    )


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
    weights = _hub_first(f"{owner}/{repository}", [*candidates, *WEIGHTS])
    return from_architecture(architecture, weights, config, name=name, device=device)


def _hub_folder(repository: str) -> pathlib.Path:
    """A folder with the hub repository's config, safetensors weights and tokenizer (downloaded, or cached before)."""
    from huggingface_hub.errors import EntryNotFoundError

    weights = _hub_first(repository, list(WEIGHTS))
    _hub_file(repository, CONFIG)
    for file in TOKENIZER_FILES:
        try:
            _hub_file(repository, file)
        except EntryNotFoundError:
            continue
    return weights.parent


def _hub_first(repository: str, files: list[str]) -> pathlib.Path:
    from huggingface_hub.errors import EntryNotFoundError

    for file in dict.fromkeys(files):
        try:
            return _hub_file(repository, file)
        except EntryNotFoundError:
            continue
    raise ValueError(f"{repository} on the hub has no safetensors weights ({', '.join(files)}); choose another model.")


def _hub_file(repository: str, file: str) -> pathlib.Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return pathlib.Path(hf_hub_download(repository, file))
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise ValueError(f"{repository[:80]!r} is no public model on the Hugging Face hub; check its name.") from error
    except Exception as error:  # the client's HTTP library changes its errors between versions
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise  # the repository is there, this file is not
        raise ValueError(
            f"{repository} could not be fetched: there is no network and it was not downloaded before. The bundled "
            "encoder works without a network."
        ) from error


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


def load_potential(encoder: str = "bundled") -> LearnedPotential | None:
    """The learned potential shipped for an encoder, or None where there is none."""
    return _own(LearnedPotential, "potential") if encoder == "bundled" else None


def load_slots(encoder: str = "bundled") -> SlowFastSlots | None:
    """The slow and fast slots shipped for an encoder, or None where there are none."""
    return _own(SlowFastSlots, "slots") if encoder == "bundled" else None


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
