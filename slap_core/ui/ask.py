"""What Ask does: a question about the chosen video -> what the answer's view shows, step by step.

`answer` is a generator as `callbacks.run` is: closing it closes the job, and with it the language model; nothing is
kept between two calls. The view is the JSON of an `Answer` with

    state       "loading", "ready" or "failed"
    sentence    where the job stands, or what went wrong
    run         the ticket that the browser drew: what carries another one is news of a question that was stopped
"""

import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Final

from slap_core.ui.callbacks import UNEXPECTED, typed
from slap_core.ui.jobs import DEADLINE_SECONDS, paced

__all__ = ["DOING", "SETTINGS", "Ask", "answer"]

log = logging.getLogger(__name__)

SETTINGS: Final = ("keep_every", "encoder", "max_frames", "concepts", "sampling", "kept")
"""The settings of a run that matter to an answer."""
DOING: Final = {
    "decode": "Reading the frames …",
    "encode": "Encoding the kept frames …",
    "answer": "Finding the slots, the path and the words …",
}
LANGUAGE_CHARACTERS: Final = 200

Ask = Callable[..., Iterator[Any]]
"""`slap_core.analysis.ask_steps`, or what stands in for it in a test."""


def answer(
    video: str | None,
    question: object,
    query: str | None = "",
    *,
    ask: Ask,
    language: object = "bundled",
    ticket: str = "",
    **settings: object,
) -> Iterator[str]:
    """The JSON of the view as it changes.

    Args:
        video: path of the uploaded video.
        question: in words.
        query: what the path is of, where the question names nothing.
        ask: yields `Progress` and `Answer`.
        language: name of the language model.
        ticket: what all of it is marked with.
        **settings: those of `SETTINGS`.
    """
    view = {"state": "loading", "sentence": DOING["decode"], "run": ticket}
    yield json.dumps(view)
    try:
        if not video:
            raise ValueError("There is no video yet: upload one, or choose an example.")
        from slap_core.answering import checked_question  # late: the page is up before torch is
        from slap_core.stages import Progress

        asked = checked_question(_words("The question", question))
        name = _words("The language model", language, longest=LANGUAGE_CHARACTERS).strip() or "bundled"
        job = ask(video, asked, query, language=name, **typed(settings))
        with contextlib.closing(paced(job, deadline_seconds=DEADLINE_SECONDS)) as job:
            for step in job:
                if isinstance(step, Progress):
                    share = f" {100 * step.fraction:.0f} %" if step.fraction > 0 else ""
                    view |= {"sentence": DOING.get(step.stage, DOING["answer"]) + share}
                elif step is not None:  # which is a place to stop
                    state, sentence = ("ready", "") if step.done else ("loading", "Answering …")
                    view = dataclasses.asdict(step) | {"state": state, "sentence": sentence, "run": ticket}
                yield json.dumps(view)
    except ValueError as error:
        yield json.dumps({"state": "failed", "sentence": str(error), "run": ticket})
    except Exception:
        log.exception("A question failed")
        yield json.dumps({"state": "failed", "sentence": UNEXPECTED, "run": ticket})


def _words(name: str, given: object, *, longest: int | None = None) -> str:
    """What was given, if it is text; a browser may send anything.

    Raises:
        ValueError: if it is not, or is longer than a name is.
    """
    if not isinstance(given, str):
        raise ValueError(f"{name} must be words, got {type(given).__name__}.")
    if longest is not None and len(given) > longest:
        raise ValueError(f"{name} has a name of {len(given):,} characters; at most {longest} are read.")
    return given
