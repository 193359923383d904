"""In which order the problems of a scan over lambda are solved, and from where.

The lowest and the highest lambda come first, then the one in the middle, then those in the middle between these, and
so on. From the third on a path is *predicted*: the polynomial in lambda through the paths found at the nearest lambdas,
which is a step or two from the solution where the geodesic is a dozen. How far off it may be is told by what its
furthest path adds. Where that is much, as beside a lambda at which one branch of solutions ends, and where it does not
lead to a path of no more action than the geodesic's, the problem starts from the geodesic: what is found is then the
same branch of solutions as from there.

What did not converge is started again from the solution at the nearest lambda that did.
"""

import dataclasses
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from slap_core import sphere
from slap_core.problems import Problems

__all__ = ["levels", "predict", "solve_all"]

KNOWN = 6
"""Paths from which one is predicted."""
DOUBTFUL = 0.01
"""A prediction that may be further off than this, radians (or latent units), is not used."""


def solve_all(problems: Problems) -> Iterator[None]:
    """Solve them; after each batch comes a place to stop."""
    geodesics = _Geodesics(problems)
    number = torch.arange(problems.residual.numel()).reshape(problems.residual.shape)
    together = problems.options.method == "adam"  # the paper's own recipe, from the geodesic
    for some in [torch.arange(len(problems.couplings))] if together else levels(problems.couplings):
        index = number[:, some].flatten()
        source, share, doubt = predict(problems, index)
        predicted = (share != 0).sum(1) > 1
        # As many nodes as the two nearest paths have.
        problems.nodes.view(-1)[index] = problems.nodes.view(-1)[source[:, :2]].amax(1).where(predicted, 0)
        for part in problems.chunks(index[predicted]):
            row = torch.searchsorted(index, part)
            start, off = _combined(problems, part, source[row], share[row], doubt[row])
            near = off <= DOUBTFUL
            if bool(near.any()):
                problems.solve(part[near], start[near.to(start.device)], highest=geodesics.values(part[near]))
                yield
        for part in problems.chunks(index[problems.residual.flatten()[index].isinf()]):
            problems.solve(part)
            yield
    yield from _again(problems, geodesics)


def levels(couplings: Float64[Tensor, "coupling"]) -> Iterator[Int[Tensor, "some"]]:
    """Numbers of lambdas in the order above, those that come together in one, increasing."""
    order = couplings.argsort(stable=True)
    last = len(order) - 1
    taken = torch.zeros(len(order), dtype=torch.bool)
    stride = 1 << max(last.bit_length() - 1, 0)
    while stride:
        place = torch.cat([torch.arange(0, last + 1, stride), torch.tensor([last])]).unique()
        place = place[~taken[place]]
        if len(place):
            yield order[place].sort().values
        taken[place] = True
        stride //= 2


def predict(
    problems: Problems, index: Int[Tensor, "some"]
) -> tuple[Int[Tensor, "some known"], Float64[Tensor, "some known"], Float64[Tensor, "some known"]]:
    """From which problems' paths those at `index` are predicted, nearest first; their shares; how far these changed.

    The last is the shares less those without the furthest path. Shares are 0 where too few lambdas converged.
    """
    lambdas, gaps = problems.couplings, len(problems.gaps)
    coupling = index // max(gaps, 1) % len(lambdas)
    candidates = (index - coupling * gaps)[:, None] + torch.arange(len(lambdas)) * gaps
    converged = problems.residual.flatten()[candidates] <= problems.options.tolerance
    first = (lambdas[:, None] == lambdas).int().argmax(1) == torch.arange(len(lambdas))  # of equal ones
    apart = (lambdas[coupling, None] - lambdas).abs().where(converged & first, torch.inf)
    apart, nearest = (values[:, :KNOWN] for values in apart.sort(dim=1, stable=True))
    used = apart.isfinite()
    share = _lagrange(lambdas[nearest], lambdas[coupling], used)
    fewer = _lagrange(lambdas[nearest], lambdas[coupling], used & (used.cumsum(1) < used.sum(1, keepdim=True)))
    source = candidates.gather(1, nearest)
    return source.where(used, source[:, :1]), share, share - fewer


