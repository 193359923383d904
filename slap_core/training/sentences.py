"""Claims in words: short queries as people type them, and longer descriptions, with synonyms."""

import random

import torch

from slap_core.training.claims import OPEN, Claims
from slap_core.tunnel_world import COLOURS, KINDS
from slap_core.tunnel_world import language as words

__all__ = ["sentences"]

_COARSE = (
    ("on the left", "on the left", "at the left", "on the left side", "to the left", "left"),
    ("in the middle", "in the middle", "in the centre", "in the center", "middle"),
    ("on the right", "on the right", "at the right", "on the right side", "to the right", "right"),
)
_FINE = {
    0: ("on the far left", "at the left edge"),
    2: ("left of the middle", "left of the middle"),
    3: ("right of the middle", "right of the middle"),
    5: ("on the far right", "at the right edge"),
}
_RELATION = (
    ("behind", "behind", "inside", "hidden behind", "hidden by", "in"),
    ("in front of", "in front of", "before"),
    ("left of", "to the left of"),
    ("right of", "to the right of"),
)


def sentences(claims: Claims, *, seed: int) -> list[str]:
    """One sentence for each claim; a function of claims and seed."""
    # Python's generator, not a hash per caption: this runs once a step for thousands of captions.
    rng = random.Random(seed)
    columns = torch.stack(
        [claims.kind, claims.colour, claims.place, claims.coarse, claims.relation, claims.used.long()], dim=-1
    ).tolist()
    rows = zip(columns, claims.nothing.tolist(), claims.background.tolist(), claims.occluder.tolist(), strict=True)
    return [_sentence(*row, rng) for row in rows]


def _sentence(clauses: list[list[int]], nothing: bool, background: int, occluder: int, rng: random.Random) -> str:
    if nothing:
        return _nothing(background, occluder, rng)
    parts, told = [], occluder == OPEN
    for kind, colour, fine, coarse, relation, used in clauses:
        if not used:
            continue
        part = _noun(kind, colour, rng)
        if relation != OPEN:
            part = f"{part} {_one(_RELATION[relation], rng)} {_occluder(occluder, rng, definite=True)}"
            told = True
        if fine != OPEN:
            part = f"{part} {_one(_FINE[fine], rng)}"
        elif coarse != OPEN:
            part = f"{part} {_one(_COARSE[coarse], rng)}"
        parts.append(part)
    rng.shuffle(parts)
    if not told:
        parts.append(_occluder(occluder, rng, definite=False))
    text = _one((" and ", " and ", ", "), rng).join(parts)
    if background != OPEN:
        scene = _one(words.SCENES[background], rng)
        text = f"{text} {scene}" if text else scene
    return text


def _noun(kind: int, colour: int, rng: random.Random) -> str:
    if kind == OPEN:
        hue = _one(words.COLOUR_WORDS[colour], rng)
        return f"something {hue}" if rng.random() < 0.5 else words.with_article(f"{hue} object")
    # Half of the time the plain word: it is what people type.
    noun = KINDS[kind] if rng.random() < 0.5 else _one(words.KIND_WORDS[kind], rng)
    if colour != OPEN:
        hue = COLOURS[colour] if rng.random() < 0.6 else _one(words.COLOUR_WORDS[colour], rng)
        noun = f"{hue} {noun}"
    style = rng.random()
    if style < 0.7:
        return words.with_article(noun)
    return noun if style < 0.9 else f"the {noun}"


def _occluder(occluder: int, rng: random.Random, *, definite: bool) -> str:
    noun = words.OCCLUDER_WORDS[occluder][0] if rng.random() < 0.6 else _one(words.OCCLUDER_WORDS[occluder], rng)
    return f"the {noun}" if definite else words.with_article(noun)


def _nothing(background: int, occluder: int, rng: random.Random) -> str:
    if occluder != OPEN:
        text = _one(words.EMPTY_OCCLUDER[occluder], rng)
        return text if background == OPEN else f"{text} {_one(words.SCENES[background], rng)}"
    if background != OPEN:
        return _one(words.EMPTY[background], rng)
    return _one(words.NOTHING, rng)


def _one(options: tuple[str, ...], rng: random.Random) -> str:
    return options[int(rng.random() * len(options))]
