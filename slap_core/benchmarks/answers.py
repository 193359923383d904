"""How well questions about clips are answered, by method of recovery and share of frames.

    python -m slap_core.benchmarks.answers --out DIR [--scenes N] [--seeds A-B] [--drawn FOLDER]

Test scenes of Tunnel World, at 100, 50, 25 and 10 % of their frames, evenly. What stands before each question are the
slots of the kept frames, and the path of what is asked about by one of the methods (see `question_paths`): held by all
anchors, or (NAME_shown) by those alone that show it; `slap` is held by those that show it. `oracle` is a path through
the latents of the cut-away, beside the marks of SLAP's. An answer is right where it is, greedily and word for word, the
truth. Splits are those of what is asked about at the moment asked for: visible, hidden, absent.

`question_only`: the language model without any evidence. `ablations`, at 50 % of the frames: all stages, one kind of
evidence alone (after stage 2), no stage 2, no stage 1 (random slots), means or a Q-Former in the place of slots. They
are trained for as long as one another (folders `slot_vlm_*` of the weights; their cards name the commands); `full` is
the shipped projector, which was trained for longer. Intervals are bootstraps over scenes.

With --data LAYOUT:FOLDER it asks about videos that a person has on disk instead (see `question_sets`).
"""

import argparse
import collections
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from slap_core.baselines import Lerp, ZeroOrderHold
from slap_core.benchmarks.output import markdown_table, write
from slap_core.benchmarks.question_sets import LAYOUTS, ask_set, read_set, summary
from slap_core.benchmarks.seed_range import unseen_seeds
from slap_core.evidence import BRANCHES
from slap_core.language_model import LanguageModel, load_language_model
from slap_core.metrics import bootstrap_interval
from slap_core.pretrained import load_baseline, load_encoder, load_projector, load_slots
from slap_core.question_paths import QuestionPath
from slap_core.slot_vlm import Projector
from slap_core.training.interview_files import gathered
from slap_core.training.interviews import RATES, Asked, Interviews, draw_interviews
from slap_core.training.question_batches import answered, read
from slap_core.training.slot_vlm import methods, unfitted
from slap_core.tunnel_world import CLIP_TYPES

__all__ = ["ABLATIONS", "Answered", "main", "score", "test_methods"]

SCENES: Final = 64
ABLATIONS: Final = {
    "all_stages": ("slot_vlm_short", "slots", BRANCHES),
    "slow_only": ("slot_vlm_single", "slots", ("slow",)),
    "fast_only": ("slot_vlm_single", "slots", ("fast",)),
    "path_only": ("slot_vlm_single", "slots", ("path",)),
    "without_stage_2": ("slot_vlm_joint_only", "slots", BRANCHES),
    "without_stage_1": ("slot_vlm_untrained_slots", "untrained", BRANCHES),
    "mean_pooling": ("slot_vlm_mean", "mean", BRANCHES),
    "q_former": ("slot_vlm_queries", "queries", ("dense", "path")),
}
"""By name: the projector's folder, what stands in the place of slots, and the branches that are shown."""
SPLITS: Final = ("visible", "hidden", "absent")
ABLATED_RATE: Final = 0.5


class Answered:
    """Which questions were answered right, by one way of answering."""

    def __init__(self, asked: Sequence[Asked], right: Bool[Tensor, "question"]) -> None:
        self.asked, self.right = tuple(asked), right

    def share(self, where: Callable[[Asked], bool] = lambda _: True) -> tuple[float, float, float] | None:
        """The share of right answers among some of them, its 95 % interval over scenes; None where there are none."""
        by_scene: dict[int, list[float]] = collections.defaultdict(list)
        for one, right in zip(self.asked, self.right.tolist(), strict=True):
            if where(one):
                by_scene[one.scene].append(float(right))
        if not by_scene:
            return None
        sums = torch.tensor([[sum(row), len(row)] for row in by_scene.values()], dtype=torch.float64)

        def mean(index: Int64[Tensor, "unit"]) -> float:
            right, count = sums[index].sum(0).tolist()
            return right / count

        return mean(torch.arange(len(sums))), *bootstrap_interval(mean, len(sums))


