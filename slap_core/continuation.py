"""In which order the problems of a scan over lambda are solved, and from where.

Every problem starts from the geodesic. What did not converge is started again from the solution at the nearest lambda
that did.
"""

from collections.abc import Iterator

import torch

from slap_core.problems import Problems

__all__ = ["solve_all"]


def solve_all(problems: Problems) -> Iterator[None]:
    """Solve them; after each batch comes a place to stop."""
    for index in problems.chunks():
        problems.solve(index)
        yield
    yield from _again(problems)


def _again(problems: Problems) -> Iterator[None]:
    """The problems that converged at another lambda only."""
    converged = problems.residual <= problems.options.tolerance
    apart = (problems.couplings[:, None] - problems.couplings).abs()
    nearest = apart[None, :, :, None].where(converged[:, None], torch.inf).min(2)
    number = torch.arange(converged.numel()).reshape(converged.shape)
    source = number.gather(1, nearest.indices)
    problems.nodes = torch.where(converged, problems.nodes, problems.nodes.flatten()[source])
    for index in problems.chunks(number[~converged & nearest.values.isfinite()]):
        problems.solve(index, source.flatten()[index])
        yield
