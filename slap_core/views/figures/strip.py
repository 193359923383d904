"""Film strip: every frame in order, kept ones solid, dropped ones ghosted, each with its true time."""

import itertools

from slap_core.stages import Decoded, Encoded
from slap_core.views.figures.images import clip_sheet
from slap_core.views.figures.view import View, plain, seconds
from slap_core.views.titles import TITLES

__all__ = ["film_strip"]

TITLE = TITLES["strip"]


def film_strip(decoded: Decoded, encoded: Encoded | None = None) -> View:
    """The frames of the clip as they were kept and dropped; with `encoded`, also what the encoder has to say."""
    clip, kept, dropped = decoded.clip, decoded.kept.tolist(), decoded.dropped.tolist()
    times = clip.times.tolist()
    stretches = _stretches(kept, len(clip))
    name = plain(clip.name, limit=60)
    if not dropped:
        headline = f"All {len(clip)} frames of {name} are kept: nothing is missing." if len(clip) > 1 else (
            f"{name} has a single frame: there is no path to recover."
        )  # fmt: skip
    else:
        longest = max(times[min(end, len(clip) - 1)] - times[start] for start, end in stretches)
        gaps = f"{len(stretches)} stretch{'es' * (len(stretches) != 1)}"
        headline = (
            f"{len(kept)} of {len(clip)} frames are kept ({100 * len(kept) / len(clip):.0f} %); {len(dropped)} are "
            f"missing in {gaps}, the longest "
            f"{seconds(longest)} from anchor to anchor."
        )
    listed = ", ".join(f"{times[i]:.2f}" for i in dropped)
    notes = list(clip.warnings)
    if encoded is not None:
        notes += encoded.notes
        if encoded.unknown_words:
            words = ", ".join(f"“{plain(word, limit=30)}”" for word in encoded.unknown_words[:8])
            notes.append(f"The encoder was never taught {words}: read what it says about the query with care.")
    return View(
        name="strip",
        title=TITLE,
        state="ready",
        headline=headline,
        caption="Solid frames are the anchors that every method sees; ghosted ones were taken away before anything was "
        "computed and serve only to score the result. Times are the file’s own. Point at a frame to find it "
        "in the other figures.",
        description=f"{len(clip)} frames between {seconds(times[0])} and {seconds(times[-1])}. "
        + (f"Dropped at (seconds): {listed}." if dropped else "None is dropped."),
        notes=tuple(plain(note, limit=400) for note in notes),
        data={
            "sprite": clip_sheet(clip, longest_side=128 if len(clip) <= 128 else 80),
            "times": [round(t, 4) for t in times],
            "kept": kept,
        },
    )


def _stretches(kept: list[int], count: int) -> list[tuple[int, int]]:
    """(anchor before, anchor after) of each run of dropped frames; after the last anchor the second is `count`."""
    edges = [*kept, count]
    return [(a, b) for a, b in itertools.pairwise(edges) if b - a > 1]
