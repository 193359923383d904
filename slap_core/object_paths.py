"""Object paths: what an object looks like, and where it is, carried by least action through the frames that hide it.

The slow slots look at the kept frames alone, all at once, so that a slot is the same thing in all of them: no matching
is left to do. A slot that surely holds something small, unusual and in one piece is taken for an object; the kept
frames in which it is the strongest somewhere are the object's own anchors. In all others, dropped or kept, it has to be
believed to be somewhere:

- *What it looks like* is a path on the sphere of latents. An anchor of it is the latent of a picture that shows the
  object alone: the frame where its mask is, and what is usual in the clip everywhere else. Between anchors each object
  is a boundary value problem of its own, for the solver that solves the frames' own.
- *Where it is* is a path in the picture through the centres of its masks. Where nobody looked nothing pulls: least
  action is uniform motion on a straight line. Where kept frames were looked at and do not show it, it hides, and it
  does not hide where it has been seen: sightings c_k repel it, P(x) = -sum_k exp(-|x - c_k|^2 / 2 w^2) over its largest
  value at a sighting, w being twice the object's radius, with lambda = 4 w^2, which moves it by about its own size. The
  masks of the anchors on both sides are carried along and fade into each other. An object last seen at the border of
  the picture has left it.

Source: ours; neither SLAP nor Slot-VLM has it.
"""

import dataclasses
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float64, Int, UInt8
from torch import Tensor

from slap_core import sphere
from slap_core.baselines import Slerp
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.sampling import spread
from slap_core.slot_clusters import ClusteredSlots
from slap_core.slots import SlowFastSlots
from slap_core.stages import ObjectPath
from slap_core.types import Clip, Latents, Solution, Tokens

__all__ = ["Located", "Sighted", "background", "carried", "follow_objects", "located", "moments", "object_latents"]
__all__ += ["recovered", "showing", "sighted"]

UNUSUAL = 4.0
"""An object's tokens deviate from what is usual at their place by this many times the clip's mean square."""
LARGEST = 0.25
"""An object takes no more than this share of the picture."""
FEWEST = 2
"""An object is seen in a frame where its slot is the strongest at this many places."""
SCATTER = 2.0
"""In half of the frames an object's outline, an ellipse of the same variance, has at most this many times its area."""
SURE = 0.55
"""The mean attention of an object's slot where it is the strongest."""
REACH = 2.0
"""A sighting repels over this many radii of the object, by the error of places on validation scenes."""


@dataclasses.dataclass(frozen=True, eq=False)
class Sighted:
    """An object in the frames that were looked at."""

    slot: int
    seen: Bool[Tensor, "frame"]
    """In which of them it is seen; in one at least."""
    masks: Float[Tensor, "frame height width"]
    """The slot's attention where it is the strongest, else 0."""


@dataclasses.dataclass(frozen=True, eq=False)
class Located:
    """An object where it is in every frame, and what it looks like where it is seen: all that asks for no lambda."""

    slot: int
    seen: Bool[Tensor, "time"]
    there: Bool[Tensor, "time"]
    place: Float[Tensor, "time 2"]
    masks: Float[Tensor, "time height width"]
    """These as of an `ObjectPath`."""
    latents: Latents
    """What it looks like alone, in the frames that bound stretches in which it is not seen."""


def sighted(slots: SlowFastSlots | ClusteredSlots, tokens: Tokens, *, seed: int = 0) -> list[Sighted]:
    """The objects that slow slots see in frames, in the order of the slots.

    Args:
        slots: for the tokens' encoder.
        tokens: of the frames to look at.
        seed: of the noise that slots start from.
    """
    attention = slots.attention(tokens, seed=seed)
    deviation = slots.deviation(tokens.values)
    strongest = F.one_hot(attention.argmax(1), attention.shape[1]).movedim(-1, 1).bool()
    found = []
    for slot in range(attention.shape[1]):
        own = strongest[:, slot]
        seen = own.sum((1, 2)) >= FEWEST
        if not bool(seen.any()) or float(own[seen].float().mean()) > LARGEST:
            continue
        sure = float(attention[:, slot][own].mean()) >= SURE
        together = float(_scatter(own[seen].cpu()).median()) <= SCATTER
        if sure and together and float(deviation[own].mean()) >= UNUSUAL * float(deviation.mean()):
            masks = torch.where(own & seen[:, None, None], attention[:, slot], 0.0)
            found.append(Sighted(slot, seen.cpu(), masks.cpu()))
    return found


def _scatter(masks: Bool[Tensor, "frame height width"]) -> Float[Tensor, "frame"]:
    """The area of the ellipse with the variance of each mask over the mask's own: 1 for an ellipse, more for parts."""
    _, variance = moments(masks)
    return 4 * torch.pi * torch.linalg.det(variance).sqrt() / masks.double().mean((1, 2))


