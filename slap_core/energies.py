"""The energies along a path, whatever method it comes from, on its own nodes: numbers that compare.

    T = mu/2 |z'|^2          kinetic, between neighbouring nodes
    lambda P(z, q)           potential, at the nodes
    S = sum_i h_i T_i - sum_i w_i lambda P_i over the nodes that were recovered                (the discrete action)

Along a path of least action T + lambda P is constant up to O(h^2).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from slap_core import sphere
from slap_core.action import evaluate_potential
from slap_core.gaps import find_gaps
from slap_core.strings import Geometry
from slap_core.types import Energies, Path, PotentialFunction

__all__ = ["energies"]

AT_ONCE = 2**14
"""Nodes whose energies are computed together: what a potential needs in between is a few times as large as they are."""


def energies(
    path: Path,
    potential: PotentialFunction | None,
    query: Float[Tensor, "*query dim"] | None = None,
    *,
    anchor_times: Float[Tensor, "anchor"] | Sequence[float] | None = None,
    coupling: float = 0.5,
    mass: float = 1.0,
    time_unit_seconds: float | None = None,
    geometry: Geometry = "sphere",
    device: torch.device | str = "cpu",
    known: Float[Tensor, "*query node"] | None = None,
) -> Energies:
    """The energies along any method's path, on its nodes, and the action of each of its gaps.

    Give the same arguments for every method, so that the numbers compare. On the sphere the nodes are normalised first
    (LERP leaves the sphere).

    Args:
        path: nodes at anchors and recovered frames.
        potential: P(z, query), or None for 0.
        query: one query, or as many as the path has.
        anchor_times: seconds; the nodes of `path` that were known. Default: the first and the last.
        coupling: lambda.
        mass: mu.
        time_unit_seconds: T; default: the mean length of the gaps between `anchor_times`.
        geometry: "sphere" (angles) or "euclidean".
        device: where the potential lives.
        known: P at the nodes where it need not be asked; NaN where it is to be.
    """
    nodes = sphere.normalize(path.nodes) if geometry == "sphere" else path.nodes
    anchor_times = path.times[[0, -1]].unique() if anchor_times is None else anchor_times
    gaps = find_gaps(anchor_times, path.times)
    unit = gaps.time_unit_seconds if time_unit_seconds is None else time_unit_seconds
    steps = path.times.diff() / unit
    ends = zip(nodes[..., :-1, :].split(AT_ONCE, -2), nodes[..., 1:, :].split(AT_ONCE, -2), strict=True)
    length = torch.cat([sphere.distance(x, y) if geometry == "sphere" else (y - x).norm(dim=-1) for x, y in ends], -1)
    onward = (mass / 2 * (length / steps.to(length)).square()).double()
    pulled = torch.zeros(nodes.shape[:-1], dtype=torch.float64)
    if potential is not None:
        pulled = torch.full_like(pulled, torch.nan) if known is None else known.double()
        ask = pulled.isnan().flatten(0, -2).any(0) if pulled.ndim > 1 else pulled.isnan()
        if query is not None:
            query = (query[:, None] if query.ndim == 2 else query).to(device, nodes.dtype)
        told = query is not None and hasattr(potential, "in_gaps")
        around = _around(torch.isin(path.times, torch.as_tensor(anchor_times, dtype=path.times.dtype))) if told else ()

        def value(some: Int[Tensor, "some"]) -> Float[Tensor, "*query some"]:
            ends = (nodes[..., anchors[some], :].to(device) for anchors in around)
            question = potential.in_gaps(query, *ends) if told else query
            return evaluate_potential(potential, nodes[..., some, :].to(device), question)

        with torch.no_grad():
            asked = torch.cat([value(some) for some in ask.nonzero().squeeze(1).split(AT_ONCE)], -1)
        pulled = coupling * pulled.masked_scatter(ask.expand_as(pulled), asked.double().cpu())

    inner = steps.new_zeros(len(path.times))
    recovered = (~gaps.is_anchor).double()
    inner[:-1] += steps / 2
    inner[1:] += steps / 2
    share = -(inner * recovered * pulled)
    # A step belongs to a gap if either of its nodes was recovered; two anchors side by side bound no gap.
    gap_of_node = torch.full((len(path.times),), -1)
    gap_of_node[~gaps.is_anchor] = gaps.gap_of
    gap_of_step = torch.maximum(gap_of_node[:-1], gap_of_node[1:])
    inside = gap_of_step >= 0
    action = onward.new_zeros(*onward.shape[:-1], len(gaps))
    action.index_add_(-1, gap_of_step[inside], (onward * steps)[..., inside])
    action.index_add_(-1, gaps.gap_of, share[..., ~gaps.is_anchor])

    kinetic = onward.new_zeros(*onward.shape[:-1], len(path.times))
    kinetic[..., :-1] += onward
    kinetic[..., 1:] += onward
    kinetic[..., 1:-1] /= 2
    return Energies(path.times, kinetic.to(nodes), pulled.to(nodes), action.to(nodes))


def _around(known: Bool[Tensor, "node"]) -> tuple[Int[Tensor, "node"], Int[Tensor, "node"]]:
    """The nodes that are the anchors before and after each node.

    Beyond the outermost one that one twice, at an anchor itself twice.
    """
    anchors, node = known.nonzero().squeeze(1), torch.arange(len(known))
    last = len(anchors) - 1
    before = anchors[(torch.searchsorted(anchors, node, right=True) - 1).clamp(0, last)]
    after = anchors[torch.searchsorted(anchors, node).clamp(0, last)]
    return before, after
