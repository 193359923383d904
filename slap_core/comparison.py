"""What the recovered latents are near to: the stage that compares them with words and with known frames.

The band around SLAP's scores is that of the path's posterior (see `posterior`), as it comes: nothing is fitted to make
it hold what it promises, and how much of the truth it holds on this clip is counted instead.
"""

from collections.abc import Generator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from slap_core import sphere
from slap_core.concepts import Compared, Nearest, nearest, runs
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.posterior import Posterior
from slap_core.sampling import spread
from slap_core.stages import Decoded, Encoded, Progress, Scanned, Settings, Solved
from slap_core.tunnel_world import COLOURS, HELD_OUT_OCCLUDER, KINDS, OCCLUDERS, prompt
from slap_core.words import distinct

__all__ = ["LEVEL", "METHODS", "band_frames", "compare", "drawn_phrases"]

LEVEL = 0.9
"""Of the band."""
METHODS = ("SLAP", "SLERP")
BAND_FRAMES = 8
"""Of one stretch, at most: the posterior costs their third power, and its width changes slowly between them."""


def compare(
    settings: Settings,
    decoded: Decoded,
    encoded: Encoded,
    solved: Solved,
    scanned: Scanned,
    encoder: OpenClipEncoder,
    solver: LeastAction,
) -> Generator[Progress, None, Compared]:
    """The recovered latents beside words and known frames, with `Progress` on the way.

    Args:
        settings: of the run; its concepts are tracked.
        decoded: which frames were kept.
        encoded: the latents and the query.
        solved: the paths.
        scanned: the paths of other lambdas.
        encoder: of words.
        solver: of SLAP's path.
    """
    words = distinct([encoded.prompt, *settings.concepts])
    drawn = drawn_phrases() if encoder.name == "bundled" else ()
    phrases = distinct([*drawn, *words])
    points, times = encoded.truth.points, encoded.truth.times
    known = torch.zeros(0, points.shape[1]).to(points)
    if phrases:
        known = sphere.normalize(encoder.text(list(phrases)).to(points))
    yield Progress("words", 0.5)
    at = [[phrase.lower() for phrase in phrases].index(word.lower()) for word in words]
    concepts = known[at]
    latents = {"truth": points} | {name: sphere.normalize(solved.solutions[name].path(times)) for name in METHODS}
    scores = {name: concepts @ z.mT for name, z in latents.items()}
    radius, held = torch.zeros(len(words), len(times)).to(points), None
    if len(words) and len(decoded.dropped):
        posterior = _posterior(settings, decoded, encoded, solver)
        length = solved.solutions["SLAP"].points.norm(dim=-1)  # not 1 in flat space
        radius[:, decoded.dropped] = _radius(posterior, concepts, times[decoded.dropped]).to(points) / length.to(points)
        within = (scores["SLAP"] - scores["truth"]).abs() <= radius
        held = within[:, decoded.dropped].double().mean(-1)
    seen = encoded.seen.points
    frames = {name: nearest(z, seen) for name, z in latents.items()}
    return Compared(
        words=words,
        concepts=concepts,
        scores=scores,
        scan=concepts.to(scanned.points) @ sphere.normalize(scanned.points).mT,
        radius=radius,
        level=LEVEL,
        held=held,
        phrases=phrases,
        nearest_phrases={name: nearest(z, known) for name, z in latents.items()},
        nearest_frames={name: Nearest(decoded.kept[found.index], found.cosine) for name, found in frames.items()},
        own={name: (latents[name] * points).sum(-1) for name in METHODS},
        unknown_words=tuple(dict.fromkeys(w for words in settings.concepts for w in encoder.unknown_words(words))),
    )


def drawn_phrases() -> tuple[str, ...]:
    """What can be seen in Tunnel World, in words that the bundled encoder was taught: every thing in every colour, and
    every empty place.
    """
    empty = [prompt(occluder=occluder) for occluder in range(len(OCCLUDERS)) if occluder != HELD_OUT_OCCLUDER]
    return (*(prompt(kind=kind, colour=colour) for kind in KINDS for colour in COLOURS), prompt(), *empty)


def band_frames(dropped: Int[Tensor, "dropped"]) -> Int[Tensor, "chosen"]:
    """Of each run of dropped frames some, evenly, its first and last among them."""
    even = (spread(len(run), BAND_FRAMES) for run in runs(dropped))
    return torch.cat([run[some] for run, some in zip(runs(dropped), even, strict=True)])


def _posterior(settings: Settings, decoded: Decoded, encoded: Encoded, solver: LeastAction) -> Posterior:
    times = encoded.truth.times[band_frames(decoded.dropped)]
    *_, (solution,) = solver.scan_chunks(encoded.seen, times, encoded.query, couplings=[settings.coupling], bands=True)
    assert solution.posterior is not None, "bands were asked for"
    return solution.posterior


def _radius(
    posterior: Posterior, concepts: Float[Tensor, "concept dim"], times: Float[Tensor, "dropped"]
) -> Float[Tensor, "concept dropped"]:
    """Of the band at the frames that it was computed for, and between them by its square, which bends less."""
    square = posterior.score_radius(concepts, LEVEL).square().numpy()
    rows = [np.interp(times.numpy(), posterior.times.numpy(), row) for row in square]
    return torch.as_tensor(np.stack(rows)).sqrt()
