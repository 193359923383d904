"""How sure a path is: the Laplace approximation of exp(-S/tau) around the path of least action.

With H the Riemannian Hessian of the action at the recovered frames, the posterior is a normal distribution on tangent
vectors with covariance tau H^-1 (see `posterior` for what follows).

H is large (frames times dimensions) but simple: it bends only in a few directions, those of the path, of the query, of
the pull and of the potential's curvature. In their span, a basis of some dozen vectors, H is written out; in the many
directions beyond it is one small matrix for all, the string's with the potential's mean curvature there. Where the
basis spans the whole space nothing is approximated.

**Temperature.** tau turns action into log-probability. Without a pull the posterior is Brownian motion on the sphere,
pinned at the anchors, with variance tau/mu per unit of time and dimension. The step theta over a gap of length L says
tau_k = mu theta^2/L/(dim - 1) of that gap, and the mean over the clip says what to expect of any. Scenes are now calm,
now lively: each stretch takes the mean of its own tau_k and the clip's, the shrunken estimate of empirical Bayes; a
free end, which has no far anchor, the clip's. One step alone says little of a clip (two anchors that happen to look
alike would promise that nothing moves between them): there, and where there is none, a typical step counts as one more.

Bands around hidden frames are narrower than the truth asks for: `python -m slap_core.benchmarks.bands` measures by how
much, and `Posterior.scaled` corrects it.

Where H is not positive the path is no strict minimum, and the band only as honest as the floor under its eigenvalues.
"""

import dataclasses

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from slap_core import sphere
from slap_core.action import DiscreteAction, evaluate_potential
from slap_core.gaps import find_gaps
from slap_core.posterior import Band, Posterior
from slap_core.problems import Problems
from slap_core.spectrum import written_out

__all__ = ["anchors_temperatures", "posterior_of"]

RANK = 24
"""Vectors of the basis in which the Hessian is written out."""
PROBES = 8
"""Random vectors that look for the potential's curvature."""
TYPICAL = 0.4
"""Mean squared step over a gap, squared radians: measured on validation scenes of Tunnel World, bundled encoder."""
MOST = 48
"""Frames of a stretch, evenly over it, at which the covariance is computed."""
FLOOR = 0.02
"""Eigenvalues below this share of the string's smallest are raised to it."""


def posterior_of(problems: Problems, k: int, *, temperature: float | None = None, rank: int = RANK) -> Posterior:
    """The posterior around the solution at the k-th lambda.

    Args:
        problems: solved, for one query.
        k: number of the lambda.
        temperature: tau of all stretches; by default each has its own, from the steps between anchors.
        rank: vectors of the basis.

    Raises:
        ValueError: for several queries, whose bands differ.
    """
    if not problems.single:
        raise ValueError("A band belongs to one query, got several; solve for each of them.")
    gaps = problems.gaps
    recovered = gaps.times[~gaps.is_anchor]
    tau = anchors_temperatures(problems) if temperature is None else [temperature] * len(gaps)
    bands = []
    for stretch in range(len(gaps)):
        frames = (gaps.gap_of == stretch).nonzero().flatten()
        if len(frames) > MOST:
            even = frames[torch.linspace(0, len(frames) - 1, MOST).round().long()]
            soft = frames[gaps.soft[stretch, gaps.node_of[frames]] >= 0]
            frames = torch.cat([even, soft]).unique()
        bands.append(_band(problems, k, recovered[frames], problems.points[0, k, frames], tau=tau[stretch], rank=rank))
    query = None if problems.query is None else problems.query[0].double().cpu()
    return Posterior(tuple(bands), query)


def anchors_temperatures(problems: Problems) -> list[float]:
    """The tau of each stretch, from the steps between neighbouring anchors; with fewer than two, from a typical one."""
    gaps, points, times = problems.gaps, problems.anchors.double().cpu(), problems.seen.times
    length = times.diff() / gaps.time_unit_seconds
    flat = problems.options.geometry == "euclidean"
    apart = (points[1:] - points[:-1]).norm(dim=-1) if flat else sphere.distance(points[1:], points[:-1])
    per_direction = problems.options.mass / (points.shape[1] - (not flat))
    own = per_direction * apart.square() / length
    clip = float((own if len(own) > 1 else torch.cat([own, own.new_tensor([per_direction * TYPICAL])])).mean())
    found = []
    for start, stop, free in zip(gaps.start.tolist(), gaps.stop.tolist(), gaps.free.tolist(), strict=True):
        found.append(clip if free else (clip + float(own[start:stop].mean())) / 2)
    return found


