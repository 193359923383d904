"""Where something is to be recovered: the gaps between anchors in one padded batch, and the string in each.

A gap lies between two anchors; a *free end* has an anchor on one side only. Time inside a stretch is counted from an
anchor, in units of T (see `time_unit`); a free end before the first anchor is counted backwards, which the action does
not notice. With steps h_i between neighbouring nodes the discrete kinetic energy of a stretch is the quadratic form of
a string under unit tension, whose inverse is known in closed form for even and uneven steps alike:

    G_ij = min(t_i, t_j) (L - max(t_i, t_j)) / L      both ends held, L the length of the gap
    G_ij = min(t_i, t_j)                              the far end free (natural boundary condition)

It is exact at the nodes (a plucked string is a triangle). Each node carries the weight w_i = (h_{i-1} + h_i)/2, the
last node of a free end h/2.

A *soft* anchor is held by a spring and not by hand: it is a node like the frames that are recovered, and the stretch
goes on behind it.
"""

import dataclasses
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

__all__ = ["Gaps", "find_gaps", "green_matrix", "green_product", "time_unit"]

# Times closer than this fraction of the whole span are the same time.
_SAME = 1e-9


@dataclasses.dataclass(frozen=True, eq=False)
class Gaps:
    """The stretches in which something is to be recovered, in order of time, padded to the longest."""

    start: Int[Tensor, "gap"]
    """Index of the anchor from which time is counted."""
    stop: Int[Tensor, "gap"]
    """Index of the anchor at the far end; the same as `start` where the far end is free."""
    free: Bool[Tensor, "gap"]
    elapsed: Float64[Tensor, "gap node"]
    """Time since `start`, in units of T; behind the last node filled with `length`."""
    length: Float64[Tensor, "gap"]
    """In units of T; that of a free end reaches to its outermost node."""
    count: Int[Tensor, "gap"]
    """Number of nodes."""
    soft: Int[Tensor, "gap node"]
    """Index of the anchor at each node that is a soft one; -1 elsewhere."""
    times: Float64[Tensor, "time"]
    """What was asked for, and the soft anchors, seconds."""
    is_anchor: Bool[Tensor, "time"]
    """Which of `times` coincide with a hard anchor."""
    gap_of: Int[Tensor, "recovered"]
    """The stretch of each of `times` that is no anchor..."""
    node_of: Int[Tensor, "recovered"]
    """... and its node there."""
    time_unit_seconds: float
    """T."""

    @classmethod
    def alone(cls, **stretches: Tensor) -> "Gaps":
        """Stretches that belong to no one clip: all fields up to `soft`; each may have a unit of time of its own."""
        none = torch.zeros(0, dtype=torch.long)
        return cls(
            **stretches, times=none.double(), is_anchor=none.bool(), gap_of=none, node_of=none, time_unit_seconds=1.0
        )

    def __len__(self) -> int:
        return len(self.start)

    def select(self, index: Int[Tensor, "some"], *, nodes: int | None = None) -> "Gaps":
        """The stretches at `index` alone, trimmed to `nodes`, by default those of the longest of them.

        They no longer know of `times`.
        """
        if nodes is None:
            nodes = int(self.count[index].max()) if len(index) else 0
        names = ("start", "stop", "free", "length", "count")
        none = self.gap_of[:0]
        return dataclasses.replace(
            self,
            **{name: getattr(self, name)[index] for name in names},
            elapsed=self.elapsed[index, :nodes],
            soft=self.soft[index, :nodes],
            times=self.times[:0],
            is_anchor=self.is_anchor[:0],
            gap_of=none,
            node_of=none,
        )

    def steps(self) -> Float64[Tensor, "gap step"]:
        """The times between neighbours in units of T; 0 where there is no string (padding, beyond a free end)."""
        zero = self.elapsed.new_zeros(len(self), 1)
        return torch.cat([zero, self.elapsed, self.length[:, None]], 1).diff(dim=1)

    def weights(self) -> Float64[Tensor, "gap node"]:
        """The stretch of time that each node stands for, in units of T; 0 in the padding."""
        steps = self.steps()
        return (steps[:, 1:] + steps[:, :-1]) / 2 * self.mask()

    def springs(self) -> Int[Tensor, "gap"]:
        """How many soft anchors each stretch has."""
        table = self.soft if self.soft.stride(-1) else self.soft[:, :0]  # a single -1, written nowhere else
        return (table >= 0).sum(1)

    def knots(self) -> Float64[Tensor, "gap knot"]:
        """The elapsed times of the soft anchors of stretches that have equally many."""
        return self.elapsed[self.soft >= 0].reshape(len(self), -1)

    def soft_nodes(self, nodes: int) -> Int[Tensor, "gap node"]:
        """`soft` on the nodes of polynomials, `nodes` between two anchors, for stretches with equally many knots."""
        knots = self.soft[self.soft >= 0].reshape(len(self), -1)
        between = knots.new_full((len(self), nodes), -1)
        columns = [part for k in range(knots.shape[1]) for part in (between, knots[:, k : k + 1])]
        if not knots.shape[1] or not bool(self.ends_soft().all()):
            columns.append(between)
        return torch.cat(columns, 1)

    def ends_soft(self) -> Bool[Tensor, "gap"]:
        """Whether the outermost node of a free end is a soft anchor."""
        last = (self.count - 1).clamp_min(0)[:, None]
        return self.free & (self.soft.gather(1, last)[:, 0] >= 0)

    def mask(self) -> Bool[Tensor, "gap node"]:
        """Which nodes exist."""
        return torch.arange(self.elapsed.shape[1]) < self.count[:, None]


