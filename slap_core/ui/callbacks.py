"""What the buttons do: the stages of the main job -> what each part of the page shows.

`run` is a generator, so that the page fills in stage by stage and a cancel ends the job between two steps; closing it
closes the job, and with it the decoder's process. Nothing here keeps anything between two calls. Errors of the library
are sentences for people and are shown; anything else is logged here and told in general words.
"""

import contextlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from slap_core.ui import takeaway
from slap_core.ui.jobs import DEADLINE_SECONDS, paced
from slap_core.views.titles import PROMISES, TITLES

__all__ = ["STAGES", "UNEXPECTED", "blank", "run", "summarise", "typed"]

log = logging.getLogger(__name__)

STAGES = ("decode", "encode", "solve", "map", "scan", "words", "slots", "objects", "UMAP")
"""What the person sees of the nine stages, in their order."""

USUAL_SECONDS = (0.6, 0.8, 0.2, 0.2, 2.0, 0.2, 0.2, 0.8, 1.6)
"""How long they take for a bundled example on two cores: by what a run has taken so far, it tells what is left."""

DOING = (
    "Reading the frames",
    "Encoding the frames and the query",
    "Solving for the paths",
    "Drawing the map (PCA)",
    "Solving again for every λ",
    "Comparing with words and known frames",
    "Finding the slots",
    "Following the objects",
    "Drawing the map (UMAP)",
)

WORDS = {"encoder": 300, "potential": 300, "concepts": 10_000, "sampling": 20, "kept": 4000}
"""The settings that are words, and how many characters are looked at."""

UNEXPECTED = "Something went wrong on the server, and it was logged there. Run it again, or try another clip."
NOT_COMPUTED = "Not computed, because the run ended before it."

ENDPOINT = """What is known of a video once the frames that were dropped have been recovered, in numbers.

Args:
    video: the file.
    query: what to look for, in words; empty for no pull.
    keep_every: keep one frame in so many, 1 to 32.
    coupling: lambda, the pull of the query, 0 to 10.
    concepts: words to follow besides, commas between them.
    sampling: which frames stay, even or random.
    kept: exactly these frames instead, such as 0, 5, 12-14.
"""

Steps = Callable[..., Iterator[Any]]
"""`slap_core.analysis.analyse_steps`, or what stands in for it in a test."""


def blank(name: str, state: str = "empty", message: str = "", *, run: str = "") -> str:
    """The JSON of a view without a figure: what it will show, what it waits for, or what went wrong."""
    view = {"name": name, "title": TITLES[name], "state": state, "message": message or PROMISES[name], "run": run}
    return json.dumps({**view, "headline": "", "caption": "", "description": "", "notes": []})


def run(
    video: str | None, query: str | None, *, steps: Steps, publish: takeaway.Publish, **settings: object
) -> Iterator[dict[str, str]]:
    """What changes on the page, step by step: JSON by the names of the views, "status" and "takeaway".

    Args:
        video: path of the uploaded video.
        query: what to look for, in words.
        steps: yields the stages and `Progress`.
        publish: takes the files that a person may take away to where the browser may fetch them.
        **settings: fields of `Settings`.
    """
    ticket = uuid.uuid4().hex
    progress = _Progress(ticket)
    waiting = dict.fromkeys(TITLES)
    yield {name: blank(name, "loading", run=ticket) for name in waiting} | {
        "status": progress.json(),
        "takeaway": takeaway.waiting("loading", run=ticket),
    }
    try:
        if not video:
            raise ValueError("There is no video yet: upload one, or choose an example.")
        from slap_core.analysis import Collector  # late: the page is up before torch is
        from slap_core.stages import Progress, Settings
        from slap_core.views import figures

        settings = typed(settings)
        chosen = Settings(**settings)
        found, collector = figures.Found(chosen), Collector(chosen)
        job = steps(video, query, **settings)
        with contextlib.closing(paced(job, deadline_seconds=DEADLINE_SECONDS)) as job:
            for step in job:
                if step is None:  # a place to stop
                    changed = {}
                elif isinstance(step, Progress):
                    progress.fraction = step.fraction
                    progress.note = step.note or progress.note
                    changed = {}
                else:
                    collector.add(step)
                    changed = _views(figures.update(found, step), ticket)
                    progress.advance()
                    for name in changed:
                        waiting.pop(name, None)
                yield changed | {"status": progress.json()}
        yield {"takeaway": _files(collector, publish, ticket)}
    except ValueError as error:
        yield _failed(waiting, str(error), progress)
    except Exception:
        log.exception("A run failed")
        yield _failed(waiting, UNEXPECTED, progress)