def moments(
    masks: Bool[Tensor, "frame height width"] | Float[Tensor, "frame height width"],
) -> tuple[Float64[Tensor, "frame 2"], Float64[Tensor, "frame 2 2"]]:
    """Centre and variance of each mask, which is not 0 everywhere: rows and columns as fractions of what it covers."""
    rows, columns = ((torch.arange(n, dtype=torch.float64) + 0.5) / n for n in masks.shape[1:])
    place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
    weight = masks.double() / masks.double().sum((1, 2), keepdim=True)
    centre = torch.einsum("fhw,hwa->fa", weight, place)
    off = place - centre[:, None, None]
    # A token is a square, not a point: its own variance is a twelfth of its side's square.
    square = torch.diag(1 / torch.tensor(masks.shape[1:], dtype=torch.float64).square()) / 12
    return centre, torch.einsum("fhw,fhwa,fhwb->fab", weight, off, off) + square


def object_latents(
    encoder: OpenClipEncoder,
    frames: UInt8[Tensor, "time height width 3"],
    masks: Float[Tensor, "time rows columns"],
    behind: UInt8[Tensor, "height width 3"],
    box: tuple[float, float, float, float],
) -> Float64[Tensor, "time dim"]:
    """Unit latents of pictures that show an object alone; other arguments as of `showing`.

    Args:
        encoder: of the frames.
        frames: that show the object.
        masks: of the object.
        behind: what is shown elsewhere.
        box: what the masks cover.
    """
    pictures = showing(frames, masks, behind, box).split(encoder.batch)
    return sphere.normalize(torch.cat([encoder.images(some.to(encoder.device))[0] for some in pictures]).double().cpu())


def background(frames: UInt8[Tensor, "time height width 3"]) -> UInt8[Tensor, "height width 3"]:
    """What is usual in a clip: the median of its frames, or of 32 of them."""
    some = spread(len(frames), 32)
    return frames[some].median(0).values


def showing(
    frames: UInt8[Tensor, "time height width 3"],
    masks: Float[Tensor, "time rows columns"],
    behind: UInt8[Tensor, "height width 3"],
    box: tuple[float, float, float, float],
) -> UInt8[Tensor, "time height width 3"]:
    """The frames where the masks are, and what lies behind elsewhere.

    Args:
        frames: to show parts of.
        masks: from 0 to 1.
        behind: one picture.
        box: left, top, right and bottom of what the masks cover, as fractions of the frames.
    """
    height, width = frames.shape[1:3]
    left, top, right, bottom = (round(x * n) for x, n in zip(box, (width, height, width, height), strict=True))
    share = torch.zeros(len(frames), 1, height, width)
    share[:, :, top:bottom, left:right] = F.interpolate(
        masks[:, None].float(), (bottom - top, right - left), mode="bilinear", align_corners=False
    )
    share = share.movedim(1, -1)
    return (behind + share * (frames.float() - behind)).round().to(torch.uint8)


def follow_objects(
    slots: SlowFastSlots | ClusteredSlots,
    encoder: OpenClipEncoder,
    clip: Clip,
    tokens: Tokens,
    kept: Int[Tensor, "kept"],
    solver: LeastAction,
    query: Float[Tensor, "dim"] | None = None,
    *,
    seed: int = 0,
) -> Iterator[ObjectPath]:
    """The paths of all objects of a clip, one after the other.

    Args:
        slots: for the encoder.
        encoder: of the frames.
        clip: all frames; what the dropped ones show is not looked at.
        tokens: of all frames; those of the dropped ones are not looked at.
        kept: indices of the kept frames.
        solver: of the frames' own problem.
        query: as the solver takes it.
        seed: of the noise that slots start from.
    """
    for one in located(slots, encoder, clip, tokens, kept, seed=seed):
        yield recovered(one, clip, solver, query)


def located(
    slots: SlowFastSlots | ClusteredSlots,
    encoder: OpenClipEncoder,
    clip: Clip,
    tokens: Tokens,
    kept: Int[Tensor, "kept"],
    *,
    seed: int = 0,
) -> Iterator[Located]:
    """The objects of a clip where they are, one after the other; arguments as of `follow_objects`."""
    looked = Tokens(tokens.values[kept.to(tokens.values.device)], tokens.times[kept], tokens.box)
    behind = background(clip.frames[kept])
    for one in sighted(slots, looked, seed=seed):
        anchors = kept[one.seen]
        seen = torch.zeros(len(clip), dtype=torch.bool)
        seen[anchors] = True
        # An anchor between two frames in which the object is seen as well bounds nothing.
        ends = ~(seen & F.pad(seen, (1, 0), value=True)[:-1] & F.pad(seen, (0, 1), value=True)[1:])[kept] & one.seen
        needed = ends if bool(ends.any()) else one.seen
        index = kept[needed]
        alone = object_latents(encoder, clip.frames[index], one.masks[needed], behind, tokens.box)
        place, masks = carried(one.masks[one.seen], clip.times[anchors], clip.times, unseen=looked.times[~one.seen])
        there = _in_picture(one.masks[one.seen], anchors, len(clip))
        latents = Latents(alone, clip.times[index])
        yield Located(one.slot, seen, there, place, masks * there[:, None, None], latents)


