"""What was found, for a person: the path through anchors and frames, its energies, its certificate."""

import dataclasses

import torch
from jaxtyping import Float64
from torch import Tensor

from slap_core.action import evaluate_potential
from slap_core.certificate import certify, result_of
from slap_core.curvature import tube_bounds
from slap_core.energies import energies
from slap_core.potential import Potential
from slap_core.problems import NODES, Problems
from slap_core.stretches import path_through
from slap_core.types import Solution
from slap_core.uncertainty import posterior_of

__all__ = ["potential_along", "solution_of"]

SMOOTH = 1e-5
"""Accuracy of a polynomial's energies, relative to the largest."""
SPARED = 2
"""Frames for each node from which on the nodes are asked instead."""


def solution_of(
    problems: Problems, k: int, *, inspected: bool = True, bands: bool = False, tube_radius: float | None = None
) -> Solution:
    """The solution at the k-th lambda, once everything is solved.

    Args:
        problems: solved.
        k: number of the lambda.
        inspected: whether the certificate looks at the Hessian's spectrum, which costs about as much as solving.
        bands: whether to say how sure it is, which costs more.
        tube_radius: bound the potential's curvature rigorously within this distance of the path, radians; None: do not.

    Raises:
        ValueError: if such a bound is asked of a potential whose layers are not known.
    """
    options, gaps = problems.options, problems.gaps
    stiffness = problems.stiffness
    hard = problems.seen if stiffness is None else problems.seen.select(stiffness.isinf().nonzero().squeeze(1))
    points = problems.points[0, k] if problems.single else problems.points[:, k]
    interpolation = "geodesic" if options.geometry == "sphere" else "linear"
    path = path_through(hard, gaps, points, interpolation=interpolation)
    iterations = int(problems.iterations[:, k].max()) if len(gaps) else 0
    certificate = certify(
        gaps,
        problems.residual[:, k],
        tolerance=options.tolerance,
        coupling=float(problems.couplings[k]),
        mass=options.mass,
        iterations=iterations,
        geometry=options.geometry,
        inspection=problems.inspect(k) if inspected else None,
        **({} if tube_radius is None else _bounds(problems, k, tube_radius)),
        discretisation_error=problems.error[:, k],
        nodes=problems.nodes[:, k],
    )
    known = torch.full((len(problems.residual), len(path.times)), torch.nan, dtype=torch.float64)
    known[:, torch.searchsorted(path.times, gaps.times[~gaps.is_anchor])] = potential_along(problems, k)
    found = energies(
        path,
        options.potential,
        problems.query if problems.query is None or not problems.single else problems.query[0],
        anchor_times=hard.times,
        coupling=float(problems.couplings[k]),
        mass=options.mass,
        time_unit_seconds=gaps.time_unit_seconds,
        geometry=options.geometry,
        device=problems.anchors.device,
        known=known[0] if problems.single else known,
    )
    if len(problems.history):  # what was minimised: a few frames may be too coarse a grid for the action
        action = problems.history[-1, :, k].to(found.action)
        found = dataclasses.replace(found, action=action[0] if problems.single else action)
    return Solution(
        method="SLAP",
        path=path,
        times=problems.requested,
        result=result_of(certificate, stalled=bool(problems.stalled[:, k].any())),
        certificate=certificate,
        energies=found,
        history=problems.history[: iterations + 1, :, k].sum((1, 2)),
        posterior=posterior_of(problems, k) if bands else None,
    )


def potential_along(problems: Problems, k: int) -> Float64[Tensor, "query recovered"]:
    """P at the recovered frames of the k-th lambda, where they outnumber the nodes that tell as much; NaN elsewhere.

    Along a path P is a smooth function of time as well: it is asked at a few Gauss nodes, and a polynomial has the
    values between them. Its nodes are enough where its two highest coefficients are below SMOOTH of the largest |P|.
    """
    found = torch.full(problems.points[:, 0].shape[:-1], torch.nan, dtype=torch.float64)
    gaps = problems.gaps
    number = torch.arange(problems.residual.numel()).reshape(problems.residual.shape)[:, k].flatten()
    on_nodes = problems.nodes.flatten()[number] > 0
    if problems.options.potential is None:
        return found
    for index in problems.chunks(number[on_nodes]):
        own = int(problems.nodes.view(-1)[index[0]])
        for nodes in [count for count in NODES[1:] if count >= own]:
            index = index[gaps.count[index % len(gaps)] >= nodes * SPARED]
            if not len(index):
                break
            gap = index % len(gaps)
            with torch.inference_mode(False), torch.no_grad():
                action = problems.action(index, nodes)
                points = action.string.chain(problems.found(index, nodes))
                value = evaluate_potential(action.potential, points, action.query).double().cpu()[..., None]
            smooth = action.string.pieces.tail(value) <= SMOOTH * value.abs().amax((-2, -1))
            at_frames = (action.string.pieces.interpolation(gaps.elapsed[gap]) @ value).squeeze(-1)
            problem, node, recovered = problems.frames(gap)
            settled = smooth[problem]
            row = (index // len(gaps) // len(problems.couplings))[problem[settled]]
            found[row, recovered[settled]] = at_frames[problem[settled], node[settled]]
            index = index[~smooth]
    return found


def _bounds(problems: Problems, k: int, radius: float) -> dict[str, Tensor | float]:
    """Rigorous bounds of the potential's Hessian around the path of each stretch, as `certify` takes them."""
    potential = problems.options.potential
    if not isinstance(potential, Potential):
        raise ValueError(
            f"Only a slap_core.Potential has rigorous bounds, got {type(potential).__name__}; leave tube_radius out."
        )
    upper, lipschitz = (torch.zeros(problems.residual[:, k].shape, dtype=torch.float64) for _ in range(2))
    for query in range(len(upper)):
        for gap in range(len(problems.gaps)):
            index = torch.tensor([(query * len(problems.couplings) + k) * len(problems.gaps) + gap])
            nodes = int(problems.nodes[query, k, gap]) or None
            action = problems.action(index, nodes)
            points = problems.found(index, nodes)[0, action.string.exists()[0]]
            question = action.query.reshape(-1, action.query.shape[-1])[0]
            found = tube_bounds(potential, points, question, radius=radius)
            upper[query, gap], lipschitz[query, gap] = found.upper, found.curvature
    return {"curvature_bound": upper, "gradient_lipschitz": lipschitz, "tube_radius": radius}