def _files(collector: Any, publish: takeaway.Publish, ticket: str) -> str:
    """A disk that is full takes away the files, not the figures."""
    try:
        return takeaway.offer(collector.analysis(), publish, run=ticket)
    except OSError:
        log.exception("The files to take away could not be written")
        return takeaway.waiting("failed", run=ticket)


def summarise(
    video: str | None,
    query: str | None,
    *,
    steps: Steps,
    wanted: Callable[[], bool] = lambda: True,
    **settings: object,
) -> dict[str, Any]:
    """The numbers of a whole run (settings, drift of every method, lambda*, certificate, versions), ready for JSON.

    Args:
        video: path of the uploaded video.
        query: what to look for, in words.
        steps: yields the stages and `Progress`.
        wanted: asked twice a second whether anybody still waits.
        **settings: fields of `Settings`.

    Raises:
        ValueError: for a video, query or setting that cannot be used.
    """
    if not video:
        raise ValueError("There is no video: send one.")
    from slap_core.analysis import Collector
    from slap_core.report import summary
    from slap_core.stages import Progress, Settings

    settings = typed(settings)
    collector = Collector(Settings(**settings))
    job = steps(video, query, **settings)
    with contextlib.closing(paced(job, deadline_seconds=DEADLINE_SECONDS, wanted=wanted)) as job:
        for step in job:
            if step is not None and not isinstance(step, Progress):
                collector.add(step)
    return summary(collector.analysis())


class _Progress:
    """The stages done, the one being done, and their seconds."""

    def __init__(self, ticket: str) -> None:
        self.fraction = 0.0
        self.note = ""
        self._ticket = ticket
        self._seconds: list[float] = []
        self._start = self._last = time.monotonic()

    def advance(self) -> None:
        now = time.monotonic()
        self._seconds.append(now - self._last)
        self._last, self.fraction = now, 0.0

    def _left(self) -> str:
        """In words, how long it will still take; nothing while it is not known, or hardly anything is left."""
        done = len(self._seconds)
        if done < 2:
            return ""
        usual = sum(USUAL_SECONDS[:done]) + self.fraction * USUAL_SECONDS[done]
        left = (sum(USUAL_SECONDS) - usual) * (time.monotonic() - self._start) / usual
        if left < 3:
            return ""
        return f" about {left:.0f} s left" if left < 10 else f" about {5 * round(left / 5)} s left"

    def json(self, failure: str = "") -> str:
        done = len(self._seconds)
        finished = done >= len(STAGES)
        stages = []
        for index, name in enumerate(STAGES):
            state = "done" if index < done else "waiting" if index > done else "failed" if failure else "active"
            seconds = f"{self._seconds[index]:.2g} s" if index < done else ""
            stages.append({"name": name, "state": state, "seconds": seconds})
        if failure:
            sentence = failure
        elif finished:
            sentence = f"Done in {self._last - self._start:.3g} s."
        else:
            share = f": {100 * self.fraction:.0f} %" if self.fraction > 0 else ""
            sentence = f"{DOING[done]}{share} …{self._left()}"
        if self.note and not failure:
            sentence = f"{sentence} {self.note}"
        state = "failed" if failure else "ready" if finished else "loading"
        fraction = 0.0 if failure or finished else self.fraction
        return json.dumps(
            {"state": state, "stages": stages, "sentence": sentence, "fraction": fraction, "run": self._ticket}
        )


def typed(settings: dict[str, Any]) -> dict[str, Any]:
    """Sliders give floats, and a browser may send anything: whole numbers are made whole, names are stripped.

    Raises:
        ValueError: for what is no number or no name.
    """
    for name, value in settings.items():
        if name in WORDS:
            good = isinstance(value, str) and len(value) <= WORDS[name]
        else:
            good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
        if not good:
            raise ValueError(f"{name} cannot be used: it must be a {'name' if isinstance(value, str) else 'number'}.")
    if not str(settings.get("encoder", "bundled")).strip():
        settings = settings | {"encoder": "bundled"}
    whole = {name: int(value) for name, value in settings.items() if isinstance(value, float) and value.is_integer()}
    return settings | {name: value for name, value in whole.items() if name in ("keep_every", "max_frames")}


def _views(views: dict[str, Any], ticket: str) -> dict[str, str]:
    import dataclasses

    return {name: dataclasses.replace(view, run=ticket).to_json() for name, view in views.items()}


def _failed(waiting: dict[str, None], sentence: str, progress: _Progress) -> dict[str, str]:
    """The first view that is still awaited says what went wrong; the others, that they were not computed."""
    messages = [sentence, *[NOT_COMPUTED] * len(waiting)]
    views = {
        name: blank(name, "failed", message, run=uuid.uuid4().hex)
        for name, message in zip(waiting, messages, strict=False)
    }
    return views | {
        "status": progress.json(failure=sentence),
        "takeaway": takeaway.waiting("failed", run=uuid.uuid4().hex),
    }
