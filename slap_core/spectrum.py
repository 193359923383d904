"""How stiff a solution is: the smallest eigenvalues of the action's Hessian, and how many of them are negative.

*The string.* Without a potential, in Euclidean space, the Hessian is mu K; its smallest eigenvalue in the weighted norm
|v|_w^2 = sum_i w_i |v_i|^2 is mu sigma_1,

    K v = sigma W v,    sigma_1 = 1 / largest eigenvalue of W^1/2 G W^1/2,    G = K^-1,

for even steps (4/h^2) sin^2(pi/(2(N+1))), from 8/T^2 (one node) up to, but below, pi^2/T^2.

*The string on the sphere.* Along any path with angles phi_i between neighbours, v^T Hess v >= mu |v|^T J |v|, where |v|
has the nodes' lengths |v_i| as entries and J is the tridiagonal matrix

    J_ii = phi_{i-1} cot(phi_{i-1})/h_{i-1} + phi_i cot(phi_i)/h_i,    J_{i,i+1} = -phi_i / (h_i sin(phi_i)).

Along a geodesic it is attained, by moves out of its plane; of angle theta and with many even steps its smallest
eigenvalue tends to (pi^2 - theta^2)/T^2. So a geodesic shorter than pi is stiff, and one of pi is not.

*The whole Hessian.* Small ones are written out and diagonalised. For large ones Lanczos's method (see `lanczos`) looks
at the operator C Hess, which is self-adjoint in the inner product of C^-1:

    metric "string":    C = tangential part of G/mu: eigenvalues relative to the string, 1 where there is no potential
    metric "weighted":  C = W^-1: eigenvalues of the weighted norm

In the first metric all but a few eigenvalues lie close to 1, however fine the grid, so that few products are needed.
Signs, and so the Morse index (how many eigenvalues are negative), are the same in both.

Source: Parlett, "The Symmetric Eigenvalue Problem", 1998, chapters 4, 10, 13.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from slap_core.action import DiscreteAction
from slap_core.gaps import Gaps, green_matrix, green_product
from slap_core.lanczos import lanczos

__all__ = [
    "Metric",
    "Spectrum",
    "hessian_matrix",
    "hessian_spectrum",
    "kinetic_floor",
    "string_eigenvalue",
    "written_out",
]

Metric = Literal["string", "weighted"]

POWERS = 30
"""After so many products a string's first eigenvalue is computed from the whole matrix."""
LARGE = 2**18
"""Numbers in the padded table of all gaps from which on only gaps of like length are padded together."""


@dataclasses.dataclass(frozen=True, eq=False)
class Spectrum:
    """The lower end of the Hessian's spectrum, problem by problem."""

    eigenvalue: Float64[Tensor, "batch"]
    """The smallest one found: never below the true smallest but for rounding."""
    bound: Float64[Tensor, "batch"]
    """An eigenvalue lies at most this far from it: the residual's norm, and an allowance for rounding."""
    negative: Int[Tensor, "batch"]
    """How many eigenvalues are negative: the Morse index where `exact`, else at most that."""
    exact: Bool[Tensor, "batch"]
    """Whether the whole Hessian was diagonalised."""


def string_eigenvalue(gaps: Gaps) -> Float64[Tensor, "gap"]:
    """sigma_1 of each stretch, even or uneven, held at both ends or at one, in units of 1/T^2."""
    if gaps.elapsed.numel() <= LARGE:
        return _string_eigenvalue(gaps)
    # Padded to the longest, many short gaps would take as much memory as it each.
    size, sigma = torch.frexp(gaps.count.double()).exponent, torch.empty_like(gaps.length)
    for some in size.unique():
        index = (size == some).nonzero().squeeze(1)
        sigma[index] = _string_eigenvalue(gaps.select(index))
    return sigma


def _string_eigenvalue(gaps: Gaps) -> Float64[Tensor, "gap"]:
    weight = gaps.weights()
    root = weight.sqrt()
    # Powers of W^1/2 G W^1/2, from a parabola: a continuous string's second eigenvalue is a quarter of the first, and
    # the quotient's error a sixteenth from one to the next. As all entries are positive none but the first is found.
    reach = torch.where(gaps.free, 2 * gaps.length, gaps.length)[:, None]
    v = root * gaps.elapsed * (reach - gaps.elapsed)
    softness, off = torch.ones_like(gaps.length), torch.full_like(gaps.length, torch.inf)
    for _ in range(POWERS):
        v = torch.nn.functional.normalize(v, dim=1)
        image = root * green_product(gaps, root * v)
        softness = (v * image).sum(1)
        off = (image - softness[:, None] * v).norm(dim=1)
        if bool((off <= 1e-8 * softness).all()):
            break
        v = image
    sigma = 1 / softness
    slow = (off > 1e-8 * softness).nonzero().squeeze(1)  # nodes in two heaps, say
    if len(slow):
        some = gaps.select(slow)
        sigma[slow] = _softest(green_matrix(some), some.weights())
    return sigma


