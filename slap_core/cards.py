"""The card of a trained network: what it learned from, by which command and seed, its scores, and its files' hashes.

A card is `card.json` beside the network's config and weights. A file whose SHA-256 differs from the card's is refused.
Nothing here needs torch, so that the page can tell of the networks before it can use them.
"""

import hashlib
import json
import pathlib
from typing import Any, Final

__all__ = ["POTENTIALS", "chosen_coupling", "load_card", "sha256", "weights_folder", "write_card"]

ASSETS = pathlib.Path(__file__).resolve().parent.parent / "assets"
POTENTIALS: Final = {
    "paper": "potential",
    "solver": "potential_through_solver",
    "no_sobolev": "potential_no_sobolev",
    "no_spectral": "potential_no_spectral",
}
"""The shipped potentials by recipe: their folders."""


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
    remedy = "restore the folder from where it came, or train it again with the command in its README.md"
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder.name} has no readable card.json; {remedy}.") from error
    for file, expected in card["sha256"].items():
        path = folder / file
        if not path.is_file():
            raise ValueError(f"{folder.name}/{file} is missing; {remedy}.")
        if sha256(path) != expected:
            raise ValueError(f"{folder.name}/{file} is damaged: its hash is not the card's; {remedy}.")
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


def chosen_coupling(recipe: str) -> float | None:
    """The lambda that validation scenes chose for a shipped potential; None where its card says none."""
    chosen = load_card(weights_folder(POTENTIALS[recipe]))["scores"].get("coupling")
    return None if chosen is None else float(chosen)