def time_unit(
    seen_times: Float[Tensor, "anchor"] | Sequence[float], times: Float[Tensor, "time"] | Sequence[float]
) -> float:
    """T in seconds: the mean length of the intervals between anchors that contain requested times.

    Where there is no such interval, the length of the longest free end; where nothing is asked for, 1 second.

    Args:
        seen_times: times of the anchors, seconds, strictly increasing.
        times: requested times, seconds, strictly increasing.
    """
    return find_gaps(seen_times, times).time_unit_seconds


def find_gaps(
    seen_times: Float[Tensor, "anchor"] | Sequence[float],
    times: Float[Tensor, "time"] | Sequence[float],
    *,
    soft: Bool[Tensor, "anchor"] | None = None,
) -> Gaps:
    """The stretches between the hard anchors that contain any of `times`, or a soft anchor.

    Args:
        seen_times: of the anchors, seconds.
        times: to recover, seconds.
        soft: which anchors are soft; by default none.

    Raises:
        ValueError: if there is no hard anchor, or times are not finite and strictly increasing.
    """
    seen = _seconds("The anchors", seen_times)
    times = _seconds("The times to recover", times)
    if not len(seen):
        raise ValueError("At least one anchor is needed to recover anything, got none; keep at least one frame.")
    if soft is None or not bool(soft.any()):
        return _find(seen, times)
    if bool(soft.all()):
        raise ValueError("At least one anchor must be hard, or nothing holds the path; give one infinite stiffness.")
    unit = _find(seen, times).time_unit_seconds
    hard, springs = (~soft).nonzero().squeeze(1), soft.nonzero().squeeze(1)
    number = _coincident(seen, times)
    both = torch.cat([times[(number < 0) | ~soft[number.clamp_min(0)]], seen[springs]]).sort().values
    found = _find(seen[hard], both, unit)
    spring_of = _coincident(seen[springs], found.times[~found.is_anchor])
    table = found.soft.clone()
    table[found.gap_of, found.node_of] = torch.where(spring_of < 0, -1, springs[spring_of.clamp_min(0)])
    return dataclasses.replace(found, start=hard[found.start], stop=hard[found.stop], soft=table)