def test_methods() -> dict[str, QuestionPath]:
    """Those that the projector has learned from, LERP, and the rest with those anchors alone that show the thing."""
    return {
        **methods(),
        "lerp": QuestionPath(Lerp(), shown=False),
        "zoh_shown": QuestionPath(ZeroOrderHold()),
        "regressor_shown": QuestionPath(load_baseline("regressor")),
    }


def score(
    interviews: Interviews,
    language: LanguageModel,
    projector: Projector | None,
    asked: Sequence[Asked],
    method: str,
    *,
    variant: str = "slots",
    branches: Sequence[str] = BRANCHES,
) -> Answered:
    """Answers to these questions, clip by clip.

    Args:
        interviews: what they are of.
        language: frozen.
        projector: None: without any evidence.
        asked: the questions.
        method: of the paths.
        variant: of the slots (see `training.question_batches`).
        branches: that are shown.
    """
    by_clip: dict[int, list[Asked]] = collections.defaultdict(list)
    for one in asked:
        by_clip[one.clip].append(one)
    order, right = [], []
    for mine in by_clip.values():
        batch = read(interviews, language, mine, [method] * len(mine), 1, variant=variant)
        right.append(answered(projector, language, batch, () if projector is None else branches))
        order += mine
    return Answered(order, torch.cat(right))


def _rate(rate: float) -> str:
    return f"{100 * rate:g}"


def _number(found: tuple[float, float, float] | None) -> float | None:
    return None if found is None else round(found[0], 4)


@torch.no_grad()
def draw_test(chosen: Int64[Tensor, "scene"]) -> Interviews:
    """Interviews of these scenes at every rate, with paths by every method."""
    slots = load_slots()
    return draw_interviews(
        load_encoder(),
        {"": slots, "untrained": unfitted(slots)},
        test_methods(),
        chosen,
        every_rate=True,
        every_method=True,
        oracle=True,
        dense=True,
    )


def measure(chosen: Int64[Tensor, "scene"], drawn: pathlib.Path | None = None) -> tuple[dict[str, Any], str]:
    """The record and the tables of these scenes.

    Args:
        chosen: their seeds.
        drawn: folder where they are kept once they are drawn; None: nowhere.

    Raises:
        ValueError: if they were drawn with other methods there.
    """
    language, projector = load_language_model(), load_projector()
    if drawn is None:
        interviews = draw_test(chosen)
    else:
        interviews = gathered(drawn, {"methods": ", ".join(test_methods())}, chosen, draw_test, workers=1)
    names = ("zoh", "lerp", "slerp", "latent_ode", "slap", "oracle")
    names += ("zoh_shown", "slerp_shown", "latent_ode_shown", "regressor_shown")
    at = {rate: [one for one in interviews.asked if one.rate == rate] for rate in RATES}
    found = {
        name: {_rate(rate): score(interviews, language, projector, some, name) for rate, some in at.items()}
        for name in names
    }
    alone = score(interviews, language, None, at[RATES[0]], "slap")
    some = at[ABLATED_RATE]
    ablated = {"full": found["slap"][_rate(ABLATED_RATE)]}
    for name, (folder, variant, branches) in ABLATIONS.items():
        network = load_projector(folder)
        if network is not None:
            ablated[name] = score(interviews, language, network, some, "slap", variant=variant, branches=branches)
    return _record(found, alone, ablated, chosen), _tables(found, alone, ablated)


def _record(
    found: Mapping[str, Mapping[str, Answered]],
    alone: Answered,
    ablated: Mapping[str, Answered],
    chosen: Int64[Tensor, "scene"],
) -> dict[str, Any]:
    def each(where: Callable[[Asked], bool]) -> dict[str, dict[str, float | None]]:
        return {name: {r: _number(one.share(where)) for r, one in row.items()} for name, row in found.items()}

    return {
        "overall": each(lambda _: True),
        "hidden": each(lambda one: one.split == "hidden"),
        "visible": each(lambda one: one.split == "visible"),
        "absent": each(lambda one: one.split == "absent"),
        "by_type": {kind: each(lambda one, kind=kind: one.type == kind) for kind in CLIP_TYPES},
        "question_only": _number(alone.share()),
        "question_only_hidden": _number(alone.share(lambda one: one.split == "hidden")),
        "ablations": {name: _number(one.share()) for name, one in ablated.items()},
        "ablations_hidden": {name: _number(one.share(lambda a: a.split == "hidden")) for name, one in ablated.items()},
        "intervals": {name: {r: one.share() for r, one in row.items()} for name, row in found.items()},
        "scenes": len(chosen),
        "questions": len(alone.asked),
        "seeds": [int(chosen[0]), int(chosen[-1])],
    }


