"""Where a result comes from: the command that makes it again, the seed, the versions, the networks.

It stands behind every figure of the page and of the report, and in summary.json.
"""

import dataclasses
import functools
import importlib.metadata
import platform
import shlex
from collections.abc import Sequence

from slap_core.cards import load_card, weights_folder
from slap_core.sampling import frame_text
from slap_core.stages import Settings

__all__ = ["command", "networks", "provenance", "surroundings", "versions"]

PACKAGES = ("torch", "open_clip_torch", "umap-learn", "plotly", "av", "decord", "gradio")
NETWORKS = ("encoder", "potential", "potential_through_solver", "slots")
"""Folders of the shipped networks that the main job uses."""


def command(settings: Settings, video: str, query: str) -> str:
    """The command line that makes the result again; settings that are as they are by default are left out.

    Args:
        settings: of the run.
        video: name of the file, without its folder: where it lay is nobody's business.
        query: in words, "" for none.
    """
    words = ["python", "-m", "slap_core", "analyse", video, *(["--query", query] if query else [])]
    for field in dataclasses.fields(Settings):
        value = getattr(settings, field.name)
        if value == field.default:
            continue
        parts = value if isinstance(value, tuple) else [value]
        if field.name in ("concepts", "kept"):
            parts = [", ".join(value) if field.name == "concepts" else frame_text(value)]
        words += [f"--{field.name.replace('_', '-')}", *map(str, parts)]
    return shlex.join([*words, "--out", "report"])


def versions(packages: Sequence[str] | None = None) -> dict[str, str]:
    """Python's version, ours, and those of packages, as far as they are installed.

    Args:
        packages: by their names on PyPI; default: those that a result depends on.
    """
    return dict(_versions(tuple(PACKAGES if packages is None else packages)))


@functools.cache
def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    from slap_core import __version__

    found = {"python": platform.python_version(), "slap-core": __version__}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def networks(names: tuple[str, ...] = NETWORKS) -> dict[str, str]:
    """The SHA-256 of the weights of each of these shipped networks, by default those that the main job uses."""
    cards = {name: load_card(weights_folder(name))["sha256"] for name in names}
    return {
        name: next(digest for file, digest in hashes.items() if file.endswith(".safetensors"))
        for name, hashes in cards.items()
    }


def provenance(settings: Settings, video: str, query: str) -> dict[str, str]:
    """The same in words, by heading.

    Args: as of `command`.
    """
    return {
        "Command": command(settings, video, query),
        "Seed": f"{settings.seed}: of the map, and of the noise that slots start from",
        "Encoder": settings.encoder,
        **surroundings(NETWORKS),
    }


def surroundings(names: tuple[str, ...]) -> dict[str, str]:
    """Networks and versions in words, by heading.

    Args:
        names: of the shipped networks.
    """
    return {
        "Shipped networks": ", ".join(f"{name} {digest[:8]}" for name, digest in networks(names).items())
        + " (SHA-256 of their weights)",
        "Versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
    }