def _band(problems: Problems, k: int, times: Tensor, points: Tensor, *, tau: float, rank: int) -> Band:
    """The posterior at some frames of one stretch, which are the nodes of its string here."""
    stiffness = problems.stiffness
    gaps = find_gaps(problems.seen.times, times, soft=None if stiffness is None else stiffness.isfinite())
    own = int(gaps.gap_of[torch.isin(gaps.times[~gaps.is_anchor], times)][0])
    node = gaps.node_of[gaps.gap_of == own]
    scale = gaps.time_unit_seconds / problems.gaps.time_unit_seconds
    gaps = gaps.select(torch.tensor([own]))
    gaps = dataclasses.replace(gaps, elapsed=gaps.elapsed * scale, length=gaps.length * scale)
    with torch.inference_mode(False), torch.no_grad():
        action = DiscreteAction.of(
            problems.options.potential,
            problems.anchors,
            gaps,
            gap=torch.tensor([0]),
            coupling=problems.couplings[k : k + 1],
            query=None if problems.query is None else problems.query[0],
            mass=problems.options.mass,
            geometry=problems.options.geometry,
            stiffness=stiffness,
        )
        z = problems.anchors.new_empty(1, len(node), points.shape[-1])
        z[0, node] = points.to(z)
        within, beyond, basis, proper = _covariance(action, z, rank=rank)
        density = _density(action, z)
    return Band(
        times=times,
        weight=gaps.weights()[0, node],
        basis=basis,
        within=tau * within[node][:, :, node],
        beyond=tau * beyond[node][:, node],
        density=density[node],
        temperature=tau,
        proper=proper,
    )


def _covariance(action: DiscreteAction, z: Tensor, *, rank: int) -> tuple[Tensor, Tensor, Tensor, bool]:
    """H^-1 in the span of a basis and in each direction beyond it, the basis, and whether H was positive."""
    path, nodes = z[0], torch.arange(z.shape[1], device=z.device)
    pull, bend = _pull_and_bend(action, z)
    basis = _basis(action, path, pull, bend, rank=min(rank, z.shape[-1]))
    # Tangent vectors in the span: orthogonal to the node.
    if action.geometry == "sphere":
        normal = torch.nn.functional.normalize(path @ basis, dim=-1)
        free = torch.linalg.qr(normal[..., None], mode="complete").Q[..., 1:]
    else:
        free = torch.eye(basis.shape[1]).to(basis).expand(len(path), -1, -1)
    tangent = sphere.tangent(path[:, None], (basis @ free).mT).mT if action.geometry == "sphere" else basis @ free
    floor = FLOOR * torch.linalg.eigvalsh(torch.linalg.inv(action.green[0].double()))[0]
    # The string couples nodes, the potential bends each on its own.
    hessian = written_out(dataclasses.replace(action, potential=None), z, tangent, problem=0, nodes=nodes)
    bent = tangent.mT @ _hessian_products(action, z, tangent.mT).mT
    if action.geometry == "sphere":
        bent = bent - (path * pull).sum(-1)[:, None, None] * torch.eye(bent.shape[-1]).to(bent)
    hessian = hessian - torch.block_diag(*(action.force_weight[0, :, None, None] * (bent + bent.mT) / 2)).double()
    inside, positive = _inverse(hessian, floor)
    size, freedom = len(path), free.shape[-1]
    within = torch.einsum(
        "iaf,ifjg,jbg->iajb", free.double(), inside.reshape(size, freedom, size, freedom), free.double()
    )
    directions = z.shape[-1] - basis.shape[1]
    if not directions:
        return within.cpu(), torch.zeros(size, size).double(), basis.double().cpu(), positive
    matrix = action.string.floor(z)[0]
    if action.springs is not None:
        matrix = matrix + action.springs.floor(z)[0]
    # The potential's mean curvature in the directions beyond.
    probes = bend[0]
    outside = probes - probes @ basis @ basis.mT
    curvature = (_hessian_products(action, z, outside) * outside).sum((-2, -1)) / outside.square().sum()
    if action.geometry == "sphere":
        curvature = curvature - (path * pull).sum(-1)
    beyond, also = _inverse(matrix - torch.diag_embed((action.force_weight[0] * curvature).double()), floor)
    return within.cpu(), beyond.cpu(), basis.double().cpu(), positive and also


