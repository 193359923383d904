"""Stages of the main job with small made-up numbers, for tests of what shows them.

`stages()` yields what `slap_core.analysis.analyse_stages` would, in its order, in milliseconds and without any network;
the numbers are consistent with one another (SLAP recovers best, by construction), but mean nothing.
"""

import torch

from slap_core import sphere
from slap_core.concepts import Nearest, nearest
from slap_core.stages import (
    Analysis,
    Compared,
    Decoded,
    Encoded,
    ObjectPath,
    Projected,
    Scanned,
    Settings,
    Slotted,
    Solid,
    Solved,
    Stage,
    Tracked,
)
from slap_core.types import Certificate, Clip, Energies, Latents, Path, Result, Solution, Tokens

METHODS = ("ZOH", "LERP", "SLERP", "SLAP")


class FakeEncoder:
    """An encoder that projects mean colours at random; unit latents, no weights."""

    name = "fake"
    dim = 16

    def __call__(self, clip: Clip) -> Latents:
        colours = clip.frames.float().mean((1, 2)) / 255
        return Latents(sphere.normalize(colours @ self._matrix() + 0.1), clip.times)

    def encode(self, clip: Clip) -> tuple[Latents, Tokens]:
        patches = torch.nn.functional.adaptive_avg_pool2d(clip.frames.permute(0, 3, 1, 2).float() / 255, 4)
        return self(clip), Tokens(patches.permute(0, 2, 3, 1) @ self._matrix(), clip.times)

    def text(self, prompts: list[str]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(len(prompts))
        return sphere.normalize(torch.randn(len(prompts), self.dim, generator=generator))

    def unknown_words(self, text: str) -> list[str]:
        return [word for word in text.split() if word.startswith("x")]

    def _matrix(self) -> torch.Tensor:
        return torch.randn(3, self.dim, generator=torch.Generator().manual_seed(7))


def clip(frames: int = 24, *, height: int = 48, width: int = 64, name: str = "fake.mp4") -> Clip:
    """A red square that crosses a grey picture, at uneven times."""
    picture = torch.full((frames, height, width, 3), 200, dtype=torch.uint8)
    for index in range(frames):
        left = int(index / max(frames - 1, 1) * (width - width // 5))
        picture[index, height // 3 : 2 * height // 3, left : left + width // 5] = torch.tensor([200, 40, 30]).byte()
    times = torch.arange(frames, dtype=torch.float64) * 0.1
    return Clip(picture, times + 0.02 * torch.sin(times * 9), name=name)


def stages(
    frames: int = 24,
    *,
    query: str = "a red ball",
    settings: Settings | None = None,
    seed: int = 0,
    name: str = "fake.mp4",
) -> list[Stage]:
    """The nine stages of a made-up analysis, in order."""
    settings = settings or Settings()
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    movie = clip(frames, name=name)
    kept, dropped = movie.kept_index(settings.keep_every)
    turn = torch.linspace(0, 2.2, frames)[:, None]
    basis = torch.linalg.qr(noise(16, 3)).Q.T
    truth = sphere.normalize(turn.cos() * basis[0] + turn.sin() * basis[1] + 0.4 * (3 * turn).sin() * basis[2])
    latents = Latents(truth, movie.times)
    seen, gone = latents.select(kept), latents.select(dropped)
    target = sphere.normalize(basis[0] + basis[2]) if query else None

    solutions, energies, drift, alignment = {}, {}, {}, {}
    anchor_path = Path(seen.points, seen.times, "geodesic")
    gaps = int((kept.diff() > 1).sum()) + int(len(dropped) > 0 and dropped[-1] > kept[-1])
    for method, share in zip(METHODS, (0.0, 0.2, 0.25, 0.7), strict=True):
        if method == "ZOH":
            path = Path(seen.points, seen.times, "hold")
        else:
            on_arc = anchor_path(movie.times)
            path = Path(sphere.normalize(on_arc + share * (truth - on_arc)), movie.times, "geodesic")
        certificate = None
        if method == "SLAP":
            certificate = Certificate(
                converged=True, residual=4.1e-6, tolerance=1e-5, coupling=settings.coupling, mass=settings.mass,
                time_unit_seconds=0.4, gaps=gaps - int(dropped.numel() > 0 and int(dropped[-1]) > int(kept[-1])),
                free_ends=int(dropped.numel() > 0 and int(dropped[-1]) > int(kept[-1])),
                unconverged_gaps=0, iterations=9,
            )  # fmt: skip
        result = Result.CONVERGED if method == "SLAP" else Result.CLOSED_FORM
        solutions[method] = Solution(method, path, gone.times, result, certificate)
        speed = torch.zeros(frames)
        if frames > 1:
            steps = sphere.distance(path(movie.times[1:]), path(movie.times[:-1])) / movie.times.diff().float() * 0.4
            speed[1:] += steps / 2
            speed[:-1] += steps / 2
        pull = settings.coupling * (path(movie.times) @ target if target is not None else torch.zeros(frames))
        energies[method] = Energies(
            movie.times, settings.mass * speed**2 / 2, pull, 1 - 0.3 * share + 0.05 * torch.arange(gaps)
        )
        drift[method] = 1 - (path(gone.times) * gone.points).sum(-1)
        if target is not None:
            alignment[method] = path(movie.times) @ target
    if target is not None:
        alignment["truth"] = truth @ target

    couplings = torch.tensor(settings.couplings)
    slerp = float(drift["SLERP"].mean()) if len(dropped) else 0.0
    curve = slerp * (1 - 0.5 * torch.exp(-((couplings - 0.4) ** 2) / 0.2) + 0.02 * couplings)

    def projected(method: str) -> Projected:
        scale = 1.0 if method == "PCA" else 6.0
        flat = basis[:2].T * scale
        return Projected(
            method=method,
            truth=truth @ flat,
            anchors=seen.points @ flat,
            paths={m: s.path(movie.times) @ flat for m, s in solutions.items()},
            steps=movie.times.float(),
            recovered={m: s.points @ flat for m, s in solutions.items()},
            query=None if target is None else target @ flat,
            scan=None if method == "PCA" else (gone.points @ flat) + 0.05 * couplings[:, None, None],
            trustworthiness=0.94 if frames >= 8 else None,
            seed=settings.seed,
            solid=Solid(
                truth=truth @ basis[:3].T,
                paths={m: s.path(movie.times) @ basis[:3].T for m, s in solutions.items()},
                query=None if target is None else target @ basis[:3].T,
                scan=None if method == "PCA" else (gone.points @ basis[:3].T) + 0.05 * couplings[:, None, None],
                explained=0.8,
            ),
            note="" if frames > 3 or method == "PCA" else "PCA stands in for UMAP: four points are needed.",
        )

    looked_at = torch.unique(torch.linspace(0, frames - 1, min(8, frames)).round().long())
    return [
        Decoded(movie, kept, dropped),
        Encoded(latents, seen, gone, target, query, "fake", tuple(FakeEncoder().unknown_words(query))),
        Solved(solutions, energies, drift, alignment, "static (cosine)"),
        projected("PCA"),
        Scanned(
            couplings=couplings,
            drift=curve,
            alignment=None if target is None else 0.3 + 0.2 * torch.tanh(couplings),
            action=1 - 0.4 * couplings - 0.02 * couplings**2,
            kinetic=0.5 + 0.1 * couplings,
            potential=0.3 + 0.1 * torch.tanh(couplings),
            converged=tuple(float(c) <= 5 for c in couplings),
            coupling_number=torch.where(couplings <= 5, 0.04 + 0.1 * couplings, torch.nan),
            points=gone.points.expand(len(couplings), -1, -1),
            times=movie.times,
            kinetic_curve=0.5 + 0.1 * couplings[:, None] * torch.ones(frames),
            potential_curve=0.3 + 0.01 * couplings[:, None] * torch.ones(frames),
            gap_action=1 - 0.1 * couplings[:, None] * torch.ones(gaps),
            best=int(curve.argmin()) if len(dropped) else None,
        ),
        _compared(latents, kept, dropped, solutions, target, query, settings),
        Slotted(
            frames=looked_at,
            slow=torch.softmax(3 * noise(len(looked_at), 8, 6, 6), dim=1),
            fast=torch.softmax(3 * noise(16, frames, 8), dim=-1),
            grid=(4, 4),
            box=(0.125, 0.0, 0.875, 1.0),
            origin="Made up for a test; no network saw this clip.",
        ),
        Tracked((_object(frames, kept, solutions),), box=(0.125, 0.0, 0.875, 1.0)),
        projected("UMAP" if frames > 3 else "PCA"),
    ]


def _compared(latents, kept, dropped, solutions, target, query, settings):
    """Scores of the query and of the concepts, which are directions at random, with a band of 0.05."""
    words = (*([query] if query else []), *settings.concepts)
    points = torch.cat([target[None]] if query else [torch.zeros(0, 16)])
    others = torch.randn(len(settings.concepts), 16, generator=torch.Generator().manual_seed(5))
    concepts = torch.cat([points, sphere.normalize(others)])
    found = {"truth": latents.points} | {name: solutions[name].path(latents.times) for name in ("SLAP", "SLERP")}
    scores = {name: concepts @ z.mT for name, z in found.items()}
    radius = torch.zeros(len(words), len(latents))
    radius[:, dropped] = 0.05
    within = (scores["SLAP"] - scores["truth"]).abs() <= radius
    frames = {name: nearest(z, latents.points[kept]) for name, z in found.items()}
    return Compared(
        words=words,
        concepts=concepts,
        scores=scores,
        scan=concepts @ latents.points[dropped].expand(len(settings.couplings), -1, -1).mT,
        radius=radius,
        level=0.9,
        held=within[:, dropped].double().mean(-1) if len(dropped) and len(words) else None,
        phrases=words,
        nearest_phrases={name: nearest(z, concepts) for name, z in found.items()},
        nearest_frames={name: Nearest(kept[near.index], near.cosine) for name, near in frames.items()},
        own={name: (found[name] * found["truth"]).sum(-1) for name in ("SLAP", "SLERP")},
    )


def _object(frames, kept, solutions):
    """A disc that moves to the right, seen in the first and the last kept frame alone."""
    seen = torch.zeros(frames, dtype=torch.bool)
    seen[[int(kept[0]), int(kept[-1])]] = True
    place = torch.stack([torch.full((frames,), 0.5), torch.linspace(0.2, 0.8, frames)], -1)
    grid = (torch.arange(6) + 0.5) / 6
    far = torch.hypot(*(grid[:, None] - place[:, 0, None, None], grid[None] - place[:, 1, None, None]))
    there = torch.ones(frames, dtype=torch.bool)
    return ObjectPath(2, seen, there, place, (far < 0.2).float(), {name: solutions[name] for name in ("SLERP", "SLAP")})


def analysis(
    frames: int = 24,
    *,
    query: str = "a red ball",
    settings: Settings | None = None,
    seed: int = 0,
    name: str = "fake.mp4",
) -> Analysis:
    """The made-up stages, collected."""
    settings = settings or Settings()
    decoded, encoded, solved, pca, scanned, compared, slotted, tracked, umap = stages(
        frames, query=query, settings=settings, seed=seed, name=name
    )
    names = ("decode", "encode", "solve", "project (PCA)", "scan", "words", "slots", "objects", "project (UMAP)")
    maps, seconds = {"PCA": pca, "UMAP": umap}, dict.fromkeys(names, 0.1)
    return Analysis(settings, decoded, encoded, solved, scanned, compared, slotted, tracked, maps, seconds)