def recovered(one: Located, clip: Clip, solver: LeastAction, query: Float[Tensor, "dim"] | None = None) -> ObjectPath:
    """The object with what it looks like in the frames in which it is not seen; arguments as of `follow_objects`."""
    times = clip.times[~one.seen]
    solutions = {"SLERP": Slerp()(one.latents, times, query), "SLAP": _solved(solver, one.latents, times, query)}
    return ObjectPath(one.slot, one.seen, one.there, one.place, one.masks, solutions)


def _solved(
    solver: LeastAction, seen: Latents, times: Float[Tensor, "time"], query: Float[Tensor, "dim"] | None = None
) -> Solution:
    """The solver's path, without a look at the Hessian, which nobody asks for here and costs as much again."""
    (found,) = solver.scan(seen, times, query, couplings=[solver.coupling])
    return found


def carried(
    masks: Float[Tensor, "anchor height width"],
    anchors: Float[Tensor, "anchor"],
    times: Float[Tensor, "time"],
    *,
    unseen: Float[Tensor, "looked"],
) -> tuple[Float[Tensor, "time 2"], Float[Tensor, "time height width"]]:
    """The centre at every time (row and column, fractions), and the masks carried there.

    Args:
        masks: at the anchors, none of them 0 everywhere.
        anchors: their times, seconds, increasing.
        times: seconds, increasing.
        unseen: times at which it was looked for and not seen.
    """
    centre, _ = moments(masks)
    radius = float((masks > 0).double().mean((1, 2)).mean() / torch.pi) ** 0.5
    place = _places(Latents(centre, anchors), times, unseen, radius)
    after = torch.searchsorted(anchors, times).clamp(max=len(anchors) - 1)
    before = torch.where(anchors[after] > times, after - 1, after).clamp_min(0)
    span = (anchors[after] - anchors[before]).clamp_min(torch.finfo(torch.float64).tiny)
    share = ((times - anchors[before]) / span).clamp(0, 1)[:, None, None]
    moved = [_shifted(masks[index], place - centre[index]) for index in (before, after)]
    return place.float(), torch.lerp(*moved, share.to(masks))


def _places(
    sightings: Latents, times: Float[Tensor, "time"], unseen: Float[Tensor, "looked"], radius: float
) -> Float[Tensor, "time 2"]:
    """The path of least action through the sightings, which repel it in stretches in which it hides."""
    width = REACH * radius

    def sights(z: Tensor) -> Tensor:
        far = (z.unsqueeze(-2) - sightings.points.to(z)).square().sum(-1)
        return torch.exp(-far / (2 * width**2)).sum(-1)

    most = sights(sightings.points).max()

    def elsewhere(z: Tensor, query: Tensor | None = None) -> Tensor:
        return -sights(z) / most

    place = _solved(LeastAction(None, geometry="euclidean"), sightings, times).path(times)
    hides = LeastAction(elsewhere, coupling=4 * width**2, geometry="euclidean", accuracy=1e-2, tolerance=1e-4)
    stretch, looked = (torch.searchsorted(sightings.times, some) for some in (times, unseen))
    for k in looked.unique().tolist():
        ends = sightings.select(range(max(k - 1, 0), min(k + 1, len(sightings))))
        inside = (stretch == k) & ~torch.isin(times, sightings.times)
        if bool(inside.any()):
            place[inside] = _solved(hides, ends, times[inside]).path(times[inside])
    return place


def _shifted(
    masks: Float[Tensor, "time height width"], by: Float[Tensor, "time 2"]
) -> Float[Tensor, "time height width"]:
    """Each mask moved by rows and columns, as fractions; what comes from outside is 0."""
    turned = torch.eye(2, 3).repeat(len(masks), 1, 1)
    turned[:, :, 2] = -2 * by.flip(-1).to(turned)
    grid = F.affine_grid(turned, [len(masks), 1, *masks.shape[1:]], align_corners=False)
    return F.grid_sample(masks[:, None].float(), grid, align_corners=False)[:, 0]


def _in_picture(
    masks: Float[Tensor, "anchor height width"], anchors: Int[Tensor, "anchor"], count: int
) -> Bool[Tensor, "time"]:
    """In which of the frames the object is in the picture: it comes and goes over the border, and in no other way."""

    def at_border(mask: Tensor) -> bool:
        return bool(torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).amax() > 0)

    first, last = int(anchors[0]), int(anchors[-1])
    index = torch.arange(count)
    came = index >= first if at_border(masks[0]) else index >= 0
    left = index <= last if at_border(masks[-1]) else index < count
    return came & left