def _lagrange(places: Tensor, at: Tensor, used: Bool[Tensor, "some known"]) -> Float64[Tensor, "some known"]:
    """The share of the value at each place, of those that are used, in the value of the polynomial through them."""
    others = used[:, :, None] & used[:, None, :] & ~torch.eye(places.shape[1], dtype=torch.bool)
    ratio = (at[:, None, None] - places[:, None, :]) / (places[:, :, None] - places[:, None, :])
    return torch.where(others, ratio, 1.0).prod(-1) * used


def _combined(
    problems: Problems, index: Tensor, source: Tensor, share: Tensor, doubt: Tensor
) -> tuple[Float[Tensor, "batch node dim"], Float64[Tensor, "batch"]]:
    """The predicted paths at the nodes of these problems, and how far off any node may be."""
    with torch.inference_mode(False), torch.no_grad():
        number, column = source.unique(return_inverse=True)
        paths = problems.found(number, int(problems.nodes.view(-1)[index[0]]) or None)
        weights = torch.zeros(2, len(index), len(number), dtype=torch.float64)
        weights = weights.scatter_add(2, column.expand(2, -1, -1), torch.stack([share, doubt]))
        z, off = (weights.to(paths) @ paths.flatten(1)).unflatten(-1, paths.shape[1:])
        z = sphere.normalize(z) if problems.options.geometry == "sphere" else z
        return z, off.norm(dim=-1).amax(-1).double().cpu()


class _Geodesics:
    """The actions of the geodesics, linear in lambda: the potential is asked once for all lambdas."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        # By Gauss nodes: the kinetic energy, and the integral of P.
        self.tables: dict[int, Float64[Tensor, "2 query gap"]] = {}

    def values(self, index: Int[Tensor, "batch"]) -> Float64[Tensor, "batch"]:
        """Those of the problems at `index`, at the nodes that they have, all equally many."""
        problems = self.problems
        gaps, lambdas = len(problems.gaps), problems.couplings
        gap, coupling, query = index % gaps, index // gaps % len(lambdas), index // gaps // len(lambdas)
        nodes = int(problems.nodes.view(-1)[index[0]])
        empty = torch.full((2, len(problems.residual), gaps), torch.nan, dtype=torch.float64)
        table = self.tables.setdefault(nodes, empty)
        new = table[0, query, gap].isnan()
        if bool(new.any()):
            strongest = int(lambdas.argmax())
            like = ((query * len(lambdas) + strongest) * gaps + gap)[new].unique()
            with torch.inference_mode(False), torch.no_grad():
                action = problems.action(like, nodes or None)
                z = action.geodesic()
                kinetic = dataclasses.replace(action, potential=None).evaluate(z).value.cpu()
                gained = kinetic - action.evaluate(z).value.cpu()
            gained = gained / lambdas[strongest].clamp_min(torch.finfo(torch.float64).tiny)
            table[:, like // gaps // len(lambdas), like % gaps] = torch.stack([kinetic, gained])
        kinetic, gained = table[:, query, gap]
        return kinetic - lambdas[coupling] * gained


def _again(problems: Problems, geodesics: _Geodesics) -> Iterator[None]:
    """The problems that converged at another lambda only."""
    converged = problems.residual <= problems.options.tolerance
    apart = (problems.couplings[:, None] - problems.couplings).abs()
    nearest = apart[None, :, :, None].where(converged[:, None], torch.inf).min(2)
    number = torch.arange(converged.numel()).reshape(converged.shape)
    source = number.gather(1, nearest.indices)
    problems.nodes = torch.where(converged, problems.nodes, problems.nodes.flatten()[source])
    for index in problems.chunks(number[~converged & nearest.values.isfinite()]):
        start = problems.found(source.flatten()[index], int(problems.nodes.view(-1)[index[0]]) or None)
        problems.solve(index, start, highest=geodesics.values(index))
        yield
