"""Stretches of drawn scenes in which something hides: what the benchmarks of confidence and of bands ask about."""

import argparse
import pathlib
from collections.abc import Sequence

from jaxtyping import Float, Int64
from torch import Tensor

from slap_core.benchmarks.seed_range import unseen_seeds
from slap_core.encoders import OpenClipEncoder
from slap_core.least_action import LeastAction
from slap_core.pretrained import POTENTIALS, chosen_coupling
from slap_core.training.gap_scenes import GapScenes, draw_gap_scenes
from slap_core.tunnel_world import seeds
from slap_core.types import Solution

__all__ = ["arguments_of", "draw", "parser_of", "with_band"]

COUPLING = 0.3
"""Lambda of a potential whose card says none."""


def draw(encoder: OpenClipEncoder, scene_seeds: Int64[Tensor, "scene"]) -> GapScenes:
    """The stretches of these scenes; those are left out whose hidden frames fell between the nodes.

    Raises:
        ValueError: if none is left.
    """
    scenes = draw_gap_scenes(encoder, scene_seeds)
    some = (scenes.hidden & scenes.nodes()).any(1).nonzero().flatten()
    if not len(some):
        raise ValueError("--seeds must be of scenes in which something hides, and none of these hides anything.")
    return scenes.select(some)


def with_band(solver: LeastAction, scenes: GapScenes, number: int, query: Float[Tensor, "dim"]) -> Solution:
    """What a user of the library gets for one stretch and query, with its posterior."""
    *_, (solution,) = solver.scan_chunks(*scenes.asked(number), query, couplings=[solver.coupling], bands=True)
    return solution


def parser_of(description: str, *, files: str) -> argparse.ArgumentParser:
    """The command line that these benchmarks share.

    Args:
        description: of the benchmark.
        files: what it writes.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=pathlib.Path, required=True, help=f"folder for {files}")
    parser.add_argument("--recipe", choices=tuple(POTENTIALS), default="solver", help="which shipped potential")
    parser.add_argument("--seeds", default=None, help="A-B: test scenes; default: the first of the test split")
    parser.add_argument(
        "--scenes", type=int, default=512, help="of validation, and of the test where no seeds are given"
    )
    parser.add_argument("--coupling", type=float, default=None, help="lambda; default: that of the potential's card")
    parser.add_argument(
        "--quick", action="store_true", help="12 scenes of each split: whether it runs, not what it finds"
    )
    return parser


def arguments_of(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, checked; `validation` and `test` are the seeds of the scenes, and `coupling` is a number."""
    options = parser.parse_args(arguments)
    if options.coupling is None:
        options.coupling = chosen_coupling(options.recipe) or COUPLING
    count = 12 if options.quick else options.scenes
    if count < 1 or not 0 <= options.coupling < float("inf"):
        parser.error("--scenes must be at least 1 and --coupling at least 0.")
    try:
        options.test = unseen_seeds(options.seeds, count)
        options.validation = seeds("validation", count)
    except ValueError as error:
        parser.error(str(error))
    return options
