"""Jobs that are paced: items in order, a beat while one is awaited, and every way in which they end."""

import threading
import time

import pytest

from slap_core.ui import jobs
from slap_core.ui.jobs import paced, still_wanted

pytestmark = pytest.mark.usefixtures("unhooked")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 0.05)


class Job:
    """A generator that notes what happens to it; a step takes so many seconds, or until its event is set."""

    def __init__(self, *steps, error=None):
        self.closed = threading.Event()
        self.taken = 0
        self._steps, self._error = steps, error

    def __iter__(self):
        try:
            for step in self._steps:
                self.taken += 1
                if isinstance(step, threading.Event):
                    step.wait(60)
                else:
                    time.sleep(step)
                yield step
            if self._error:
                raise self._error
        finally:
            self.closed.set()


def test_items_come_in_order_one_when_it_is_asked_for():
    job = Job(0, 0, 0)
    run = paced(iter(job), deadline_seconds=10)
    assert next(run) == 0
    time.sleep(0.1)
    assert job.taken == 1
    assert list(run) == [0, 0]
    assert job.closed.is_set()


@pytest.fixture
def long():
    """A step that ends when it is told to."""
    step = threading.Event()
    yield step
    step.set()


def test_a_long_step_beats(long):
    run = paced(iter(Job(0, long)), deadline_seconds=60)
    assert next(run) == 0
    begin = time.monotonic()
    assert [next(run) for _ in range(4)] == [None] * 4
    assert time.monotonic() - begin >= 4 * 0.05
    long.set()
    assert [item for item in run if item is not None] == [long]


def test_closing_does_not_wait_for_a_long_step_and_the_job_is_closed_after_it(long):
    job = Job(long, 0)
    run = paced(iter(job), deadline_seconds=60)
    assert next(run) is None
    run.close()
    assert not job.closed.is_set()
    long.set()
    assert job.closed.wait(20)
    assert job.taken == 1


def test_closing_between_two_steps_closes_the_job_before_it_returns(monkeypatch):
    monkeypatch.setattr(jobs, "BEAT_SECONDS", 20)  # the most that is waited for, and on a busy machine needed
    job = Job(0, 0)
    run = paced(iter(job), deadline_seconds=10)
    next(run)
    run.close()
    assert job.closed.is_set()


def test_the_deadline_ends_a_step_that_does_not(long):
    begin = time.monotonic()
    with pytest.raises(ValueError, match=r"given up after .* minutes; use fewer frames"):
        list(paced(iter(Job(long)), deadline_seconds=0.2))
    assert 0.2 <= time.monotonic() - begin < 10


@pytest.mark.parametrize("talks", [False, True])
def test_nobody_waiting_ends_it_whether_it_is_silent_or_talks(long, talks):
    job, begin = Job(*[0.01] * 6000 if talks else [long]), time.monotonic()
    with pytest.raises(ValueError, match="nobody waits"):
        for _ in paced(iter(job), deadline_seconds=60, wanted=lambda: time.monotonic() - begin < 0.2):
            pass
    assert time.monotonic() - begin < 10
    long.set()
    assert job.closed.wait(20)


def test_an_error_is_that_of_the_job():
    job = Job(0, error=KeyError("x"))
    with pytest.raises(KeyError, match="x"):
        list(paced(iter(job), deadline_seconds=10))
    assert job.closed.is_set()


def test_what_is_no_generator_may_be_paced_too():
    assert list(paced(iter([1, 2]), deadline_seconds=10)) == [1, 2]


def test_a_client_is_wanted_while_its_event_lives():
    import types

    from gradio.context import LocalContext

    event = types.SimpleNamespace(_id="mine", alive=True)
    other = types.SimpleNamespace(_id="other", alive=False)
    page = types.SimpleNamespace(_queue=types.SimpleNamespace(active_jobs=[None, [event, other]]))
    token = LocalContext.event_id.set("mine")
    try:
        wanted = still_wanted(page)
    finally:
        LocalContext.event_id.reset(token)
    assert wanted()
    event.alive = False
    assert not wanted()
    assert still_wanted(types.SimpleNamespace(_queue=object()))()
