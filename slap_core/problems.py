"""All boundary value problems of one call, query x lambda x stretch, solved in batches of like size.

A problem knows nothing of the others, so that they may be batched in any way (see `batches`) and in any order.

On Gauss nodes each problem is solved with few of them first; where the highest coefficients of the path say that these
do not suffice, it goes on with twice as many, from where it stands. The path is then evaluated at the frames.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from slap_core import descent, sphere
from slap_core.action import DiscreteAction
from slap_core.batches import LONG, batches, likeness
from slap_core.gaps import Gaps, find_gaps
from slap_core.inspection import Inspection, in_order, inspect
from slap_core.springs import anchors_stiffness
from slap_core.stretches import query_rows
from slap_core.strings import Geometry
from slap_core.types import Latents, PotentialFunction

__all__ = ["Problems", "SolverOptions"]

NODES = (8, 16, 32, 64)
"""Gauss nodes between two anchors: how many are tried in turn."""


@dataclasses.dataclass(frozen=True, eq=False)
class SolverOptions:
    """The arguments of `LeastAction` that every problem shares, as described there."""

    potential: PotentialFunction | None
    mass: float
    geometry: Geometry
    tolerance: float
    accuracy: float
    discretisation: Literal["nodes", "frames"]
    max_iterations: int
    method: Literal["newton", "adam"]
    learning_rate: float
    device: torch.device | str | None


@dataclasses.dataclass(eq=False)
class Problems:
    """All boundary value problems of a scan: query x coupling x gap, numbered in this order, and what was found."""

    options: SolverOptions
    seen: Latents
    anchors: Float[Tensor, "anchor dim"]
    stiffness: Float64[Tensor, "anchor"] | None
    """kappa of soft anchors, infinite for hard ones; None if all are hard."""
    gaps: Gaps
    requested: Float64[Tensor, "time"]
    """Seconds."""
    query: Float[Tensor, "query dim"] | None
    single: bool
    """Whether the result has no axis for queries."""
    couplings: Float64[Tensor, "coupling"]
    points: Float[Tensor, "query coupling recovered dim"]
    residual: Float64[Tensor, "query coupling gap"]
    stalled: Bool[Tensor, "query coupling gap"]
    iterations: Int[Tensor, "query coupling gap"]
    gradients: Int[Tensor, "query coupling gap"]
    """Evaluations of the potential's gradient; a Hessian product counts 2."""
    error: Float64[Tensor, "query coupling gap"]
    """Estimate of the discretisation's error, radians; 0 where the frames are the nodes."""
    nodes: Int[Tensor, "query coupling gap"]
    """Gauss nodes between two anchors; 0 where the frames are the nodes."""
    history: Float64[Tensor, "iteration query coupling gap"]
    """The action after each iteration with the last number of nodes; the last one repeated."""
    paths: dict[int, Float[Tensor, "node dim"]]
    """What was found at the nodes of each problem."""

    @classmethod
    def of(
        cls,
        options: SolverOptions,
        seen: Latents,
        times: Tensor | Sequence[float],
        query: Tensor | None,
        couplings: Tensor,
        stiffness: Tensor | Sequence[float] | None = None,
    ) -> "Problems":
        """The problems of a call with these arguments; nothing is solved yet.

        Raises:
            ValueError: for anchors, times or a query that do not fit each other or the geometry.
        """
        stiffness = anchors_stiffness(stiffness, len(seen.times))
        gaps = find_gaps(seen.times, times, soft=None if stiffness is None else stiffness.isfinite())
        if options.geometry == "sphere":
            sphere.require_unit("LeastAction(geometry='sphere')", seen.points)
        dim = seen.points.shape[1]
        dtype = seen.points.dtype if seen.points.dtype == torch.float64 else torch.float32
        device = torch.device(options.device) if options.device is not None else seen.points.device
        with torch.inference_mode(False), torch.no_grad():
            anchors = seen.points.detach().clone().to(device, dtype)
            if options.geometry == "sphere":
                anchors = sphere.normalize(anchors)
            single = query is None or query.ndim == 1
            if query is not None:
                query = query_rows(query.detach().clone(), anchors)
            shape = (1 if single else len(query), len(couplings))
            count = torch.zeros(*shape, len(gaps), dtype=torch.long)
            return cls(
                options=options,
                seen=seen,
                anchors=anchors,
                stiffness=stiffness,
                gaps=gaps,
                requested=torch.as_tensor(times, dtype=torch.float64).detach().cpu(),
                query=query,
                single=single,
                couplings=couplings,
                points=torch.zeros(*shape, len(gaps.gap_of), dim, dtype=dtype),
                residual=torch.full(count.shape, torch.inf, dtype=torch.float64),
                stalled=count > 0,
                iterations=count,
                gradients=count.clone(),
                error=torch.zeros(count.shape, dtype=torch.float64),
                nodes=count.clone(),
                paths={},
                history=torch.zeros(0, *count.shape, dtype=torch.float64),
            )

    def chunks(self, index: Tensor | None = None) -> Iterator[Tensor]:
        """The problems (of those at `index`), in batches of like strings and bounded size."""
        index = torch.arange(self.residual.numel()) if index is None else index
        gap, on_frames = index % len(self.gaps), self._on_frames()
        each = self.nodes.flatten()[index]
        parts, count = self.gaps.springs()[gap] + 1, self.gaps.count[gap]
        nodes = count if on_frames else torch.maximum(parts * each.clamp_min(NODES[0]), count * NODES[0] // LONG)
        like = likeness(self.gaps, on_frames=on_frames)[gap] + (each << 40)
        return batches(index, like, nodes, dim=self.points.shape[-1], device=self.anchors.device)

    def solve(
        self,
        index: Tensor,
        start: Float[Tensor, "batch node dim"] | None = None,
        *,
        highest: Float64[Tensor, "batch"] | None = None,
    ) -> None:
        """Solve the problems at `index` in one batch.

        Args:
            index: numbers of problems.
            start: paths at the nodes that these problems have, all equally many (there may be more padding than they
                need); None: the geodesics.
            highest: from there a path counts only if it converges to no more action than this, or has less than what
                was found for its problem before; else it is as if its problem had not been tried.
        """
        # An inference tensor, which a caller under torch.inference_mode would make here, cannot be differentiated.
        with torch.inference_mode(False), torch.no_grad():
            if self._on_frames():
                self._descend(index, start, highest, None)
                return
            first = 0 if start is None else NODES.index(int(self.nodes.view(-1)[index[0]]))
            for nodes in NODES[first:]:
                if highest is None and first != NODES.index(nodes):
                    start = self.found(index, nodes)
                index = self._descend(index, start, highest, nodes)
                highest = None
                if not len(index):
                    return

    def _descend(self, index: Tensor, start: Tensor | None, highest: Tensor | None, nodes: int | None) -> Tensor:
        """Solve on so many Gauss nodes (None: on the frames); returns the problems that need more of them."""
        options = self.options
        action = self.action(index, nodes)
        z = action.geodesic() if start is None else start[:, : action.green.shape[1]]
        limits = {"tolerance": options.tolerance, "iterations": options.max_iterations}
        if options.method == "adam":
            found = descent.adam(action, z, learning_rate=options.learning_rate, **limits)
        else:
            found = descent.minimize(action, z, **limits)
        history = found.history().cpu()
        if highest is None and not bool(history[0].isfinite().all()):
            raise ValueError(
                "The potential must be finite along the geodesic between the anchors, got NaN or infinity."
            )
        residual, value = found.step.cpu(), history[-1]
        kept = torch.ones(len(index), dtype=torch.bool)
        if highest is not None:
            before = self.history[-1].flatten()[index] if len(self.history) else value
            tried = self.residual.view(-1)[index].isfinite()
            kept = ((residual <= options.tolerance) & (value <= highest)) | (tried & (value < before))
        self._remember(index[kept], history[:, kept])
        self.residual.view(-1)[index[kept]] = residual[kept]
        self.stalled.view(-1)[index[kept]] = found.stalled.cpu()[kept]
        self.iterations.view(-1)[index] += found.iterations.cpu()
        self.gradients.view(-1)[index] += found.gradients.cpu()
        self.nodes.view(-1)[index[kept]] = nodes or 0
        if nodes is not None:
            error = action.string.error(found.z).cpu()
            self.error.view(-1)[index[kept]] = error[kept]
        count = self.gaps.count[index % len(self.gaps)] if nodes is None else torch.full_like(index, found.z.shape[1])
        for k, path, length, new in zip(index.tolist(), found.z.cpu(), count.tolist(), kept, strict=True):
            if new:
                self.paths[k] = path[:length]
        gap, row = index % len(self.gaps), index // len(self.gaps)
        problem, node, recovered = self.frames(gap)
        new = kept[problem]
        at_frames = found.z if nodes is None else action.string.at(found.z, self.gaps.elapsed[gap])
        self.points.flatten(0, 1)[row[problem[new]], recovered[new]] = at_frames.cpu()[problem[new], node[new]]
        if nodes is None or nodes == NODES[-1]:
            return index[:0]
        return index[kept & (error > options.accuracy)]

    def posed(self, nodes: int | None) -> Iterator[tuple[Tensor, DiscreteAction]]:
        """The numbers and the actions of all problems in batches, on so many Gauss nodes (None: on the frames)."""
        for index in self.chunks():
            yield index, self.action(index, nodes)

    def action(self, index: Tensor, nodes: int | None) -> DiscreteAction:
        """The actions of the problems at `index`, on so many Gauss nodes (None: on the frames)."""
        options = self.options
        row = index // len(self.gaps)
        query, coupling = row // len(self.couplings), row % len(self.couplings)
        return DiscreteAction.of(
            options.potential,
            self.anchors,
            self.gaps,
            gap=index % len(self.gaps),
            coupling=self.couplings[coupling],
            query=self._query(query),
            mass=options.mass,
            geometry=options.geometry,
            nodes=nodes,
            stiffness=self.stiffness,
        )

    def found(self, index: Tensor, nodes: int | None) -> Float[Tensor, "batch node dim"]:
        """The paths that were found for the problems at `index`, at so many Gauss nodes (None: on the frames)."""
        action = self.action(index, nodes)
        paths, own = action.geodesic(), self.nodes.view(-1)[index]
        for old in own.unique().tolist():
            rows = (own == old).nonzero().squeeze(1)
            same = old == (nodes or 0)
            coarse = None if same else self.action(index[rows], old)
            z = paths[rows] if same else coarse.geodesic()
            for row, k in enumerate(index[rows].tolist()):
                path = self.paths[k]
                z[row, : len(path)] = path.to(z)
            paths[rows] = z if same else coarse.string.at(z, action.string.elapsed()[rows])
        return paths

    def _on_frames(self) -> bool:
        return self.options.discretisation == "frames" or self.options.method == "adam"

    def inspect(self, k: int, *, steps: int = 16, dense_limit: int = 300) -> Inspection | None:
        """The spectrum and the forces at the solutions of the k-th lambda; None where there is no stretch.

        Args:
            k: number of the lambda.
            steps: of Lanczos's method, at most.
            dense_limit: Hessians of at most so many unknowns are diagonalised instead.
        """
        gap = torch.arange(len(self.gaps))
        index = ((torch.arange(len(self.residual))[:, None] * len(self.couplings) + k) * len(self.gaps) + gap).flatten()
        parts, order = [], []
        with torch.inference_mode(False), torch.no_grad():
            for some in self.chunks(index):
                nodes = int(self.nodes.view(-1)[some[0]]) or None
                action, z = self.action(some, nodes), self.found(some, nodes)
                limits = {"steps": steps, "accuracy": 0.1, "dense_limit": dense_limit}
                parts.append(inspect(action, z, weight=action.string.weight, **limits))
                order.append(some)
        return in_order(parts, torch.cat(order)) if parts else None

    def _query(self, which: Tensor) -> Tensor | None:
        if self.query is None or self.single:
            return None if self.query is None else self.query[0]
        return self.query[which.to(self.query.device), None]

    def frames(self, gap: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which node of which problem is which of the recovered frames, for problems in the stretches `gap`."""
        count = self.gaps.count[gap]
        problem = torch.arange(len(gap)).repeat_interleave(count)
        since = torch.arange(len(problem)) - (count.cumsum(0) - count)[problem]
        first = self.gaps.count.cumsum(0) - self.gaps.count
        recovered = first[gap][problem] + since
        return problem, self.gaps.node_of[recovered], recovered

    def _remember(self, index: Tensor, history: Tensor) -> None:
        """Note the action after each iteration of the problems at `index`, for all the last one repeated."""
        longer = max(len(self.history), len(history))
        past = _repeat_last(self.history, longer)
        past.view(longer, -1)[:, index] = _repeat_last(history, longer)
        self.history = past


def _repeat_last(history: Tensor, length: int) -> Tensor:
    if not len(history):
        return history.new_zeros(length, *history.shape[1:])
    if len(history) == length:
        return history
    return torch.cat([history, history[-1:].expand(length - len(history), *history.shape[1:])])
