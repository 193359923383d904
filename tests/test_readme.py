"""README keeps its word: its code runs, its files exist, its front matter is what a Space needs."""

import json
import pathlib
import re

import pytest
import yaml

from slap_core.benchmarks.encoder import ROWS as SCORES
from slap_core.pretrained import load_card, weights_folder

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_examples_run(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    first, second = (block for block in blocks if "gradio_client" not in block)  # which tests/browser runs
    names: dict[str, object] = {}
    exec(first, names)
    assert names["solution"].result.ok
    exec(second, names)
    assert names["sure"].result.ok
    assert len(names["sure"].posterior.radius()) == len(names["dropped"]) + len(names["kept"]) - 2
    assert "Converged on" in capsys.readouterr().out
    assert len(names["dropped"]) == 36


def test_front_matter():
    front = yaml.safe_load(TEXT.split("---\n")[1])
    assert front["sdk"] == "gradio"
    assert front["app_file"] == "app.py"
    assert front["python_version"] == "3.12"
    assert re.fullmatch(r"6\.\d+\.\d+", front["sdk_version"])
    assert front["license"] == "apache-2.0"
    assert len(front["short_description"]) <= 60
    assert front["title"]
    assert front["emoji"]
    assert front["tags"]
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {front["colorFrom"], front["colorTo"]} <= colours
    assert front["suggested_hardware"] == "cpu-basic"  # it runs on any
    assert front["pinned"] is False


def test_every_file_of_the_map_exists():
    table = TEXT.split("## Where things are")[1].split("\n\n")[1]
    named = re.findall(r"`([\w./]+)`", "\n".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    assert len(named) > 20
    for name in named:
        assert any((folder / name).exists() for folder in (ROOT, ROOT / "slap_core")), name


@pytest.mark.parametrize("target", re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT))
def test_pictures_exist_and_are_small(target):
    assert (ROOT / target).stat().st_size < 1_000_000


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m (slap_core[\w.]*)", TEXT))))
def test_commands_exist(module):
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_the_encoder_scores_are_those_of_its_card():
    scores = load_card(weights_folder("encoder"))["scores"]
    for name, what in SCORES.items():
        (value,) = re.findall(rf"^\| {re.escape(what)} \| ([\d.]+) \|", TEXT, re.MULTILINE)
        assert value == f"{scores[f'test {name}']:.3f}", name


def test_the_page_s_scores_of_the_tunnel_test_are_those_of_the_table():
    totals = json.loads((ROOT / "assets" / "figures" / "tunnel_totals.json").read_text(encoding="utf-8"))
    assert f"In {totals['scenes']} drawn scenes" in (ROOT / "assets" / "figures" / "findings.md").read_text("utf-8")
    table = TEXT.split("**The tunnel test**")[1].split("| oracle |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in f"oracle |{table}".splitlines()]
    assert {row[0] for row in rows} == set(totals["methods"])
    for name, accuracy, *others in rows:
        means = totals["methods"][name]
        # Half of the table's last digit, and the file's own rounding.
        assert [float(n) for n in re.findall(r"[\d.]+", accuracy)] == pytest.approx(means["accuracy"], abs=5.1e-4), name
        assert float(others[8]) == pytest.approx(means["permanence"][0], abs=5.1e-3), name
        assert float(others[9]) == pytest.approx(means["drift"][0], abs=5.6e-5), name
