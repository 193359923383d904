"""Two coordinates for every latent that is drawn: PCA at once, UMAP when it is ready.

Both are fitted on the true latents of the clip and on the recovered paths together, so that nothing is drawn outside of
what the projection knows. Once the paths of every lambda are known, one of them, always the same, is fitted in place of
the one that was asked for, which is placed on the map: so the map stays as it is when lambda is another. Latents on the
sphere are compared by the cosine of their angle. The share of neighbourhoods that survive is reported as
*trustworthiness* (Venna and Kaski 2001): near 1 the map can be read, near 0.5 its neighbours mean nothing.
"""

import functools
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.machine import same_threads
from slap_core.memory import Memory, digest, once
from slap_core.stages import Projected, Solid
from slap_core.types import Latents, Solution

__all__ = ["project"]

NEIGHBOURS = 12
FEWEST_FOR_UMAP = 8


def project(
    truth: Latents,
    seen: Latents,
    solutions: Mapping[str, Solution],
    query: Float[Tensor, "dim"] | None,
    *,
    method: Literal["PCA", "UMAP"],
    scan: Float[Tensor, "coupling dropped dim"] | None = None,
    scanned: str = "SLAP",
    seed: int = 0,
    memory: Memory | None = None,
) -> Projected:
    """The latent map of the true latents, the anchors and every method's path.

    The query and the scan are placed on the map that the others make.

    Args:
        truth: latents of all frames.
        seen: latents of the kept frames.
        solutions: by method.
        query: unit latent of the query, drawn as a star.
        scan: recovered latents for other lambdas, increasing.
        scanned: the method whose lambdas they are.
        method: "PCA" (deterministic, instantly) or "UMAP" (seeded). With fewer than 8 distinct points UMAP has no
            neighbourhoods to preserve: the map is PCA then, and its note says so.
        seed: of UMAP.
        memory: of maps that UMAP has made: another lambda makes none anew.
    """
    paths = {name: solution.path(truth.times) for name, solution in solutions.items()}
    dropped, turned = ~torch.isin(truth.times, seen.times), None
    if scan is not None and scanned in paths and scan.numel():
        turned = paths[scanned][dropped]
        paths[scanned] = paths[scanned].clone()
        paths[scanned][dropped] = scan[len(scan) // 2].to(turned)
    points = torch.cat([truth.points, *paths.values()])
    # Anchors lie on every path: drawn often, fitted once.
    distinct, place = np.unique(points.detach().cpu().double().numpy().round(9), axis=0, return_inverse=True)
    note = ""
    if method == "UMAP" and len(distinct) < FEWEST_FOR_UMAP:
        method, note = "PCA", f"UMAP needs at least {FEWEST_FOR_UMAP} different points; this is PCA."
    star = points[:0] if query is None else query[None].to(points)
    others = points[:0] if scan is None else scan.flatten(0, 1).to(points)
    extra = [torch.cat([star, others]), points[:0] if turned is None else turned]
    extra = [rows.detach().cpu().double().numpy() for rows in extra]
    solid, solid_extra, explained = _pca(distinct, extra, axes=3)
    flat, flat_extra = (
        _umap(distinct, extra, seed, memory) if method == "UMAP" else (solid[:, :2], [e[:, :2] for e in solid_extra])
    )
    placed, solid_placed = torch.from_numpy(flat_extra[0]), torch.from_numpy(solid_extra[0])
    parts = torch.from_numpy(flat[place.reshape(-1)]).split(len(truth))
    solid_parts = torch.from_numpy(solid[place.reshape(-1)]).split(len(truth))
    paths = dict(zip(solutions, parts[1:], strict=True))
    solid_paths = dict(zip(solutions, solid_parts[1:], strict=True))
    if turned is not None:
        for drawn, rows in ((paths, flat_extra[1]), (solid_paths, solid_extra[1])):
            drawn[scanned] = drawn[scanned].clone()
            drawn[scanned][dropped] = torch.from_numpy(rows)
    return Projected(
        method=method,
        truth=parts[0],
        anchors=parts[0][torch.isin(truth.times, seen.times)],
        paths=paths,
        steps=truth.times,
        recovered={name: paths[name][torch.isin(truth.times, solutions[name].times)] for name in solutions},
        query=None if query is None else placed[0],
        scan=None if scan is None else placed[len(star) :].view(*scan.shape[:2], 2),
        trustworthiness=_trustworthiness(truth.points, parts[0]),
        seed=seed,
        solid=Solid(
            truth=solid_parts[0],
            paths=solid_paths,
            query=None if query is None else solid_placed[0],
            scan=None if scan is None else solid_placed[len(star) :].view(*scan.shape[:2], 3),
            explained=explained,
        ),
        note=note,
    )


def _pca(points: np.ndarray, extra: list[np.ndarray], *, axes: int) -> tuple[np.ndarray, list[np.ndarray], float]:
    """Exact PCA by the singular value decomposition, with the sign fixed: each axis's largest loading is positive.

    Last comes the share of the variance that the axes hold; 1 where there is none.
    """
    mean = points.mean(0)
    _, size, found = np.linalg.svd(points - mean, full_matrices=False)
    found = found[:axes]
    if len(found) < axes:  # a single point has no second axis
        found = np.concatenate([found, np.zeros((axes - len(found), points.shape[1]))])
    found = found * np.where(np.take_along_axis(found, np.abs(found).argmax(1)[:, None], 1) < 0, -1.0, 1.0)
    whole = float(np.square(size).sum())
    explained = float(np.square(size[:axes]).sum()) / whole if whole else 1.0
    return (points - mean) @ found.T, [(rows - mean) @ found.T for rows in extra], explained


def _umap(
    points: np.ndarray, extra: list[np.ndarray], seed: int, memory: Memory | None
) -> tuple[np.ndarray, list[np.ndarray]]:
    import umap  # numba compiles on first use: never at import
    from sklearn.metrics.pairwise import cosine_distances

    # All distances at once: umap itself asks for the cosine of each pair from Python where points are few.
    def fitted() -> tuple[Any, np.ndarray]:
        neighbours = min(NEIGHBOURS, len(points) - 1)
        model = umap.UMAP(n_neighbors=neighbours, min_dist=0.15, metric="precomputed", random_state=seed, n_jobs=1)
        return model, model.fit_transform(cosine_distances(points).astype(np.float32)).astype(np.float64)

    def placed(rows: np.ndarray) -> np.ndarray:
        if not len(rows):
            return np.zeros((0, 2))
        return model.transform(cosine_distances(rows, points).astype(np.float32)).astype(np.float64)

    key = ("umap", digest(torch.from_numpy(points)), seed)
    with same_threads(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*precomputed metric")  # which is meant
        model, flat = once(memory, key, fitted)
        # Each by itself: where a row is placed depends a little on those that are placed with it.
        found = [
            once(memory, (*key, digest(torch.from_numpy(rows))), functools.partial(placed, rows)) for rows in extra
        ]
    return flat, found


def _trustworthiness(latents: Float[Tensor, "time dim"], flat: Float[Tensor, "time 2"]) -> float | None:
    from sklearn.manifold import trustworthiness

    if len(latents) < FEWEST_FOR_UMAP:
        return None
    neighbours = min(5, (len(latents) - 1) // 2)
    return float(
        trustworthiness(latents.detach().cpu().double().numpy(), flat.numpy(), n_neighbors=neighbours, metric="cosine")
    )
