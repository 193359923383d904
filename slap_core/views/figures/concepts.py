"""The concept timeline: how near the frames are to some words over time, the true ones and the recovered ones.

Scores are cosines, drawn in one scale of colour for all words and methods of a clip, from the least to the largest that
occurs. Numbers go to the browser as whole 16-bit ones: a step is 1/32767.
"""

import base64

import plotly.colors
import torch
from torch import Tensor

from slap_core.concepts import Compared, runs
from slap_core.stages import Decoded, Scanned
from slap_core.views.figures.view import View, amount, plain, seconds
from slap_core.views.titles import TITLES
from slap_core.words import MAX_CONCEPTS

__all__ = ["COSINE_STEPS", "concept_timeline", "packed"]

TITLE = TITLES["concepts"]
COSINE_STEPS = 32767
METHODS = ("truth", "SLAP", "SLERP")
"""The rows of each word."""
NOTABLE, SHARE = 0.01, 0.1
"""A difference of scores is told from this on, and from this share of what the true frames' score varies by."""
STRONG = 0.3
"""From this share on, a word is kept or lost."""
EVEN = 0.25
"""SLAP and SLERP are equally wrong if their errors differ by less than this share of their difference."""
READ = (
    "For each word three strips, time to the right: the true frames, SLAP, SLERP. The colour is the cosine between the "
    "frame’s latent and the word’s, dark blue where it is least and yellow where it is largest among all that is drawn "
    "here; the scale belongs to this clip and this encoder, and a cosine is no probability. Full height marks what was "
    "observed (rings, or ticks where room is short: kept frames); what was recovered is half as high (diamonds). "
    "Point at a moment for its scores. "
)
PULL = "The query itself pulls SLAP’s path, so its own score is raised on purpose; other words are the fairer test. "


def concept_timeline(compared: Compared, scanned: Scanned, decoded: Decoded, *, coupling: float, pulled: bool) -> View:
    """The scores of every word at every frame, and the band around SLAP's.

    Args:
        compared: the scores.
        scanned: the lambdas at which there are more of them.
        decoded: times, and what was kept.
        coupling: lambda of SLAP's path.
        pulled: whether the query pulls it.
    """
    if not compared.words:
        return View(
            "concepts", TITLE, "ready", headline="There is no word to track.",
            message=f"Give a query, or up to {MAX_CONCEPTS} “concepts to track”, and run again.",
        )  # fmt: skip
    scores = torch.stack([compared.scores[name] for name in METHODS])
    notes = []
    if compared.unknown_words:
        words = ", ".join(f"“{plain(word, limit=30)}”" for word in compared.unknown_words[:8])
        notes.append(f"The encoder was never taught {words}: read these concepts with care.")
    dropped = len(decoded.dropped) > 0
    return View(
        name="concepts",
        title=TITLE,
        state="ready",
        headline=_headline(compared, decoded),
        caption=READ
        + (PULL if pulled and dropped else "")
        + ("Turn λ under the map, or track a word that should not be there." if dropped else ""),
        description=" ".join(_words(compared, decoded, row) for row in range(len(compared.words))),
        notes=tuple(notes),
        data={
            "words": [plain(word) for word in compared.words],
            "times": [round(t, 4) for t in decoded.clip.times.tolist()],
            "kept": decoded.kept.tolist(),
            "dropped": decoded.dropped.tolist(),
            "scores": packed(scores),
            "radius": packed(compared.radius),
            "about_band": _band_words(compared) if dropped else "",
            "scan": packed(compared.scan),
            "couplings": scanned.couplings.tolist(),
            "chosen": int((scanned.couplings - coupling).abs().argmin()),
            "step": 1 / COSINE_STEPS,
            "range": [float(scores.min()), float(scores.max())],
            "colours": _cividis(),
        },
    )  # fmt: skip


def packed(cosines: Tensor) -> str:
    """Numbers between -1 and 1 as base64 of 16-bit whole ones, in row-major order."""
    whole = (cosines.double().clamp(-1, 1) * COSINE_STEPS).round().to(torch.int16)
    return base64.b64encode(whole.cpu().numpy().astype("<i2").tobytes()).decode("ascii")


def _cividis() -> list[list[int]]:
    """Stops of the colour scale, evenly from least to largest: red, green and blue up to 255."""
    return [list(plotly.colors.hex_to_rgb(stop)) for stop in plotly.colors.sequential.Cividis]


def _means(compared: Compared, row: int, frames: Tensor) -> dict[str, float]:
    return {name: float(compared.scores[name][row, frames].mean()) for name in METHODS}