def kinetic_floor(
    action: DiscreteAction, z: Float[Tensor, "batch node dim"], *, weight: Float[Tensor, "batch node"]
) -> Float64[Tensor, "batch"]:
    """A rigorous lower bound of the kinetic Hessian at z in the weighted norm: mu sigma_1, or on the sphere mu J's.

    Args:
        action: the problems; their potentials do not matter.
        z: paths, solutions or not.
        weight: the time that each node stands for; 0 in the padding.
    """
    weight = weight.double()
    matrix = action.string.floor(z)
    if action.springs is not None:
        matrix = matrix + action.springs.floor(z)
    # What is no node is coupled to none and must not count as a soft one.
    exists = action.string.exists()
    stiffest = matrix.abs().sum(-1).amax(-1, keepdim=True) + 1
    matrix = matrix * (exists[:, :, None] & exists[:, None, :]) + torch.diag_embed(torch.where(exists, 0.0, stiffest))
    definite = torch.linalg.eigvalsh(matrix)[:, 0] > 0
    held = torch.where(definite[:, None, None], matrix, torch.eye(matrix.shape[-1]).to(matrix))
    floor = _softest(torch.linalg.inv(held), weight)
    # Indefinite: a soft anchor has no weight to be measured by, which a tiny one says as well.
    scale = weight.clamp_min(1e-9 * weight.amax(-1, keepdim=True)).rsqrt()
    scaled = scale[:, :, None] * matrix * scale[:, None, :]
    return torch.where(definite, floor, torch.linalg.eigvalsh(scaled)[:, 0])


def hessian_spectrum(
    action: DiscreteAction,
    z: Float[Tensor, "batch node dim"],
    *,
    weight: Float[Tensor, "batch node"],
    metric: Metric = "string",
    steps: int = 32,
    accuracy: float | None = None,
    dense_limit: int = 600,
    generator: torch.Generator | None = None,
) -> Spectrum:
    """The lower end of the Riemannian Hessian's spectrum at z, on tangent vectors at nodes that exist.

    Args:
        action: the problems.
        z: their solutions.
        weight: the time that each node stands for; 0 in the padding.
        metric: "string" (eigenvalues without a unit, 1 where there is no potential) or "weighted" (units of mu/T^2).
        steps: of Lanczos's method, one product with the Hessian each.
        accuracy: fewer steps, and P in single precision, are enough where every eigenvalue is known to this part of it
            (see `lanczos`).
        dense_limit: problems of at most so many unknowns are diagonalised instead.
        generator: of the random starts, on the CPU; default: one with a fixed seed.

    Raises:
        ValueError: for fewer than one step, an unknown metric, or the weighted metric with a node of no weight.
    """
    if steps < 1:
        raise ValueError(f"Lanczos's method needs at least 1 step, got {steps}.")
    if metric not in ("string", "weighted"):
        raise ValueError(f'metric must be "string" or "weighted", got {metric!r}.')
    exists = action.string.exists()
    if metric == "weighted" and bool((exists & (weight <= 0)).any()):
        raise ValueError('The weighted metric needs a weight above 0 at each node, got 0; take metric="string".')
    freedom = z.shape[-1] - (action.geometry == "sphere")
    unknowns = exists.sum(-1) * freedom
    small = unknowns <= dense_limit
    value = torch.zeros(len(z), dtype=torch.float64, device=z.device)
    bound, negative = torch.zeros_like(value), torch.zeros_like(unknowns)
    for k in small.nonzero().flatten().tolist():
        matrix = hessian_matrix(action, z, problem=k, weight=weight, metric=metric)
        found = torch.linalg.eigvalsh(matrix)
        rounding = len(found) * torch.finfo(z.dtype).eps * found.abs().amax()
        value[k], bound[k], negative[k] = found[0], rounding, (found < -rounding).sum()
    large = (~small).nonzero().flatten()
    if len(large):
        problems, weight = action.select(large), weight[large]
        precision = z.dtype
        if accuracy is not None and problems.answer is not None:
            # Products in single precision take two thirds of the time, and are exact enough for Lanczos's method.
            problems, precision = problems.rough(), torch.float32
        steps = min(steps, int(unknowns[large].min()))
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        ritz, residual = lanczos(
            problems,
            z[large],
            lambda some: _inverse(problems.select(some), z[large][some], weight[some], metric),
            steps=steps,
            accuracy=accuracy,
            generator=generator,
        )
        rounding = steps * torch.finfo(precision).eps * ritz.nan_to_num(0.0).abs().amax(-1)
        value[large], bound[large] = ritz[:, 0], residual + rounding
        negative[large] = (ritz < -rounding[:, None]).sum(-1)
    return Spectrum(value, bound, negative, small)


