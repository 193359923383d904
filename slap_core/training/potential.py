"""Train the potential of an encoder, through the solver or by the paper's recipe.

    python -m slap_core.training.potential                                  Tunnel World, through the solver
    python -m slap_core.training.potential --objective paper                Tunnel World, InfoNCE + Sobolev penalty
    python -m slap_core.training.potential --videos DIR --encoder NAME      any videos, without labels

The two recipes are `through_solver` and `info_nce`. Whatever the recipe, the potential is calibrated, and its card
states scores, quantiles of its gradient, and rigorous bounds of gradient and curvature.
"""

import argparse
import pathlib
from collections.abc import Sequence

import torch

from slap_core.cards import write_card
from slap_core.curvature import global_bounds
from slap_core.training import command_line, info_nce, through_solver
from slap_core.training.potential_settings import PaperSettings, SolverSettings
from slap_core.training.team import team

__all__ = ["main"]

WHAT = {
    "paper": "P(z, query): an MLP that is large where a latent agrees with a query. By the paper's recipe{}: {}, then "
    "calibrated to a median gradient of 8 along SLERP paths.",
    "solver": "P(z, query): an MLP shaped through the solver, so that paths of least action from SLERP end near the "
    "latents of what was hidden, for right, wrong and generic queries alike; then calibrated to a median gradient of 8 "
    "along SLERP paths.",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--objective", choices=tuple(WHAT), default="solver")
    objective = first.parse_known_args(arguments)[0].objective
    kind, trainer = {
        "paper": (PaperSettings, info_nce.train),
        "solver": (SolverSettings, through_solver.train),
    }[objective]
    settings = command_line.parse(kind, f"Train a potential, objective {objective}.", arguments)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    potential, scores = trainer(settings)
    if not team().first:
        return
    bounds = global_bounds(potential)
    scores |= {
        "bound everywhere: lipschitz": float(f"{bounds.lipschitz:.6g}"),
        "bound everywhere: curvature": float(f"{bounds.curvature:.6g}"),
    }
    settings.out.mkdir(parents=True, exist_ok=True)
    potential.save_pretrained(settings.out)
    write_card(
        settings.out,
        {
            **_description(settings, WHAT[objective]),
            "trained_on": _material(settings),
            "command": command_line.command("slap_core.training.potential", arguments),
            "seed": settings.seed,
            "scores": scores,
            "licence": "Apache-2.0",
        },
    )


def _description(settings: PaperSettings | SolverSettings, what: str) -> dict[str, str]:
    """Title and words of the card; of the paper's recipe they tell what was left out."""
    title = f"Potential of the {'bundled ' if settings.encoder == 'bundled' else ''}encoder"
    if not isinstance(settings, PaperSettings):
        return {"title": f"{title}, through the solver", "what": what}
    parts = {"Sobolev penalty": settings.gamma > 0, "spectral norm (exact at export)": settings.spectral_norm}
    without = " and ".join(name.split(" (")[0] for name, there in parts.items() if not there)
    without = f" without {without}" if without else ""
    used = ", ".join(["InfoNCE", *(name for name, there in parts.items() if there)])
    return {"title": f"{title}, by the paper's recipe{without}", "what": what.format(without, used)}


def _material(settings: PaperSettings | SolverSettings) -> str:
    if isinstance(settings, PaperSettings):
        return f"{settings.pictures:,} pictures of Tunnel World training scenes, encoder {settings.encoder}"
    if settings.videos is not None:
        return f"the videos of a folder ({pathlib.Path(settings.videos).name}), encoder {settings.encoder}"
    return f"{settings.scenes:,} Tunnel World training scenes with a hidden stretch each, encoder {settings.encoder}"


if __name__ == "__main__":
    main()
