"""Many videos: nothing is lost, nothing is done twice, and what fails is recorded and skipped."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import sys
import threading
import time

import pyarrow.parquet as pq
import pytest

import slap_core
from slap_core.batch import __main__ as batch
from slap_core.batch import cluster
from slap_core.batch.parts import COLUMNS, METHODS, STAGES, Parts
from slap_core.batch.settings import BatchSettings
from slap_core.batch.worker import Worker, WorkerError
from slap_core.cards import ASSETS
from slap_core.stages import Settings

FAKE = pathlib.Path(__file__).with_name("fake_analyst.py")


class Place:
    """A folder with videos of these names, and a fake analyst that leaves notes."""

    def __init__(self, folder, *names):
        self.folder, self.notes, self.out = folder, folder / "notes", folder / "out"
        self.notes.mkdir()
        self.command = [sys.executable, str(FAKE), str(self.notes)]
        for name in names:
            self.add(name)

    def add(self, name, content=None):
        (self.folder / f"{name}.mp4").write_text(content or name)

    def settings(self, **changes):
        values = {"videos": (str(self.folder / "*.mp4"),), "out": self.out, "workers": 1, "limit_seconds": 30.0}
        return BatchSettings(**values | changes)

    def run(self, **changes):
        rows = batch.run(self.settings(**changes), command=self.command)
        assert pq.read_table(self.out / "summary.parquet").to_pylist() == rows
        return {pathlib.Path(row["path"]).stem: row for row in rows}

    def noted(self, what):
        return sorted(self.notes.glob(f"{what}-*"), key=lambda file: int(file.name.rsplit("-", 1)[1]))


def test_each_video_has_a_row(tmp_path, capsys):
    place = Place(tmp_path, "a", "b")
    rows = place.run(query="a red car", coupling=0.3)
    assert list(rows) == ["a", "b"]
    row = rows["a"]
    assert (row["drift_slap"], row["frames"], row["certificate"]) == (0.3, 3, "a is done.")
    assert (row["error"], row["failure"], row["query"]) == (None, None, "a red car")
    assert row["sha256"] == hashlib.sha256(b"a").hexdigest()
    assert json.loads(row["settings"])["coupling"] == 0.3
    assert row["seconds"] > 0
    assert "b is done." in capsys.readouterr().out
    assert len(place.noted("start")) == 1  # one encoder for all


def test_what_fails_is_recorded_and_skipped(tmp_path):
    place = Place(tmp_path, "a_first", "bad", "die", "hang", "z_last")
    rows = place.run(limit_seconds=1.0)
    assert {name: row["failure"] for name, row in rows.items()} == {
        "a_first": None,
        "bad": "input",
        "die": "lost",
        "hang": "time",
        "z_last": None,
    }
    assert rows["bad"]["error"] == "It is no video."
    assert "died, 2 times" in rows["die"]["error"]
    assert "longer than 1 s" in rows["hang"]["error"]
    assert len(place.noted("video_die")) == 2
    assert len(place.noted("video_hang")) == 1
    for start in place.noted("start"):
        assert not running(int(start.name.split("-")[1]))


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_done_is_not_done_again(tmp_path):
    place = Place(tmp_path, "a", "b", "bad")
    first = place.run()
    assert place.run() == first
    assert len(place.noted("video_*")) == 3
    place.add("c")
    (tmp_path / "a.mp4").rename(tmp_path / "renamed.mp4")
    again = place.run()
    assert sorted(again) == ["b", "bad", "c", "renamed"]
    assert {**again["renamed"], "path": None} == {**first["a"], "path": None}
    assert len(place.noted("video_*")) == 4
    place.add("b", "other content")
    place.run()
    assert len(place.noted("video_b")) == 2
    place.run(coupling=0.2)
    assert len(place.noted("video_*")) == 9
    place.run(coupling=0.2, device="cuda")  # which is no other result
    assert len(place.noted("video_*")) == 9


def test_failures_are_tried_again_when_asked(tmp_path):
    place = Place(tmp_path, "a", "bad")
    place.run()
    place.run()
    assert len(place.noted("video_bad")) == 1
    assert place.run(retry=True)["bad"]["failure"] == "input"
    assert (len(place.noted("video_bad")), len(place.noted("video_a"))) == (2, 1)


def test_two_files_of_one_content_are_analysed_once(tmp_path):
    place = Place(tmp_path)
    place.add("a", "same")
    place.add("b", "same")
    rows = place.run()
    assert len(place.noted("video_*")) == 1
    assert rows["a"]["key"] == rows["b"]["key"]
    assert [pathlib.Path(row["path"]).name for row in rows.values()] == ["a.mp4", "b.mp4"]


def test_a_batch_that_was_cut_short_goes_on(tmp_path, monkeypatch):
    place = Place(tmp_path, "a", "b", "c")
    add = Parts.add

    def full(self, row):
        if row["path"].endswith("b.mp4"):
            raise OSError("No space left on device")
        add(self, row)

    monkeypatch.setattr(Parts, "add", full)
    with pytest.raises(OSError, match="No space"):
        place.run()
    monkeypatch.undo()
    assert not (place.out / "summary.parquet").exists()
    assert len(place.run()) == 3
    assert [len(place.noted(f"video_{name}")) for name in "abc"] == [1, 2, 1]


def test_an_interrupted_batch_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    place = Place(tmp_path, "a")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "run", interrupted)
    assert batch.main(["--videos", str(tmp_path / "*.mp4"), "--out", str(place.out)]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_process_that_cannot_start_says_why(tmp_path):
    worker = Worker("bundled", "cpu", command=[sys.executable, "-c", "import nothing_of_this_name"])
    with pytest.raises(WorkerError, match=r"did not start\. ModuleNotFoundError"):
        worker.analyse("a.mp4", "", {}, limit_seconds=1.0)


def test_a_damaged_part_is_made_again(tmp_path):
    place = Place(tmp_path, "a")
    first = place.run()["a"]
    (part,) = (place.out / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:50])
    assert place.run()["a"]["certificate"] == first["certificate"]
    assert len(place.noted("video_a")) == 2


def test_files_are_found_once_and_in_order(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("b.mp4", "a.mp4", "in/c.mp4", "d.txt"):
        (tmp_path / name).touch()
    found = batch.find([str(tmp_path / "**/*.mp4"), str(tmp_path / "a.*"), str(tmp_path / "*")])
    assert [os.path.relpath(file, tmp_path) for file in found] == ["a.mp4", "b.mp4", "d.txt", "in/c.mp4"]
    with pytest.raises(ValueError, match="No file fits"):
        batch.find([str(tmp_path / "*.mkv")])


def test_what_cannot_be_used_is_a_sentence(tmp_path, capsys, monkeypatch):
    place = Place(tmp_path, "a")
    line = ["--videos", str(tmp_path / "*.mp4"), "--out"]
    assert batch.main([*line, str(place.out), "--keep-every", "0"]) == 2
    assert "keep_every must be a whole number" in capsys.readouterr().err
    assert batch.main([*line, str(tmp_path / "a.mp4")]) == 2
    assert "is a file; name another folder" in capsys.readouterr().err
    with pytest.raises(WorkerError, match="no encoder unknown"):
        place.run(encoder="unknown")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert batch.main([*line, str(place.out)]) == 2
    assert "pip install pyarrow" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("limit_seconds", 0.0, "limit_seconds must be above 0"),
        ("workers", -1, "workers must not be negative"),
        ("threads", 0, "threads must be at least 1"),
    ],
)
def test_settings_out_of_range(tmp_path, name, value, message):
    with pytest.raises(ValueError, match=message):
        BatchSettings(videos=("*",), out=tmp_path, **{name: value})


def test_flags_are_the_settings_of_the_analysis(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(batch, "run", lambda chosen: seen.append(chosen) or [])
    line = "--videos a/*.mp4 b.mp4 --out runs/x --query car --keep-every 8 --potential hidden --couplings 0 1 --retry"
    assert batch.main([*line.split(), "--concepts", "a bus, a ball"]) == 0
    expected = Settings(keep_every=8, potential="hidden", couplings=(0.0, 1.0), concepts=("a bus", "a ball"))
    assert seen[0].analysis() == expected
    assert seen[0].videos == ("a/*.mp4", "b.mp4")
    assert seen[0].retry
    assert {field.name for field in dataclasses.fields(Settings)} < {f.name for f in dataclasses.fields(BatchSettings)}


def test_without_ray_all_is_done_in_one_process(tmp_path, monkeypatch, capsys):
    place = Place(tmp_path, "a", "b")
    monkeypatch.setattr(batch.importlib.util, "find_spec", lambda name: None)
    assert len(place.run(workers=2)) == 2
    assert "pip install ray" in capsys.readouterr().err
    assert len(place.noted("start")) == 1
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="need Ray, which is not installed: pip install ray"):
        place.run(ray_address="auto", retry=True)


def test_on_ray_a_killed_worker_loses_nothing(tmp_path):
    """Two workers; the one that has begun a slow video is killed, and what it left is done by another."""
    place = Place(tmp_path, "a", "bad", "c", "d", "hang", "slow")
    killed = []

    def kill():
        while not place.noted("video_slow"):
            time.sleep(0.02)
        (asked,) = place.noted("video_slow")
        killed.append((int(asked.name.split("-")[1]), int(asked.read_text())))
        os.kill(killed[0][1], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    rows = place.run(workers=2, limit_seconds=5.0)
    killer.join(1)
    assert killed
    assert {name: row["failure"] for name, row in rows.items()} == {
        **dict.fromkeys("acd"),
        "bad": "input",
        "hang": "time",
        "slow": None,
    }
    assert rows["slow"]["certificate"] == "slow is done."
    assert len(place.noted("video_slow")) == 2
    # The analyst of the killed process went with it, and no other one stayed.
    starts = {int(note.name.split("-")[1]): int(note.read_text()) for note in place.noted("start")}
    assert len(set(starts.values())) in (2, 3)  # processes of Ray: two, and one for the lost
    assert len(starts) <= len(set(starts.values())) + 1  # an encoder for each, and one after the hang
    deadline = time.monotonic() + 20
    while any(running(pid) for pid in starts) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(running(pid) for pid in starts)
    shutil.rmtree(place.out / "parts")
    assert cluster.os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


@pytest.mark.slow
def test_the_real_analyst_finds_what_analyse_finds(tmp_path):
    clip = ASSETS / "clips" / "car_stays.mp4"
    options = {"max_frames": 12, "couplings": (0.0, 0.1)}
    settings = Settings(**options)
    worker = Worker("bundled", "cpu")
    chosen = dataclasses.asdict(settings)
    row = worker.analyse(str(clip), "a red car", chosen, limit_seconds=300.0)
    (tmp_path / "text.mp4").write_text("no video")
    refused = worker.analyse(str(tmp_path / "text.mp4"), "", chosen, limit_seconds=300.0)
    process = worker._process
    process.stdin.close()  # as when whoever asked is killed
    assert process.wait(60) != 0
    worker.close()
    assert refused["failure"] == "input"
    assert "not a video" in refused["error"]
    assert set(row) <= set(COLUMNS)
    assert {f"drift_{name}" for name in METHODS} | {f"seconds_{name}" for name in STAGES} <= set(row)
    with contextlib.closing(slap_core.analyse_stages(clip, "a red car", **options)) as stages:
        found = {type(stage).__name__: stage for stage in itertools.islice(stages, 5)}  # as far as Scanned
    solved, scanned = found["Solved"], found["Scanned"]
    assert row["certificate"] == solved.solutions["SLAP"].certificate.sentence
    assert (row["frames"], row["kept"], row["dropped"]) == (12, 3, 9)
    assert (row["encoder"], row["potential"], row["converged"]) == ("bundled", solved.potential, True)
    for name, drift in solved.drift.items():
        assert row[f"drift_{name.lower().replace(' ', '_')}"] == pytest.approx(float(drift.mean()), abs=1e-5)
    assert row["lambda_star"] == pytest.approx(float(scanned.couplings[scanned.best]))
    assert row["lambda_star_drift"] == pytest.approx(float(scanned.drift[scanned.best]), abs=1e-5)
    assert row["duration_seconds"] == pytest.approx(float(found["Decoded"].clip.times.diff().sum()))
