"""One run of the main job as the page does it, timed stage by stage: the stages, the figures, their JSON.

The page's own lines are run (`analysis.analyse_steps`, `figures.update`, `View.to_json`), one after the other. Only the
encoder is loaded here, as `recovery` would load it, for its time to be known; it remembers as the page's does, but sees
nothing ahead (`overlap` tells what that spares).
"""

import contextlib
import dataclasses
import pathlib
import statistics
import time
from collections.abc import Callable, Generator
from typing import Final

from slap_core.ahead import Ahead
from slap_core.analysis import DECODED_SIZE, analyse_steps
from slap_core.encoders import OpenClipEncoder
from slap_core.memory import Memory
from slap_core.recovery import recover_steps
from slap_core.stages import (
    Compared,
    Decoded,
    Encoded,
    Progress,
    Projected,
    Scanned,
    Settings,
    Slotted,
    Solved,
    Stage,
    Tracked,
)
from slap_core.video import read_clip
from slap_core.views.figures import Found, update

__all__ = ["STAGES", "Run", "overlap", "run_as_page"]

NAMES: Final[dict[type, str]] = {
    Decoded: "decode",
    Encoded: "encode",
    Solved: "solve",
    Scanned: "scan",
    Compared: "compare",
    Slotted: "slots",
    Tracked: "track",
}
STAGES: Final = (
    *("decode", "load", "encode", "solve", "project_pca", "scan", "compare", "slots", "track", "project_umap"),
    *("figures", "serialise"),
)
"""In their order; *load* is the encoder's loading, and the last two come after every stage."""


@dataclasses.dataclass(eq=False)
class Run:
    """What a run took, and found."""

    seconds: dict[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """By stage."""
    stages: dict[str, Stage] = dataclasses.field(default_factory=dict)
    """By their names in `STAGES`."""
    megabytes: dict[str, float] = dataclasses.field(default_factory=dict)
    """By view: the JSON that the page gets, all of its states counted."""


def run_as_page(
    path: pathlib.Path,
    query: str,
    settings: Settings,
    *,
    load: Callable[[], OpenClipEncoder],
    memory: Memory,
    clock: Callable[[], float],
) -> Run:
    """A whole run.

    Args:
        path: of the video.
        query: in words.
        settings: of the run; its encoder is a name only.
        load: gives the encoder.
        memory: of earlier runs.
        clock: one of `clocks.CLOCKS`.
    """
    run, found = Run(), Found(settings)

    def recover(decoded: Decoded, prompt: str, chosen: Settings, _: OpenClipEncoder | None) -> Generator:
        begin = clock()
        encoder = load().remembering(memory)
        run.seconds["load"] = clock() - begin
        yield from recover_steps(decoded, prompt, chosen, encoder, memory=memory)

    begin = clock()
    for step in analyse_steps(path, query, recover=recover, memory=memory, **vars(settings)):
        if isinstance(step, Progress):
            continue
        came = clock()
        name = _name(step, run)
        run.stages[name] = step
        run.seconds[name] = came - begin - (run.seconds["load"] if name == "encode" else 0.0)
        views = update(found, step)
        drawn = clock()
        for view, text in {name: view.to_json() for name, view in views.items()}.items():
            run.megabytes[view] = run.megabytes.get(view, 0.0) + len(text) / 1e6
        begin = clock()
        run.seconds["figures"] += drawn - came
        run.seconds["serialise"] += begin - drawn
    return run


def overlap(path: pathlib.Path, max_frames: int, encoder: OpenClipEncoder, *, repeats: int) -> float:
    """How many times faster decoding and encoding are at once, as on the page, than one after the other; wall time.

    Args:
        path: of the video.
        max_frames: that are taken.
        encoder: loaded.
        repeats: of each way, in turn; their medians count.
    """
    ways: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for at_once, seconds in enumerate(ways):
            memory, begin = Memory(), time.perf_counter()
            with Ahead(lambda: encoder, memory) if at_once else contextlib.nullcontext() as arrived:
                clip = read_clip(path, max_frames=max_frames, size=DECODED_SIZE, arrived=arrived)
            encoder.remembering(memory).encode(clip)
            seconds.append(time.perf_counter() - begin)
    return statistics.median(ways[0]) / statistics.median(ways[1])


def _name(step: Stage, run: Run) -> str:
    if isinstance(step, Projected):
        return "project_umap" if "project_pca" in run.stages else "project_pca"
    return NAMES[type(step)]
