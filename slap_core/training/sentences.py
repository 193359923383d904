"""Claims in words: short queries as people type them, and longer descriptions, with synonyms."""

import random

import torch

from slap_core.training.claims import BESIDE, OPEN, Claims
from slap_core.tunnel_world import COLOURS, HELD_OUT_BACKGROUND, HELD_OUT_OCCLUDER, KINDS, wording

__all__ = ["known_words", "sentences"]

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
_RELATION = {
    0: ("behind", "behind", "inside", "hidden behind", "hidden by", "hidden in", "in", "at the back of"),
    1: ("in front of", "in front of", "before"),
    2: ("left of", "to the left of"),
    3: ("right of", "to the right of"),
    BESIDE: ("beside", "next to"),
}
_GROUPS = tuple(wording.GROUPS)
_CARRIERS = ("a picture of ", "a photo of ", "a scene with ", "there is ", "is there ", "where is ", "showing ")
"""What people put before what they look for."""
_CARRIED = 0.08


def sentences(claims: Claims, *, seed: int) -> list[str]:
    """One sentence for each claim; a function of claims and seed."""
    # Python's generator, not a hash per caption: this runs once a step for thousands of captions.
    rng = random.Random(seed)
    columns = torch.stack(
        [claims.kind, claims.colour, claims.place, claims.coarse, claims.relation, claims.used.long()], dim=-1
    ).tolist()
    scenes = [getattr(claims, name).tolist() for name in ("number", "nothing", "background", "occluder")]
    return [_sentence(*row, rng) for row in zip(columns, *scenes, strict=True)]


def known_words() -> set[str]:
    """Every word that a sentence can contain; those of what is held out from training are not among them."""
    seen = [
        [entry for i, entry in enumerate(table) if i != held_out]
        for table, held_out in (
            (wording.SCENES, HELD_OUT_BACKGROUND),
            (wording.EMPTY, HELD_OUT_BACKGROUND),
            (wording.OCCLUDER_WORDS, HELD_OUT_OCCLUDER),
            (wording.EMPTY_OCCLUDER, HELD_OUT_OCCLUDER),
        )
    ]
    things = (wording.KIND_WORDS, wording.PLURALS, _GROUPS, wording.COLOUR_WORDS, wording.NUMBERS, wording.NOTHING)
    own = (_COARSE, tuple(_FINE.values()), tuple(_RELATION.values()), _CARRIERS)
    glue = "a an the and something object objects"
    return {word for word in wording.words_in(seen, things, own, glue) if word.isalnum()}


def _sentence(
    clauses: list[list[int]], number: int, nothing: bool, background: int, occluder: int, rng: random.Random
) -> str:
    if nothing:
        return _nothing(background, occluder, rng)
    parts, told = [], occluder == OPEN
    for kind, colour, fine, coarse, relation, used in clauses:
        if not used:
            continue
        part = _noun(kind, colour, rng) if number == OPEN else _count(kind, number)
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
        scene = _one(wording.SCENES[background], rng)
        text = f"{text} {scene}" if text else scene
    return _one(_CARRIERS, rng) + text if parts and rng.random() < _CARRIED else text


def _noun(kind: int, colour: int, rng: random.Random) -> str:
    hue = ""
    if colour != OPEN:
        hue = COLOURS[colour] if rng.random() < 0.6 else _one(wording.COLOUR_WORDS[colour], rng)
    if kind == OPEN:
        if rng.random() < 0.5:
            return f"something {hue}".rstrip()
        return wording.with_article(f"{hue} object".lstrip())
    style = rng.random()
    if kind >= len(KINDS):
        noun = _GROUPS[kind - len(KINDS)]
    elif style > 0.95:
        noun = wording.PLURALS[kind]
    else:
        # Half of the time the plain word: it is what people type.
        noun = KINDS[kind] if rng.random() < 0.5 else _one(wording.KIND_WORDS[kind], rng)
    noun = f"{hue} {noun}".lstrip()
    if style < 0.7:
        return wording.with_article(noun)
    return f"the {noun}" if style < 0.8 else noun


def _count(kind: int, number: int) -> str:
    if kind == OPEN:
        return f"{wording.NUMBERS[number]} object{'s' if number > 1 else ''}"
    return f"{wording.NUMBERS[number]} {wording.PLURALS[kind] if number > 1 else KINDS[kind]}"


def _occluder(occluder: int, rng: random.Random, *, definite: bool) -> str:
    noun = wording.OCCLUDER_WORDS[occluder][0] if rng.random() < 0.6 else _one(wording.OCCLUDER_WORDS[occluder], rng)
    return f"the {noun}" if definite else wording.with_article(noun)


def _nothing(background: int, occluder: int, rng: random.Random) -> str:
    if occluder != OPEN:
        text = _one(wording.EMPTY_OCCLUDER[occluder], rng)
        return text if background == OPEN else f"{text} {_one(wording.SCENES[background], rng)}"
    if background != OPEN:
        return _one(wording.EMPTY[background], rng)
    return _one(wording.NOTHING, rng)


def _one(options: tuple[str, ...], rng: random.Random) -> str:
    return options[int(rng.random() * len(options))]
