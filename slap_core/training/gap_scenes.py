"""Scenes in which something hides for a while, in the latents of an encoder: what paths through gaps are learned from.

One stretch of each Tunnel World scene, bounded by frames in which an actor shows, whole where it ever does: who is to
say what hides has to have seen it. For training some of them show a part of it only. What is to be recovered there are
the latents of the *cut-away* frames, in which the hidden actor is drawn over what hides it; what is given are latents
of *observed* frames. Where an actor never comes out again (or was hidden from the start) there is one anchor only.

Every stretch is asked about in the four ways of `queries`, and the target is the same for all.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from slap_core.encoders import OpenClipEncoder
from slap_core.gaps import Gaps, find_gaps
from slap_core.training.hidden_runs import IN_PICTURE, HiddenRun, hiding, longest_run
from slap_core.training.queries import QUERIES, query_words
from slap_core.tunnel_world import Scenes, place_of, render, sample
from slap_core.tunnel_world import random as counter
from slap_core.types import Latents

__all__ = ["GapScenes", "draw_gap_scenes", "stretches"]

WHOLE: Final = 0.9
"""An actor shows whole where at least this share of it does."""
_CHANNEL: Final = 1100
"""Of the hash that draws anchors, empty stretches and moments: none of those that Tunnel World uses."""


@dataclasses.dataclass(frozen=True, eq=False)
class GapScenes:
    """One stretch of each scene; nodes are the dropped frames, padded to the longest stretch."""

    anchors: Float[Tensor, "anchor dim"]
    """Latents of the observed frames that were kept, of all scenes."""
    gaps: Gaps
    """One stretch of each scene between its anchors, each in units of its own length."""
    target: Float[Tensor, "scene node dim"]
    """Latents of the cut-away frames."""
    observed: Float[Tensor, "scene node dim"] | None
    """Latents of what the camera saw in their place; None if they were not drawn."""
    empty: Float[Tensor, "scene node dim"] | None
    """Latents of the same moments without actors; None if they were not drawn."""
    hidden: Bool[Tensor, "scene node"]
    """Where an actor is hidden, or, in an empty scene, might have been: what is scored."""
    queries: Float[Tensor, "scene query dim"]
    """In the order of `QUERIES`."""
    outcome: Int64[Tensor, "scene"]
    kind: Int64[Tensor, "scene actor"]
    """Of each actor; -1 where there is none."""
    colour: Int64[Tensor, "scene actor"]
    place: Int64[Tensor, "scene node actor"]
    """Of each actor, one of six from left to right; -1 where it is not hidden."""
    seed: Int64[Tensor, "scene"]
    """Of each scene."""

    def __len__(self) -> int:
        return len(self.gaps)

    def nodes(self) -> Bool[Tensor, "scene node"]:
        """Which nodes are frames."""
        return self.gaps.mask().to(self.target.device)

    def asked(self, k: int) -> tuple[Latents, Float64[Tensor, "node"]]:
        """The k-th stretch as a clip of its own: its anchors, and the times of the frames to recover."""
        gaps = self.gaps
        held = [int(gaps.start[k])] if bool(gaps.free[k]) else [int(gaps.start[k]), int(gaps.stop[k])]
        times = torch.tensor([0.0, float(gaps.length[k])], dtype=torch.float64)[: len(held)]
        return Latents(self.anchors[held], times), gaps.elapsed[k, : int(gaps.count[k])]

    def select(self, index: Int64[Tensor, "some"]) -> "GapScenes":
        """Some of the scenes."""
        at = index.to(self.target.device)
        gaps = self.gaps.select(index.cpu())
        width = gaps.elapsed.shape[1]
        names = ("target", "observed", "empty", "hidden", "place")
        tables = {name: getattr(self, name) for name in names}
        padded = {name: None if table is None else table[at, :width] for name, table in tables.items()}
        rest = {name: getattr(self, name)[at] for name in ("queries", "outcome", "kind", "colour", "seed")}
        return GapScenes(anchors=self.anchors, gaps=gaps, **padded, **rest)


def draw_gap_scenes(
    encoder: OpenClipEncoder,
    seeds: Int64[Tensor, "scene"],
    *,
    outcomes: Sequence[str] | None = None,
    held_out: str = "none",
    most: int = 12,
    evenly: bool = True,
    parts: float = 0.0,
    layers: Sequence[str] = ("observed", "empty"),
    size: int = 96,
    change: Callable[[Scenes], Scenes] | None = None,
) -> GapScenes:
    """The scenes of `seeds`, rendered and encoded; a function of its arguments.

    Args:
        encoder: whose latents.
        seeds: of the scenes; see `tunnel_world.SPLITS`.
        outcomes: these in turn; by default what the seeds draw.
        held_out: as for `tunnel_world.sample`.
        most: dropped frames of a stretch, where there are more.
        evenly: over the stretch, or at random, one in each of as many parts of it.
        parts: share of the scenes whose anchors need not show more than a fifth of an actor.
        layers: what is encoded of the dropped frames besides the cut-away.
        size: pixels of a side.
        change: what is done to the scenes before they are drawn; by default nothing.

    Raises:
        ValueError: if `most` is below 1 or a layer unknown, or for what `tunnel_world.sample` refuses.
    """
    if most < 1:
        raise ValueError(f"A stretch needs at least 1 dropped frame, got most={most}.")
    if not set(layers) <= {"observed", "empty"}:
        raise ValueError(f"The layers besides the cut-away are observed and empty, got {', '.join(layers)}.")
    found = []
    for k, part in enumerate(seeds.to(encoder.device).split(32)):
        if outcomes is None:
            scenes = [sample(part, held_out=held_out)]
        else:
            turn = (torch.arange(len(part)) + 32 * k) % len(outcomes)
            which = [(name, (turn == i).nonzero().flatten().to(part.device)) for i, name in enumerate(outcomes)]
            scenes = [sample(part[at], outcome=name, held_out=held_out) for name, at in which if len(at)]
        scenes = scenes if change is None else [change(some) for some in scenes]
        how = {"most": most, "evenly": evenly, "parts": parts, "layers": layers, "size": size}
        found += [_encode(encoder, some, **how) for some in scenes]
    return _joined(found)


def stretches(scenes: Scenes, *, parts: float = 0.0) -> list[HiddenRun | None]:
    """Where something hides in each scene, and the anchors around it.

    None where nothing shows outside of it, and where actors come but never hide.

    Args:
        scenes: the scenes.
        parts: as for `draw_gap_scenes`.
    """
    found, hides, _ = _stretches(scenes, parts)
    told = hides.flatten(1).any(1) | ~scenes.actor.any(1)
    return [run if fine else None for run, fine in zip(found, told.tolist(), strict=True)]


def _stretches(
    scenes: Scenes, parts: float
) -> tuple[list[HiddenRun | None], Bool[Tensor, "scene time object"], Int64[Tensor, "scene time object"]]:
    """The stretch of each scene; which actors hide when, and in which of six places."""
    everything = torch.arange(scenes.frames, device=scenes.seed.device).expand(len(scenes), -1)
    seen = render(scenes, everything, size=24, layers=())
    hides = hiding(scenes, seen)
    shown = torch.where(scenes.actor[:, None], seen.visible_fraction, 0.0).amax(-1).cpu()
    away = hides.any(-1).cpu() & (shown <= IN_PICTURE)
    draws = counter.uniform(scenes.seed, _CHANNEL, 4).cpu()
    share = torch.where(draws[:, 3] < parts, IN_PICTURE, WHOLE).tolist()
    runs = [longest_run(away[row], shown[row], share[row], draws[row, :3]) for row in range(len(scenes))]
    # Hidden from the first frame to the last: nothing to hold on to.
    found = [run if run.anchors else None for run in runs]
    return found, hides, torch.where(hides, place_of(seen.state.x), -1)


def _encode(
    encoder: OpenClipEncoder,
    scenes: Scenes,
    *,
    most: int,
    evenly: bool,
    parts: float,
    layers: Sequence[str],
    size: int,
) -> list[dict[str, Tensor | None]]:
    device = scenes.seed.device
    found, hides, place = _stretches(scenes, parts)
    moments_drawn = counter.uniform(scenes.seed, _CHANNEL + 2, most).cpu()
    rows, moments = [], []
    for row, run in enumerate(found):
        if run is None:
            continue
        dropped = run.evenly(most) if evenly else run.at_random(moments_drawn[row])
        rows.append((row, dropped, run))
        moments.append(torch.cat([dropped, torch.tensor(run.anchors)]))
    if not rows:
        return []
    # All frames of a part in one batch of equal length; the last one is repeated behind the end.
    longest = max(len(m) for m in moments)
    index = torch.stack([torch.cat([m, m[-1:].expand(longest - len(m))]) for m in moments]).to(device)
    chosen = torch.tensor([row for row, *_ in rows], device=device)
    pictures = render(scenes.select(chosen), index, size=size, layers=("observed", "cut_away", *layers))
    position = torch.arange(longest, device=device)
    ends = torch.tensor(
        [[len(m), len(dropped)] for m, (_, dropped, _) in zip(moments, rows, strict=True)], device=device
    )
    held = (position >= ends[:, 1:]) & (position < ends[:, :1])
    dropping = position < ends[:, 1:]
    latents = {}
    for layer, wanted in (
        ("observed", held | dropping if "observed" in layers else held),
        ("cut_away", dropping),
        *([("empty", dropping)] if "empty" in layers else []),
    ):
        found = torch.cat([encoder.images(some)[0] for some in getattr(pictures, layer)[wanted].split(256)])
        latents[layer] = found.new_zeros(*wanted.shape, found.shape[-1]).masked_scatter(wanted[..., None], found)
    text = encoder.text([word for words in query_words(scenes.select(chosen)) for word in words])
    queries = text.to(device).unflatten(0, (len(rows), len(QUERIES)))
    found = []
    for k, (row, dropped, run) in enumerate(rows):
        count = len(dropped)
        in_run = (dropped >= run.first) & (dropped <= run.last)
        none = ~scenes.actor[row].any()
        found.append(
            {
                "anchors": latents["observed"][k, count : count + len(run.anchors)],
                "anchor_times": torch.tensor(run.anchors, dtype=torch.float64),
                "times": dropped.double(),
                "target": latents["cut_away"][k, :count],
                **{layer: latents[layer][k, :count] if layer in layers else None for layer in ("observed", "empty")},
                "hidden": (hides[row].any(-1) | none)[dropped] & in_run.to(device),
                "queries": queries[k],
                "seed": scenes.seed[row],
                "outcome": scenes.outcome[row],
                "kind": torch.where(scenes.actor[row], scenes.kind[row], -1),
                "colour": torch.where(scenes.actor[row], scenes.colour[row], -1),
                "place": place[row, dropped],
            }
        )
    return found


def _joined(parts: Sequence[list[dict[str, Tensor | None]]]) -> GapScenes:
    """All stretches in one batch."""
    rows = [row for part in parts for row in part]
    gaps = [find_gaps(row["anchor_times"], row["times"]) for row in rows]
    nodes = max((len(row["times"]) for row in rows), default=0)
    before = torch.tensor([0, *(len(row["anchors"]) for row in rows)]).cumsum(0)[:-1]

    def padded(name: str, value: float | int | bool = 0.0) -> Tensor:
        return torch.stack(
            [
                torch.cat([row[name], row[name].new_full((nodes - len(row[name]), *row[name].shape[1:]), value)])
                for row in rows
            ]
        )

    def ordered(name: str, value: float | int | bool = 0.0) -> Tensor | None:
        """As the solver counts: a free end before the first anchor backwards."""
        if rows[0][name] is None:
            return None
        table = padded(name, value)
        order = torch.arange(nodes).repeat(len(rows), 1)
        for k, gap in enumerate(gaps):
            order[k, gap.node_of] = torch.arange(len(gap.node_of))
        order = order.to(table.device)
        return table.gather(1, order.reshape(*order.shape, *[1] * (table.ndim - 2)).expand_as(table))

    elapsed = torch.ones(len(rows), nodes, dtype=torch.float64)
    for k, gap in enumerate(gaps):
        elapsed[k, : int(gap.count[0])] = gap.elapsed[0]
    stack = {
        name: torch.cat([getattr(gap, name) for gap in gaps]) for name in ("start", "stop", "free", "length", "count")
    }
    together = Gaps.alone(
        start=stack["start"] + before,
        stop=stack["stop"] + before,
        free=stack["free"],
        elapsed=elapsed,
        length=stack["length"],
        count=stack["count"],
        soft=torch.full(elapsed.shape, -1),
    )
    return GapScenes(
        anchors=torch.cat([row["anchors"] for row in rows]),
        gaps=together,
        target=ordered("target"),
        observed=ordered("observed"),
        empty=ordered("empty"),
        hidden=ordered("hidden", False),
        queries=torch.stack([row["queries"] for row in rows]),
        outcome=torch.stack([row["outcome"] for row in rows]),
        kind=torch.stack([row["kind"] for row in rows]),
        colour=torch.stack([row["colour"] for row in rows]),
        place=ordered("place", -1),
        seed=torch.stack([row["seed"] for row in rows]),
    )