def _coincident(anchors: Float64[Tensor, "anchor"], times: Float64[Tensor, "time"]) -> Int[Tensor, "time"]:
    """Which anchor each of the times coincides with; -1 for none."""
    span = float(torch.cat([anchors, times]).max() - torch.cat([anchors, times]).min())
    following = torch.searchsorted(anchors.contiguous(), times.contiguous())
    neighbours = torch.stack([(following - 1).clamp_min(0), following.clamp_max(len(anchors) - 1)])
    apart, side = (anchors[neighbours] - times).abs().min(0)
    return torch.where(apart <= _SAME * span, neighbours.gather(0, side[None])[0], -1)


def _find(seen: Float64[Tensor, "anchor"], times: Float64[Tensor, "time"], unit: float | None = None) -> Gaps:
    """The stretches between anchors that are all hard; T may be given."""
    is_anchor = _coincident(seen, times) >= 0
    inner = times[~is_anchor]
    following = torch.searchsorted(seen.contiguous(), inner.contiguous())

    slot, gap_of, count = torch.unique_consecutive(following, return_inverse=True, return_counts=True)
    before, after = slot == 0, slot == len(seen)
    start = torch.where(before, slot, slot - 1)
    stop = torch.where(after, start, slot)
    node_of = torch.arange(len(inner)) - (count.cumsum(0) - count)[gap_of]
    node_of = torch.where(before[gap_of], count[gap_of] - 1 - node_of, node_of)

    since = (inner - seen[start][gap_of]).abs()
    furthest = since.new_zeros(len(slot)).scatter_reduce(0, gap_of, since, "amax")
    free = before | after
    length = torch.where(free, furthest, seen[stop] - seen[start])
    between = length[~free]
    if unit is None:
        unit = float(between.mean() if len(between) else length.max()) if len(slot) else 1.0
    elapsed = (length / unit)[:, None].repeat(1, int(count.max()) if len(slot) else 0)
    elapsed[gap_of, node_of] = since / unit
    soft = torch.full((1, 1), -1).expand(elapsed.shape)  # of many gaps a table as large as that of times
    return Gaps(start, stop, free, elapsed, length / unit, count, soft, times, is_anchor, gap_of, node_of, unit)


def green_matrix(gaps: Gaps) -> Float64[Tensor, "gap node node"]:
    """How far node i moves when node j is pulled with unit force, for mu = 1 and lengths in units of T."""
    later = torch.maximum(gaps.elapsed[:, :, None], gaps.elapsed[:, None, :])
    earlier = torch.minimum(gaps.elapsed[:, :, None], gaps.elapsed[:, None, :])
    length = gaps.length[:, None, None]
    green = torch.where(gaps.free[:, None, None], earlier, earlier * (length - later) / length)
    mask = gaps.mask()
    return green * (mask[:, :, None] & mask[:, None, :])


def green_product(gaps: Gaps, force: Float64[Tensor, "gap node"]) -> Float64[Tensor, "gap node"]:
    """Where the nodes move when each is pulled with a force, 0 in the padding: `green_matrix` times it, unwritten."""
    length, free = gaps.length[:, None], gaps.free[:, None]
    nearer = (gaps.elapsed * force).cumsum(1)
    across = torch.where(free, 1.0, (length - gaps.elapsed) / length)
    further = (across * force).flip(1).cumsum(1).flip(1) - across * force
    return (across * nearer + gaps.elapsed * further) * gaps.mask()


def _seconds(owner: str, times: Tensor | Sequence[float]) -> Float64[Tensor, "time"]:
    times = torch.as_tensor(times, dtype=torch.float64).detach().cpu()
    if times.ndim != 1:
        raise ValueError(f"{owner} must be a list of seconds, got shape {tuple(times.shape)}.")
    if not bool(times.isfinite().all()):
        raise ValueError(f"{owner} must be finite numbers of seconds, got NaN or infinity.")
    if bool((times.diff() <= 0).any()):
        raise ValueError(f"{owner} must be strictly increasing seconds; sort them and drop the repeated ones.")
    return times
