"""Two processes of `accelerate launch`, and one, train the same networks: the numbers are the same up to rounding."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import team_member
import torch

from slap_core.training.team import Team, team

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each of two processes found, by job; and what they printed."""
    folder = tmp_path_factory.mktemp("two")
    places = os.pathsep.join([str(HERE.parent), str(HERE)])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": places, "CUDA_VISIBLE_DEVICES": ""}
    line = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    line += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    line += [str(HERE / "team_member.py"), str(folder)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], done.stdout


def compare(one, members, *, atol=1e-7):
    for member in members:
        assert member["weights"].keys() == one["weights"].keys()
        for name, values in one["weights"].items():
            torch.testing.assert_close(
                torch.tensor(member["weights"][name]), torch.tensor(values), atol=atol, rtol=1e-6, msg=name
            )
    assert members[0]["weights"] == members[1]["weights"]  # to the bit


def numbers(log):
    rows = log if isinstance(log, list) else [log]
    return [{name: v for name, v in row.items() if name not in ("steps_per_second", "minutes")} for row in rows]


def test_there_are_two(two):
    members, _ = two
    assert [member["team"] for member in members] == [{"rank": k, "size": 2, "device": "cpu"} for k in range(2)]


# An adaptive integrator takes other steps for other rows, each within its tolerance of 1e-5.
@pytest.mark.parametrize(
    ("what", "atol"),
    [*((name, 1e-7) for name in ("plain", "paper", "probe", "regressor", "autoregressive")), ("latent_ode", 1e-3)],
)
def test_two_processes_learn_what_one_does(what, atol, two, tmp_path):
    members = [member[what] for member in two[0]]
    one = team_member.outcome(what, tmp_path)
    compare(one, members, atol=atol)
    for member in members:
        for mine, theirs in zip(numbers(one["log"]), numbers(member["log"]), strict=True):
            assert mine == pytest.approx(theirs, rel=1e-6, abs=max(atol, 1e-4), nan_ok=True)  # scores have four digits


def test_what_no_loss_knows_of_is_left_alone(two):
    assert all(member["plain"]["weights"]["unused"] == [1.0, 1.0] for member in two[0])  # not even decayed


def test_two_processes_resume_what_they_began(two):
    for member in two[0]:
        assert member["interrupted"] == {"error": "InterruptionError"}
        assert member["resumed"]["weights"] == member["plain"]["weights"]
        assert [row["step"] for row in member["resumed"]["log"]] == [3, 6, 9, 12]
        assert not member["resumed"]["checkpoint"]


def test_only_the_first_process_tells(two):
    _, printed = two
    ended = [line for line in printed.splitlines() if line.startswith("step     12/12")]
    finished = [what for what in team_member.JOBS if "log" in two[0][0][what]]
    assert len(ended) == len(finished)


def test_what_cannot_be_divided_is_refused(two):
    for member in two[0]:
        assert "choose --batch a multiple of 2" in member["uneven"]["error"]
        assert "cannot be divided among 2 processes" in member["undivided"]["error"]
        assert "cannot be divided among 2 processes" in member["force_field"]["error"]
        assert "torch.randperm" in member["mixed"]["error"]


def test_one_process_is_a_team_of_its_own():
    assert team() == Team()
    assert (team().alone, team().first) == (True, True)
    whole = torch.arange(7)
    assert team().rows(whole) is whole
    assert team().first_then_others(lambda: 3) == 3


def test_each_has_its_rows_in_order():
    whole = torch.arange(12).view(6, 2)
    parts = [Team(rank, 3).rows(whole) for rank in range(3)]
    assert torch.equal(torch.cat(parts), whole)


def test_a_launch_that_started_one_process_only_is_noticed(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_PORT", "29500")
    with pytest.raises(ValueError, match="--multi_gpu --num_processes N"):
        team.__wrapped__()