def _headline(compared: Compared, decoded: Decoded) -> str:
    """The gap and the word about which SLAP and SLERP differ most, and which of them is right."""
    if not len(decoded.dropped):
        return "Nothing was dropped: every score is that of a true frame."
    best: tuple[float, int, Tensor] | None = None
    widest = 0.0
    for row in range(len(compared.words)):
        varies = _varies(compared, row)
        for run in runs(decoded.dropped):
            means = _means(compared, row, run)
            apart = abs(means["SLAP"] - means["SLERP"])
            widest = max(widest, apart)
            if apart >= max(NOTABLE, SHARE * varies) and (best is None or apart > best[0]):
                best = apart, row, run
    if best is None:
        words = "the word" if len(compared.words) == 1 else "any word"
        return (
            f"SLAP and SLERP hardly differ about {words}: in no gap are their mean scores more than {amount(widest)} "
            "apart."
        )
    apart, row, run = best
    word, when = plain(compared.words[row], limit=60), _when(run, decoded)
    return _verdict(word, when, _means(compared, row, run), strong=apart >= STRONG * _varies(compared, row))


def _varies(compared: Compared, row: int) -> float:
    truth = compared.scores["truth"][row]
    return float(truth.max() - truth.min())


def _verdict(word: str, when: str, means: dict[str, float], *, strong: bool) -> str:
    """What the three mean scores of one gap say; `strong` if they differ by much of what the word's score varies by."""
    truth, slap, slerp = (_score(means[name]) for name in METHODS)
    ours, theirs = (abs(means[name] - means["truth"]) for name in ("SLAP", "SLERP"))
    higher = means["SLAP"] > means["SLERP"]
    if abs(ours - theirs) < EVEN * abs(means["SLAP"] - means["SLERP"]):
        over, under = ("SLAP", "SLERP") if higher else ("SLERP", "SLAP")
        return (
            f"{when} the truth about “{word}”, {truth}, lies between what {under} ({_score(means[under])}) and {over} "
            f"({_score(means[over])}) recover."
        )
    if ours < theirs:
        if not strong:
            return f"{when} SLAP is nearer to the truth about “{word}”, {truth}: it scores {slap}, SLERP {slerp}."
        told = f"keeps “{word}” ({slap}) where SLERP loses it" if higher else (
            f"lets go of “{word}” ({slap}) where SLERP holds on to it"
        )  # fmt: skip
        return f"{when} SLAP {told} ({slerp}); the true frames score {truth}."
    told = f"sees more of “{word}” ({slap}) than the true frames show ({truth})" if higher else (
        f"sees less of “{word}” ({slap}) than the true frames show ({truth})"
    )  # fmt: skip
    return f"{when} SLAP {told}; SLERP is nearer ({slerp})."


def _when(run: Tensor, decoded: Decoded) -> str:
    first, last = (seconds(float(decoded.clip.times[frame])) for frame in (run[0], run[-1]))
    span = first if len(run) == 1 else f"{first.removesuffix(' s')}–{last}"
    if int(run[0]) > int(decoded.kept[-1]):
        return f"After the last kept frame, at {span},"
    return f"At {span}" if len(run) == 1 else f"Through the gap at {span}"


def _score(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _band_words(compared: Compared) -> str:
    """What the band means, and how much of the truth it holds."""
    assert compared.held is not None, "something was dropped"
    share = ", ".join(
        f"{100 * held:.0f} % for “{plain(word, limit=60)}”"
        for word, held in zip(compared.words, compared.held.tolist(), strict=True)
    )
    return (
        f"The band: the true score should be within with {100 * compared.level:.0f} % probability, says the posterior "
        "of SLAP’s path (the Hessian of its action, and how far anchors lie apart). Counted over the missing frames of "
        f"this clip it holds {share}. It knows nothing of a wrong potential or a pull that misleads, and is mostly "
        "too narrow: with the potential towards what is hidden it held about a fifth of the scores of hidden frames of "
        "drawn scenes."
    )


def _words(compared: Compared, decoded: Decoded, row: int) -> str:
    word = plain(compared.words[row], limit=60)
    truth = compared.scores["truth"][row]
    top = int(truth.argmax())
    sentence = (
        f"“{word}”: the true frames score from {_score(float(truth.min()))} to {_score(float(truth[top]))}, the most "
        f"at {seconds(float(decoded.clip.times[top]))}"
    )
    if not len(decoded.dropped):
        return sentence + "."
    means = _means(compared, row, decoded.dropped)
    return (
        f"{sentence}; in the mean of the missing frames {_score(means['truth'])}, by SLAP {_score(means['SLAP'])}, by "
        f"SLERP {_score(means['SLERP'])}."
    )
