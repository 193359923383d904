"""What the path sees: the known frames and the words that each recovered latent is nearest to, beside the true frame.

Computed for every frame, so that the browser needs no server when the cursor moves; its pictures are those of the film
strip. Numbers go there as whole 16-bit ones, as those of the concept timeline.
"""

import base64

import torch
from torch import Tensor

from slap_core.concepts import Compared
from slap_core.stages import Decoded
from slap_core.views.figures.concepts import COSINE_STEPS, packed
from slap_core.views.figures.view import View, amount, plain, seconds
from slap_core.views.titles import TITLES

__all__ = ["sights"]

TITLE = TITLES["sees"]
READERS = ("truth", "SLAP", "SLERP")


def sights(compared: Compared, decoded: Decoded, *, coupling: float) -> View:
    """The nearest known frames and words of every frame: of the true latent, of SLAP's and of SLERP's.

    Args:
        compared: what is nearest.
        decoded: times, and what was kept.
        coupling: lambda of SLAP's path.
    """
    dropped = decoded.dropped
    if not len(dropped):
        return View(
            "sees", TITLE, "ready", headline="Nothing was dropped: no latent had to be recovered.",
            message="Keep fewer frames to see what a recovered path is near to.",
        )  # fmt: skip
    start = _start(compared, decoded)
    return View(
        name="sees",
        title=TITLE,
        state="ready",
        headline=_headline(compared, decoded),
        caption=_caption(compared),
        description=_description(compared, decoded, start),
        data={
            "coupling": coupling,
            "start": start,
            "step": 1 / COSINE_STEPS,
            "phrases": [plain(phrase) for phrase in compared.phrases],
            "readers": list(READERS),
            "frames": _nearest(compared, "nearest_frames"),
            "words": _nearest(compared, "nearest_phrases"),
            "own": packed(torch.stack([compared.own[name] for name in READERS[1:]])),
        },
    )


def _caption(compared: Compared) -> str:
    among = {0: "", 1: " and the word that you gave"}.get(
        len(compared.phrases), f" and the three nearest of {len(compared.phrases)} phrases"
    )
    return (
        "A recovered latent is no picture, but it can be asked what it is near to. For the frame at the cursor: the "
        f"three nearest kept frames{among}, each with its cosine, of the true latent, of SLAP’s and SLERP’s; and how "
        "near what was recovered is to the true one, which no method was shown. Words that only a recovered latent is "
        "near to were invented; words that only the true one is near to were lost. Step through a gap with ← and → and "
        "watch where they change."
    )


def _nearest(compared: Compared, field: str) -> dict[str, object]:
    """Of all readers at all frames, as many as there are of each."""
    found = [getattr(compared, field)[name] for name in READERS]
    index = torch.stack([one.index for one in found]).to(torch.int16)
    return {
        "count": index.shape[-1],
        "index": base64.b64encode(index.cpu().numpy().astype("<i2").tobytes()).decode("ascii"),
        "cosine": packed(torch.stack([one.cosine for one in found])),
    }


def _start(compared: Compared, decoded: Decoded) -> int:
    """The frame to show first: the dropped one in which SLAP and SLERP are most differently near to the truth."""
    apart = (compared.own["SLAP"] - compared.own["SLERP"]).abs()[decoded.dropped]
    return int(decoded.dropped[apart.argmax()])


def _headline(compared: Compared, decoded: Decoded) -> str:
    missing = len(decoded.dropped)
    ours, theirs = (compared.beats_known(name, decoded.dropped) for name in ("SLAP", "SLERP"))
    sentence = (
        f"In {ours} of {missing} missing frames SLAP comes nearer to the true frame than any kept frame does (SLERP: "
        f"{theirs})"
    )
    if len(compared.phrases) < 2:
        return f"{sentence}."
    ours, theirs = (compared.agrees(name, decoded.dropped) for name in ("SLAP", "SLERP"))
    return f"{sentence}; the words that it is nearest to are those of the true frame in {ours} (SLERP: {theirs})."


def _description(compared: Compared, decoded: Decoded, frame: int) -> str:
    def near(name: str) -> str:
        frames = compared.nearest_frames[name]
        time = seconds(float(decoded.clip.times[frames.index[frame, 0]]))
        words = compared.nearest_phrases[name]
        named = ""
        if words.index.shape[1]:
            phrase = plain(compared.phrases[int(words.index[frame, 0])], limit=60)
            named = f" and to “{phrase}” ({amount(float(words.cosine[frame, 0]))})"
        return f"nearest to the kept frame at {time} ({amount(float(frames.cosine[frame, 0]))}){named}"

    own = {name: amount(_at(compared.own[name], frame)) for name in READERS[1:]}
    return (
        f"For example the missing frame at {seconds(_at(decoded.clip.times, frame))}: the true latent is "
        f"{near('truth')}. SLAP’s (cosine to the true one {own['SLAP']}) is {near('SLAP')}; SLERP’s ({own['SLERP']}) "
        f"is {near('SLERP')}."
    )


def _at(values: Tensor, frame: int) -> float:
    return float(values[frame])
