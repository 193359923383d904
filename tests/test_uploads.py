"""Every kind of hostile and odd upload, as a person meets it: frames or a sentence, and nothing else happens."""

import collections
import concurrent.futures
import pathlib
import socket
import sys
import time

import pytest
import uploads
from canaries import Canary, Watch
from uploads.kind import WARNINGS
from uploads.surgery import flipped

from slap_core.benchmarks.decode import compare
from slap_core.benchmarks.decoders import Apart
from slap_core.video import VideoError, read_clip

pytestmark = pytest.mark.slow

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "uploads.md"
MAGENTA = (254, 0, 254)
"""What the secret video shows."""
LONGEST_SECONDS = 60
FUZZ_SEEDS, FUZZ_FLOOR, FUZZ_SECONDS = 300, 60, 90.0


@pytest.fixture(scope="module")
def canary():
    return Canary()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory, canary):
    return uploads.Workshop(tmp_path_factory.mktemp("uploads"), port=canary.port)


@pytest.fixture(scope="module")
def apart():
    process = Apart()
    yield process
    process.close()


linux = pytest.mark.skipif(sys.platform != "linux", reason="watches files by inotify and processes by /proc")


def test_there_are_many_kinds_and_each_has_a_name_of_its_own():
    assert len(uploads.KINDS) >= 60
    assert len({kind.slug for kind in uploads.KINDS}) == len(uploads.KINDS)


def test_the_table_in_the_docs_is_that_of_the_kinds():
    assert PAGE.read_text(encoding="utf-8") == uploads.table()


@linux
def test_the_canaries_sing(workshop, canary):
    watch, before = Watch(workshop.secret), canary.calls
    read_clip(workshop.secret)
    assert watch.openings()
    socket.create_connection(("127.0.0.1", canary.port)).close()
    assert canary.calls == before + 1


@linux
@pytest.mark.parametrize("kind", uploads.KINDS, ids=lambda kind: kind.slug)
def test_what_a_person_sees(kind, workshop, canary, apart):
    path = workshop.file(kind)
    watch, calls, start = Watch(workshop.secret), canary.calls, time.monotonic()
    try:
        clip, refusal = read_clip(path), None
    except VideoError as error:
        clip, refusal = None, error
    assert time.monotonic() - start < LONGEST_SECONDS
    assert watch.openings() == 0, "a file of the server was opened"
    assert canary.calls == calls, "an address was called"
    if refusal is not None:
        assert kind.either or kind.frames is None, refusal
        assert kind.either or refusal.reason == kind.says
        assert str(workshop.root) not in str(refusal)
        assert str(refusal).isprintable()
        return
    assert kind.frames is not None, f"{len(clip)} frames came of what should have been refused"
    assert len(clip) in kind.frames
    assert kind.size in (None, tuple(clip.frames.shape[1:3]))
    assert not len(clip) > 1 or (clip.times.diff() > 0).all()
    assert bool(clip.times.isfinite().all())
    assert (clip.frames[0].float().mean((0, 1)).tolist()) != pytest.approx(MAGENTA, abs=12)
    if not kind.either:
        assert [warning[:14] for warning in clip.warnings] == ([WARNINGS[kind.says][:14]] if kind.says else [])
    if kind.exact:
        assert compare(path, apart, others=["pyav"], clip=clip)["differences"] in ([], TIMELESS)


TIMELESS = ["read_clip: the times of the reference do not increase"]
"""AVI has no times of its own."""


@linux
def test_files_are_the_same_whenever_they_are_made(tmp_path):
    kinds = [kind for kind in uploads.KINDS if kind.slug in ("plain.mp4", "hole.mp4", "transparent.webm", "cut.ts")]
    first, second = (uploads.Workshop(tmp_path / name) for name in "ab")
    for kind in kinds:
        assert first.file(kind).read_bytes() == second.file(kind).read_bytes()


@linux
def test_fuzzed_videos_end_in_frames_or_a_sentence(workshop, tmp_path, canary):
    """300 seeds, in order, as many as fit into the time: bits flipped anywhere in each of six containers."""
    originals = [workshop.plain, workshop.ending]
    originals += [workshop.like(suffix, *codec) for suffix, codec in (
        (".mkv", ("-c:v", "mpeg4")), (".avi", ("-c:v", "mpeg4")), (".ts", ()), (".gif", ("-c:v", "gif")))]  # fmt: skip
    watch, calls, end = Watch(workshop.secret), canary.calls, time.monotonic() + FUZZ_SECONDS

    def outcome(seed):
        """Frames, or why there are none; nothing once the time is over."""
        if time.monotonic() > end:
            return ""
        path = tmp_path / f"{seed}.mp4"
        path.write_bytes(flipped(originals[seed % 6], seed, (1, 4, 16, 64)[seed // 6 % 4]))
        try:
            clip = read_clip(path, max_frames=(None, 4)[seed // 3 % 2], deadline_seconds=30)
        except VideoError as error:
            return error.reason
        finally:
            path.unlink()
        return "frames" if bool(clip.times.isfinite().all()) else "no times"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = [found for found in pool.map(outcome, range(FUZZ_SEEDS)) if found]
    counts = collections.Counter(outcomes)
    print(f"{len(outcomes)} of {FUZZ_SEEDS} seeds: {dict(counts)}")
    assert len(outcomes) >= FUZZ_FLOOR, f"only {len(outcomes)} seeds in {FUZZ_SECONDS:.0f} s"
    assert 0 < counts["frames"] < len(outcomes)
    assert not counts.keys() & {"crashed", "deadline", "no times"}
    assert (watch.openings(), canary.calls) == (0, calls)