def _pull_and_bend(action: DiscreteAction, z: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """P's gradient at each node, random probes, and what P's Hessian makes of them at each node."""
    probes = torch.randn(PROBES, z.shape[-1], generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(z)
    if action.potential is None:
        return torch.zeros_like(z[0]), (probes, z.new_zeros(z.shape[1], *probes.shape))
    _, pull = action.pull(z)
    return pull[0], (probes, _hessian_products(action, z, probes))


def _hessian_products(action: DiscreteAction, z: Tensor, vectors: Tensor) -> Float[Tensor, "node vector dim"]:
    """What P's Hessian in flat space makes of the vectors at each node, the same at all or each its own."""
    if action.potential is None:
        return z.new_zeros(z.shape[1], *vectors.shape[-2:])
    with torch.enable_grad():
        leaf = z[0, :, None].expand(-1, vectors.shape[-2], -1).clone().requires_grad_(True)
        query = action.query[0] if action.query is not None and action.query.ndim == 3 else action.query
        value = evaluate_potential(action.potential, leaf, query)
        (pull,) = torch.autograd.grad(value.sum(), leaf, create_graph=True)
        if not pull.requires_grad:  # P is linear in z
            return torch.zeros_like(leaf)
        (found,) = torch.autograd.grad(pull, leaf, vectors.expand_as(leaf), allow_unused=True)
    return torch.zeros_like(leaf) if found is None else found


def _basis(action: DiscreteAction, path: Tensor, pull: Tensor, bend: tuple[Tensor, Tensor], *, rank: int) -> Tensor:
    """Orthonormal columns: of the path first, then of what pulls, then of where the potential bends most."""
    if rank == path.shape[-1]:
        return torch.eye(rank).to(path)
    known = [torch.cat([action.string.start, path, action.string.stop]), torch.nn.functional.normalize(pull, dim=-1)]
    if action.query is not None:
        known.append(action.query.reshape(-1, action.query.shape[-1])[:1, : path.shape[-1]])
    known.append(bend[1].flatten(0, 1))
    basis = path.new_zeros(path.shape[-1], 0)
    for vectors in known:
        rest = vectors - vectors @ basis @ basis.mT
        if not bool(rest.abs().amax() > 1e-9):
            continue
        _, size, rows = torch.linalg.svd(rest, full_matrices=False)
        chosen = rows[size > 1e-6 * size[0].clamp_min(1e-3)][: rank - basis.shape[1]]
        basis = torch.linalg.qr(torch.cat([basis, chosen.mT], 1)).Q
    return basis


def _inverse(matrix: Float64[Tensor, "size size"], floor: Tensor) -> tuple[Float64[Tensor, "size size"], bool]:
    """The inverse of a symmetric matrix whose eigenvalues are raised to the floor, and whether none had to be."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors / values.clamp_min(floor)) @ vectors.mT, bool((values > floor).all())


def _density(action: DiscreteAction, z: Tensor) -> Float64[Tensor, "node"]:
    """T - lambda P at each node: kinetic energy shared between neighbours, as the nodes' weights are."""
    chain = torch.cat([action.string.start[:, None], z, action.string.stop[:, None]], 1)
    flat = action.geometry == "euclidean"
    length = chain.diff(dim=1).norm(dim=-1) if flat else sphere.distance(chain[:, 1:], chain[:, :-1])
    energy = action.string.stiffness * length.square() / 2  # of each step, times its duration
    weight = action.string.weight[0]
    kinetic = (energy[0, 1:] + energy[0, :-1]) / 2 / weight
    gained = torch.zeros_like(weight) if action.potential is None else action.pull(z)[0][0]
    return (kinetic - action.force_weight[0] / weight * gained).double().cpu()