def hessian_matrix(
    action: DiscreteAction,
    z: Float[Tensor, "batch node dim"],
    *,
    problem: int,
    weight: Float[Tensor, "batch node"],
    metric: Metric = "weighted",
) -> Float64[Tensor, "unknown unknown"]:
    """One problem's Hessian at z, written out in a basis orthonormal in the metric; arguments as for the spectrum."""
    nodes = action.string.exists()[problem].nonzero().flatten()
    dim = z.shape[-1]
    here = z[problem, nodes]
    if action.geometry == "sphere":  # the other columns of a rotation that has z as its first
        basis = torch.linalg.qr(here[..., None], mode="complete").Q[..., 1:]
    else:
        basis = torch.eye(dim).to(z).expand(len(nodes), dim, dim)
    hessian = written_out(action, z, basis, problem=problem, nodes=nodes)
    inverse = written_out(
        action,
        z,
        basis,
        problem=problem,
        nodes=nodes,
        operator=lambda copies, there: _inverse(copies, there, weight[problem].expand(len(there), -1), metric),
    )
    root = torch.linalg.cholesky(inverse)
    return root.mT @ hessian @ root


def written_out(
    action: DiscreteAction,
    z: Float[Tensor, "batch node dim"],
    basis: Float[Tensor, "some dim freedom"],
    *,
    problem: int,
    nodes: Int[Tensor, "some"],
    operator: Callable[[DiscreteAction, Tensor], Callable[[Tensor], Tensor]] = DiscreteAction.hessian,
) -> Float64[Tensor, "unknown unknown"]:
    """A symmetric operator of one problem at z, by default its Hessian, in a basis of tangent vectors at some nodes.

    Unknowns are ordered node by node.

    Args:
        action: the problems.
        z: paths.
        basis: tangent vectors at the nodes.
        problem: which problem.
        nodes: which of its nodes.
        operator: from problems and paths to what applies the operator.
    """
    size, freedom = len(nodes) * basis.shape[-1], basis.shape[-1]
    rows = []
    for unknown in torch.arange(size, device=z.device).split(256):  # as many copies of the path at a time
        moves = z.new_zeros(len(unknown), z.shape[1], z.shape[2])
        which = unknown // freedom
        moves[torch.arange(len(unknown), device=z.device), nodes[which]] = basis[which, :, unknown % freedom]
        copies = action.select(torch.full((len(unknown),), problem, device=z.device))
        images = operator(copies, z[problem].expand(len(unknown), *z.shape[1:]))(moves)
        rows.append(torch.einsum("und,ndf->unf", images[:, nodes], basis).reshape(len(unknown), size).double())
    matrix = torch.cat(rows) if rows else z.new_zeros(0, 0).double()
    return (matrix + matrix.mT) / 2


def _inverse(action: DiscreteAction, z: Tensor, weight: Tensor, metric: Metric) -> Callable[[Tensor], Tensor]:
    """What applies C, from forces to moves."""
    if metric == "string":
        return lambda force: action.precondition(z, force)
    response = torch.where(weight > 0, 1 / weight.clamp_min(torch.finfo(weight.dtype).tiny), 0.0)
    return lambda force: response[..., None] * force


def _softest(green: Float64[Tensor, "batch node node"], weight: Float64[Tensor, "batch node"]) -> Tensor:
    """The smallest eigenvalue of green^-1 in the weighted norm; padding has no weight."""
    if not green.numel():
        return green.new_zeros(len(green))
    root = weight.sqrt()
    return 1 / torch.linalg.eigvalsh(root[:, :, None] * green * root[:, None, :])[:, -1]
