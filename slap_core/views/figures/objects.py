"""The x-ray: where each object is seen, and where it is believed to be, drawn over the frames.

An object is an ellipse: the centre and the spread of its mask, twice the standard deviation, which is the outline of an
even disc. One colour is one slot, as in the slots' own figure.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.object_paths import moments
from slap_core.sampling import spread
from slap_core.stages import Decoded, ObjectPath, Tracked
from slap_core.views.figures.images import sprite_sheet
from slap_core.views.figures.slots import SLOT_COLOURS
from slap_core.views.figures.view import View, seconds
from slap_core.views.titles import TITLES

__all__ = ["object_xray"]

TITLE = TITLES["objects"]
SHOWN = 12
"""Frames that are drawn, at most."""
NOTHING = "No slot surely holds one small thing that comes, goes or moves: there is no object to follow."
WHY_NOTHING = (
    "An object is followed where a slow slot is sure of it in the kept frames, where it is small and in one piece, and "
    "where it is not always in the same place. The shipped slots have learned from drawn scenes, and in real video are "
    "seldom so sure; for other encoders slots are clusters of what changes. Keep more frames, or try an example."
)


def object_xray(tracked: Tracked, decoded: Decoded) -> View:
    """Some of the frames with an outline for each object, and for each object when it is seen."""
    clip, count = decoded.clip, len(decoded.clip)
    index = spread(count, SHOWN)
    if not tracked.objects:
        return View(name="objects", title=TITLE, state="ready", headline=NOTHING, caption=WHY_NOTHING)
    return View(
        name="objects",
        title=TITLE,
        state="ready",
        headline=_headline(tracked, decoded),
        caption=f"{len(index)} of {count} frames. A solid outline is an object that is seen in a kept frame, a dashed "
        "one where it is believed to be: in dropped frames, which nobody has looked at, and behind whatever hides it. "
        "Each object is a least action problem of its own between the kept frames that show it; where it is moves "
        "evenly, what it looks like follows the potential. Below, for each object, when it is seen. An outline that "
        "stays behind something is a belief, not a sighting; and things that look alike, and pass one after the other, "
        "may be taken for one.",
        description=" ".join(_words(one, decoded) for one in tracked.objects),
        data={
            "sprite": sprite_sheet(clip.frames[index], longest_side=224),
            "frames": index.tolist(),
            "times": [round(t, 4) for t in clip.times.tolist()],
            "kept": decoded.kept.tolist(),
            "box": list(tracked.box),
            "objects": [_drawn(one, tracked, decoded, index) for one in tracked.objects],
        },
    )


def _drawn(one: ObjectPath, tracked: Tracked, decoded: Decoded, index: Tensor) -> dict[str, object]:
    left, top, right, bottom = tracked.box
    height, width = decoded.clip.frames.shape[1:3]
    size = torch.tensor([(bottom - top) * height, (right - left) * width])
    ellipses = []
    for frame in index.tolist():
        if not bool(one.there[frame]) or not float(one.masks[frame].sum()):
            ellipses.append(None)
            continue
        centre, axes, angle = _ellipse(one.masks[frame], size)
        ellipses.append([round(x, 4) for x in (*(centre / width).tolist(), *(axes / width).tolist(), angle)])
    return {
        "slot": one.slot + 1,
        "colour": SLOT_COLOURS[one.slot % len(SLOT_COLOURS)],
        "seen": one.seen.int().tolist(),
        "there": one.there.int().tolist(),
        "ellipses": ellipses,
        "place": [[round(x, 4) for x in place] for place in one.place.flip(-1).tolist()],
    }


def _ellipse(
    mask: Float[Tensor, "height width"], size: Float[Tensor, "2"]
) -> tuple[Float[Tensor, "2"], Float[Tensor, "2"], float]:
    """Centre (x, y) and semi-axes in pixels, and the angle of the first of them, in radians, clockwise on the screen.

    Args:
        mask: not 0 everywhere.
        size: height and width in pixels of what it covers.
    """
    (centre,), (variance,) = moments(mask[None])
    spread, axes = torch.linalg.eigh((variance * size * size[:, None]).flip(0, 1).float())  # (x, y), not (row, column)
    return (centre * size).flip(0).float(), 2 * spread.sqrt(), float(torch.atan2(axes[1, 0], axes[0, 0]))


def _hidden(one: ObjectPath, decoded: Decoded) -> tuple[int, int] | None:
    """First and last frame of the longest time that the object is there and kept frames do not show it."""
    kept = torch.zeros(len(one.seen), dtype=torch.bool)
    kept[decoded.kept] = True
    runs: list[list[int]] = []
    for frame in (kept & one.there).nonzero().flatten().tolist():
        if bool(one.seen[frame]):
            runs.append([])
        elif runs:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    longest = max(runs, key=len, default=[])
    return (longest[0], longest[-1]) if longest else None


def _words(one: ObjectPath, decoded: Decoded) -> str:
    run = _hidden(one, decoded)
    seen = int(one.seen.sum())
    sentence = f"Slot {one.slot + 1} is seen in {seen} of {len(decoded.kept)} kept frames"
    if run is None:
        return sentence + "."
    return f"{sentence} and out of sight {_when(run, decoded)}."


def _when(run: tuple[int, int], decoded: Decoded) -> str:
    first, last = (seconds(float(decoded.clip.times[frame])) for frame in run)
    return f"at {first}" if run[0] == run[1] else f"from {first} to {last}"


def _headline(tracked: Tracked, decoded: Decoded) -> str:
    objects = tracked.objects
    number = "One object is" if len(objects) == 1 else f"{len(objects)} objects are"
    hidden = [(run, one) for one in objects if (run := _hidden(one, decoded)) is not None]
    if not hidden:
        return f"{number} followed, and every kept frame in which one is there shows it."
    (first, last), one = max(hidden, key=lambda pair: pair[0][1] - pair[0][0])
    width = tracked.box[2] - tracked.box[0]
    way = float(one.place[last, 1] - one.place[first, 1]) * width
    side = "to the right" if way > 0 else "to the left"
    moves = f"is carried {abs(100 * way):.0f} % of the picture {side}" if abs(way) >= 0.01 else "is held where it is"
    when = _when((first, last), decoded)
    return f"{number} followed. The one of slot {one.slot + 1} is out of sight {when}, and {moves}."