def _cell(found: tuple[float, float, float] | None) -> str:
    return "" if found is None else f"{found[0]:.3f} ({found[1]:.3f}–{found[2]:.3f})"


def _short(found: tuple[float, float, float] | None) -> str:
    return "" if found is None else f"{found[0]:.2f}"


def _tables(found: Mapping[str, Mapping[str, Answered]], alone: Answered, ablated: Mapping[str, Answered]) -> str:
    rates = list(map(_rate, RATES))
    head = ["method", *(f"{rate} %" for rate in rates), *(f"hidden, {rate} %" for rate in rates)]
    lines = [
        [
            name,
            *(_cell(row[rate].share()) for rate in rates),
            *(_short(row[rate].share(lambda one: one.split == "hidden")) for rate in rates),
        ]
        for name, row in found.items()
    ]
    words = [_cell(alone.share()), "", "", "", _short(alone.share(lambda one: one.split == "hidden")), "", "", ""]
    tables = [markdown_table(head, [*lines, ["the question alone", *words]])]
    shown = _rate(ABLATED_RATE)
    rows = [
        [kind, *(_short(row[shown].share(lambda one, kind=kind: one.type == kind)) for row in found.values())]
        for kind in CLIP_TYPES
    ]
    rows += [
        [split, *(_short(row[shown].share(lambda one, split=split: one.split == split)) for row in found.values())]
        for split in SPLITS
    ]
    tables.append(markdown_table([f"at {shown} %", *found], rows))
    rows = [
        [name, _cell(one.share()), _short(one.share(lambda a: a.split == "hidden"))] for name, one in ablated.items()
    ]
    tables.append(markdown_table([f"SLAP at {shown} %", "all", "hidden"], rows))
    return "\n\n".join(tables)


def _on_disk(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The record and the table of a data set on disk."""
    layout, _, folder = options.data.partition(":")
    questions = read_set(layout, pathlib.Path(folder).expanduser(), split=options.split)[: options.most]
    found = list(ask_set(questions, rates=RATES, encoder=options.encoder, language=options.language))
    record = summary(found)
    rows = [
        [
            name,
            f"{rate} %",
            _cell(None if row["accuracy"] is None else (row["accuracy"], *row["interval"])),
            "" if row["contained"] is None else f"{row['contained']:.3f}",
            f"{row['questions']}",
            f"{row['failed']}",
        ]
        for name, by_rate in record.items()
        for rate, row in by_rate.items()
    ]
    table = markdown_table(["method", "frames", "right", "contained", "questions", "failed"], rows)
    overall = {name: {rate: row["accuracy"] for rate, row in by_rate.items()} for name, by_rate in record.items()}
    told = {"data": layout, "encoder": options.encoder, "language": options.language}
    return told | {"overall": overall, "rates": record}, table


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How well questions about clips are answered.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for answers.json and .md")
    parser.add_argument("--seeds", default=None, help="A-B: scenes outside of the training split; default: test scenes")
    parser.add_argument("--scenes", type=int, default=SCENES, help="so many test scenes, where no seeds are given")
    parser.add_argument("--drawn", type=pathlib.Path, help="folder where drawn scenes are kept, to be asked again")
    parser.add_argument("--data", default=None, help=f"LAYOUT:FOLDER of a data set on disk; {', '.join(LAYOUTS)}")
    parser.add_argument("--split", default="test", help="of that data set")
    parser.add_argument("--most", type=int, default=None, help="so many of its questions")
    parser.add_argument("--encoder", default="bundled", help="for a data set")
    parser.add_argument("--language", default="bundled", help="language model for a data set")
    options = parser.parse_args(arguments)
    try:
        if options.data is not None:
            write(options.out, "answers", *_on_disk(options))
            return
        record, text = measure(unseen_seeds(options.seeds, options.scenes), options.drawn)
    except ValueError as error:
        parser.error(str(error))
    write(options.out, "answers", record, text)


if __name__ == "__main__":
    main()
