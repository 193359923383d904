"""How long a job may take, and for whom: a deadline, a stop and a lost visitor end the wait for it at once.

gradio's `time_limit` does not end plain functions, and it stops a generator only between two of its items. So a job's
steps are computed in a thread of its own, one whenever one is asked for, and while it computes `paced` yields None
twice a second. When `paced` ends before the job does, the job is closed as soon as its step is over: the place in the
queue is free at once, the processor after that step.
"""

import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import gradio as gr
from gradio.context import LocalContext

__all__ = ["BEAT_SECONDS", "DEADLINE_SECONDS", "paced", "still_wanted"]

DEADLINE_SECONDS: Final = 900.0
"""One job may take this long; a Space has other visitors."""
BEAT_SECONDS: Final = 0.5

Item = TypeVar("Item")


def paced(
    job: Iterator[Item], *, deadline_seconds: float | int, wanted: Callable[[], bool] = lambda: True
) -> Iterator[Item | None]:
    """The job's items as they come, and None every half second while the next one is awaited.

    Args:
        job: a generator, which is closed at the end.
        deadline_seconds: wall time after which to give up.
        wanted: asked twice a second whether anybody still waits.

    Raises:
        ValueError: if the deadline passes or nobody waits, in words; or whatever the job raises.
    """
    start = asked = time.monotonic()
    ask: queue.SimpleQueue[bool] = queue.SimpleQueue()
    answer: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    # With the caller's context: a Space that lends its GPU looks there for whom.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(_work, job, ask, answer), name="job", daemon=True)
    thread.start()
    try:
        while True:
            ask.put(True)
            told = None
            while told is None:
                with contextlib.suppress(queue.Empty):
                    told = answer.get(timeout=BEAT_SECONDS)
                now = time.monotonic()
                if now - start > deadline_seconds:
                    raise ValueError(
                        f"The run was given up after {deadline_seconds / 60:.2g} minutes; use fewer frames or a "
                        "smaller encoder."
                    )
                if now - asked >= BEAT_SECONDS:  # also where the job itself gives many signs of life
                    asked = now
                    if not wanted():
                        raise ValueError("The run was given up, because nobody waits for it.")
                if told is None:
                    yield None
            kind, value = told
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        ask.put(False)
        thread.join(BEAT_SECONDS)  # a job between two steps is closed before this returns


def _work(job: Iterator[Any], ask: queue.SimpleQueue, answer: queue.SimpleQueue) -> None:
    try:
        with contextlib.closing(job) if hasattr(job, "close") else contextlib.nullcontext():
            while ask.get():
                try:
                    answer.put(("item", next(job)))
                except StopIteration:
                    answer.put(("end", None))
                    return
    except BaseException as error:  # the thread's own end: it is told to whoever waits
        answer.put(("error", error))


def still_wanted(page: gr.Blocks) -> Callable[[], bool]:
    """Whether the client of the event that is being computed here is still there, and has not cancelled it.

    gradio tells that to generators by closing them; plain functions have to look into its queue.
    """
    event = LocalContext.event_id.get(None)

    def wanted() -> bool:
        jobs = [job for jobs in getattr(page._queue, "active_jobs", ()) for job in jobs or ()]
        return all(job.alive for job in jobs if job._id == event)

    return wanted
