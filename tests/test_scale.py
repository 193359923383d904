"""Many frames and gaps: the benchmark, and what keeps the memory within bounds without changing a number."""

import copy
import json

import pytest
import torch

from slap_core import energies as energies_module
from slap_core import spectrum, sphere
from slap_core.baselines import Slerp
from slap_core.batches import LONG, batches, likeness
from slap_core.benchmarks import scale
from slap_core.gaps import find_gaps
from slap_core.least_action import LeastAction
from slap_core.pretrained import load_potential
from slap_core.problems import Problems
from slap_core.types import Latents


def test_the_table_has_all_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(scale, "measure", lambda *of, threads: scale._measured(*of, torch.get_num_threads()))
    scale.main(["--out", str(tmp_path), "--frames", "80", "160", "--layouts", "dense", "uneven"])
    record = json.loads((tmp_path / "scale.json").read_text())
    assert [(row["frames"], row["work"]) for row in record["rows"]] == 2 * [
        (frames, work) for frames in (80, 160) for work in scale.WORK
    ]
    assert all(row["seconds"] > 0 for row in record["rows"])
    assert {row["result"] for row in record["rows"] if row["work"] != "energies"} == {"converged"}
    assert "| dense | 160 | 40 |" in (tmp_path / "scale.md").read_text()
    with pytest.raises(SystemExit):
        scale.main(["--out", str(tmp_path), "--frames", "3"])
    assert "at least 16" in capsys.readouterr().err


def test_layouts_of_anchors():
    kept = {layout: scale.kept_frames(1200, layout) for layout in scale.LAYOUTS}
    assert all(bool(mask[0]) and bool(mask[-1]) for mask in kept.values())
    longest = {layout: int(mask.nonzero().flatten().diff().max()) for layout, mask in kept.items()}
    assert (longest["dense"], longest["sparse"]) == (4, 500)
    assert longest["uneven"] == pytest.approx(600, abs=8)
    with pytest.raises(ValueError, match="no layout"):
        scale.kept_frames(10, "odd")


def test_latents_wander():
    points = scale.latents(200, dim=16)
    torch.testing.assert_close(points.norm(dim=-1), torch.ones(200))
    assert float(sphere.distance(points[:-1], points[1:]).max()) < 0.1
    assert float(sphere.distance(points[0], points[-1])) > 0.5
    assert torch.equal(points, scale.latents(200, dim=16))


def uneven(frames=1200, dim=16):
    points, kept = scale.latents(frames, dim=dim), scale.kept_frames(frames, "uneven")
    kept[:3] = False  # a free end, which is counted backwards
    times = torch.arange(frames).double()
    return Latents(points[kept], times[kept]), times[~kept]


def test_a_long_gap_is_no_padding_of_short_ones():
    seen, times = uneven()
    gaps = find_gaps(seen.times, times)
    like, longest = likeness(gaps, on_frames=False), int(gaps.count.argmax())
    assert int((like == like[longest]).sum()) == 1
    short = gaps.count < LONG
    assert len(like[short].unique()) == 2  # a free end, and all others
    parts = list(batches(torch.arange(len(gaps)), like, gaps.count, dim=16, device=torch.device("cpu")))
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(gaps)))


def test_frames_are_where_the_padded_table_has_them():
    seen, times = uneven(400)
    options = LeastAction(None).options
    problems = Problems.of(options, seen, times, None, torch.zeros(1, dtype=torch.float64))
    gaps = problems.gaps
    table = torch.full(gaps.elapsed.shape, -1)
    table[gaps.gap_of, gaps.node_of] = torch.arange(len(gaps.gap_of))
    some = torch.tensor([3, 0, len(gaps) - 1, int(gaps.count.argmax())])
    row, node, recovered = problems.frames(some)
    assert torch.equal(table[some[row], node], recovered)
    assert len(recovered) == int(gaps.count[some].sum())
    assert bool(gaps.free[0])


def test_a_gap_is_solved_alike_with_a_long_one_and_without():
    seen, times = uneven()
    solve = LeastAction(None)
    whole = solve(seen, times).path
    before = times < 200
    alone = solve(seen.select((seen.times < 250).nonzero().flatten()), times[before]).path
    torch.testing.assert_close(whole(times[before]), alone(times[before]), atol=1e-5, rtol=0)


def test_strings_of_uneven_gaps_have_their_eigenvalues(monkeypatch):
    seen, times = uneven()
    gaps = find_gaps(seen.times, times)
    together = spectrum.string_eigenvalue(gaps)
    monkeypatch.setattr(spectrum, "LARGE", 10)
    torch.testing.assert_close(spectrum.string_eigenvalue(gaps), together, atol=0, rtol=1e-7)


@pytest.mark.parametrize("recipe", ["paper", "solver"])
def test_energies_in_parts_are_energies(recipe, monkeypatch):
    points, times, kept = scale.latents(60).double(), torch.arange(60).double(), scale.kept_frames(60, "dense")
    points = sphere.normalize(points)
    seen, asked = Latents(points[kept], times[kept]), times[~kept]
    solver = LeastAction(copy.deepcopy(load_potential(recipe=recipe)).double())
    path = Slerp()(seen, asked).path
    queries = points[:2]
    for query in (points[5], queries) if recipe == "paper" else (points[5],):
        among = path if query.ndim == 1 else solver(seen, asked, query).path
        whole = solver.energies(among, seen, asked, query)
        monkeypatch.setattr(energies_module, "AT_ONCE", 7)
        parts = solver.energies(among, seen, asked, query)
        monkeypatch.undo()
        for name in ("kinetic", "potential", "action"):
            torch.testing.assert_close(getattr(parts, name), getattr(whole, name), atol=1e-9, rtol=1e-9)
