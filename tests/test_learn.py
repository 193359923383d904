"""The lesson's physics, run by a JavaScript engine, against closed forms and against slap_core's own solver."""

import functools
import json
import math
import pathlib
import shutil
import subprocess

import pytest
import torch

from slap_core import LeastAction
from slap_core.types import Latents
from slap_core.ui import learn, lesson_clip
from slap_core.ui.lesson_steps import STEPS

PHYSICS = pathlib.Path(learn.__file__).parent / "static" / "learn_physics.js"
G = 9.81


@functools.cache
def _chromium():
    """A page of a Chromium that has loaded the physics, where there is no node."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is neither node nor Chromium on this machine")
    browser = (
        sync_api.sync_playwright()
        .start()
        .chromium.launch(executable_path=path, args=["--headless=new", "--no-sandbox", "--disable-gpu"])
    )
    page = browser.new_page()
    page.evaluate(PHYSICS.read_text(encoding="utf-8"))
    return page


def js(body, **values):
    """What `body`, the statements of a function of `p` (the physics) and `values`, returns."""
    function = f"(p, {{{', '.join(values)}}}) => {{ {body} }}"
    if shutil.which("node") is None:
        return _chromium().evaluate(f"(values) => ({function})(window.slap.physics, values)", values)
    program = (
        f"const p = require({json.dumps(str(PHYSICS))});"
        f"console.log(JSON.stringify(({function})(p, {json.dumps(values)})));"
    )
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


BALL = "const problem = {mass: 1, coupling: g, potential: p.POTENTIALS.height}; const times = p.grid(free, tau);"


def test_least_action_without_a_pull_is_the_straight_line():
    found = js(
        "const problem = {mass: 2, coupling: 0, potential: p.POTENTIALS.none};"
        "const done = p.minimise(times, [1, 5, -3, 0.5, 4], problem);"
        "return {...done, action: p.action(times, done.path, problem)};",
        times=[0, 0.3, 0.4, 0.9, 1.5],
    )
    assert found["converged"]
    assert found["path"] == pytest.approx([1 + 3 * t / 1.5 for t in (0, 0.3, 0.4, 0.9, 1.5)], abs=1e-12)
    assert found["action"] == pytest.approx(2 * 3**2 / (2 * 1.5), abs=1e-12)


@pytest.mark.parametrize(
    ("free", "tau", "start", "end"), [(1, 1.0, 0.0, 0.0), (9, 1.0, 0.0, 0.0), (12, 2.5, -1.0, 2.0)]
)
def test_thrown_ball_is_the_parabola_and_its_action_is_exact(free, tau, start, end):
    found = js(
        BALL + "const path = p.minimise(times, p.straight(times, start, end), problem).path;"
        "return {times, path, nodes: p.action(times, path, problem), flown: p.flownAction(times, path, g)};",
        free=free, tau=tau, start=start, end=end, g=G,
    )  # fmt: skip
    parabola = [start + (end - start) * t / tau + G / 2 * t * (tau - t) for t in found["times"]]
    assert found["path"] == pytest.approx(parabola, abs=1e-9)
    exact = (end - start) ** 2 / (2 * tau) - G * tau * (start + end) / 2 - G**2 * tau**3 / 24
    assert found["flown"] == pytest.approx(exact, abs=1e-6)
    h = tau / (free + 1)  # straight pieces through the parabola's nodes cost this much more
    assert found["nodes"] == pytest.approx(exact + G**2 * tau * h**2 / 24, abs=1e-6)


def test_action_of_the_nodes_tends_to_that_of_the_parabola():
    body = BALL + "return p.action(times, p.minimise(times, p.straight(times, 0, 0), problem).path, problem);"
    coarse, fine = (js(body, free=free, tau=1.0, g=G) for free in (9, 19))
    assert fine + (fine - coarse) / 3 == pytest.approx(-(G**2) / 24, abs=1e-6)


@pytest.mark.parametrize(("kind", "function"), [("hill", math.sinh), ("spring", math.sin)])
def test_quadratic_potentials_are_the_discrete_sinh_and_sin(kind, function):
    coupling, free = 4.0, 15
    found = js(
        "const times = p.grid(free, 1); const problem = {mass: 1, coupling, potential: p.POTENTIALS[kind]};"
        "return p.minimise(times, p.straight(times, 0, 1), problem).path;",
        kind=kind, coupling=coupling, free=free,
    )  # fmt: skip
    h = 1 / (free + 1)
    step = 2 * (math.asinh if kind == "hill" else math.asin)(math.sqrt(coupling) * h / 2)
    exact = [function(i * step) / function((free + 1) * step) for i in range(free + 2)]
    assert found == pytest.approx(exact, abs=1e-9)


def test_gradient_is_that_of_the_action():
    found = js(
        "const problem = {mass: 1.5, coupling: 3, potential: p.bump(0.9, 0.5)};"
        "const path = [0, 0.4, -0.2, 1.1, 0.3]; const e = 1e-5;"
        "const nudge = (i, by) => path.map((z, k) => k === i ? z + by : z);"
        "return {written: p.gradient(times, path, problem), measured: path.map((_, i) =>"
        "(p.action(times, nudge(i, e), problem) - p.action(times, nudge(i, -e), problem)) / (2 * e))};",
        times=[0, 0.3, 0.4, 0.9, 1.5],
    )
    assert found["written"][1:-1] == pytest.approx(found["measured"][1:-1], abs=1e-7)


def test_plucked_string_step_is_greens_matrix_and_solves_a_constant_pull_at_once():
    found = js(
        "const problem = {mass: 2, coupling: 3, potential: p.POTENTIALS.height}; const path = [0, 1, -1, 2, 0.5];"
        "const force = p.gradient(times, path, problem).map((g) => -g);"
        "const written = path.map((_, i) => force.reduce((sum, f, j) => sum + p.green(times, i, j, 2) * f, 0));"
        "const next = p.relaxOnce(times, path, problem);"
        "const [step, after] = [path, next].map((z) => p.greenStep(times, z, problem));"
        "return {written, step, left: p.largest(after)};",
        times=[0, 0.3, 0.4, 0.9, 1.5],
    )
    assert found["step"] == pytest.approx(found["written"], abs=1e-12)
    assert found["left"] < 1e-12


def test_gradient_descent_needs_four_times_the_steps_and_the_plucked_string_does_not():
    counts = js(
        "return [15, 31].map((free) => { const times = p.grid(free, 1);"
        "const problem = {mass: 1, coupling: 2, potential: p.bump(0.9, 0.5)};"
        "const start = p.straight(times, 0, 0.3).map((z, i) => i && i <= free ? z + Math.sin(7 * i) : z);"
        "const rate = p.bestRate(times, problem, 4);"
        "return [(z) => p.descendOnce(times, z, problem, rate), (z) => p.relaxOnce(times, z, problem)]"
        ".map((advance) => p.run(times, start, problem, advance).errors.length - 1); });"
    )
    assert 3.5 < counts[1][0] / counts[0][0] < 4.5
    assert max(counts[0][1], counts[1][1]) <= 12


@pytest.mark.parametrize("coupling", [5.0, 12.0, 40.0])
def test_first_conjugate_point_and_saddle_of_the_pendulum(coupling):
    found = js(
        "const times = p.grid(15, 1); const path = p.straight(times, 0, 0);"
        "const problem = {mass: 1, coupling, potential: p.POTENTIALS.pendulum};"
        "return {time: p.conjugateTime(times, path, problem, 2), index: p.morseIndex(times, path, problem),"
        "discrete: p.criticalCoupling(1, 1, 15), smooth: p.criticalCoupling(1, 1)};",
        coupling=coupling,
    )
    assert found["time"] == pytest.approx(math.pi / math.sqrt(coupling), abs=1e-6)
    assert found["index"] == sum(coupling > 4 * 16**2 * math.sin(k * math.pi / 32) ** 2 for k in range(1, 16))
    assert found["smooth"] == pytest.approx(math.pi**2)
    assert found["discrete"] == pytest.approx(4 * 16**2 * math.sin(math.pi / 32) ** 2)


@pytest.mark.parametrize(("coupling", "paths"), [(5.0, 1), (20.0, 3), (38.0, 3), (42.0, 5), (60.0, 5)])
def test_two_more_paths_obey_the_equation_beyond_each_conjugate_point(coupling, paths):
    """What the fourth step says, 2 index + 1, counted by shooting from the first anchor at every speed."""
    found = js(
        "const times = p.grid(15, 1); const problem = {mass: 1, coupling, potential: p.POTENTIALS.pendulum};"
        "const index = p.morseIndex(times, p.straight(times, 0, 0), problem);"
        "const arrival = (v) => p.fly((_, z) => -coupling * Math.sin(z), 0, v, 1, 400)[400][1];"
        "let crossings = 0; for (let v = -39.95; v < 40; v += 0.1) crossings += arrival(v) * arrival(v + 0.1) < 0;"
        "return [2 * index + 1, crossings, p.minima(times, 0, 0, problem).length];",
        coupling=coupling,
    )
    assert found == [paths, paths, 1 if paths == 1 else 2]


def test_starts_end_in_one_path_below_the_conjugate_point_and_in_two_beyond():
    count = (
        "return p.minima(p.grid(15, 1), 0, 0, {mass: 1, coupling, potential: p.POTENTIALS.pendulum})"
        ".map((path) => path[8]);"
    )
    assert js(count, coupling=9.0) == pytest.approx([0.0], abs=1e-6)
    below, above = sorted(js(count, coupling=12.0))
    assert above == pytest.approx(-below)
    assert above > 0.5


def test_bent_path_is_the_one_of_the_library():
    found = js(
        "const times = p.grid(7, 1); const problem = {mass: 1, coupling: 20, potential: p.POTENTIALS.pendulum};"
        "const start = times.map((t) => 1.2 * t + 2 * Math.sin(Math.PI * t));"
        "const path = p.minimise(times, start, problem).path; return {path, action: p.action(times, path, problem)};"
    )
    times = torch.linspace(0, 1, 9, dtype=torch.float64)
    # A second coordinate without force: the library's latents are vectors.
    ends = torch.tensor([[found["path"][i], 0.0] for i in (0, -1)], dtype=torch.float64)
    seen = Latents(ends, times[[0, -1]])
    solve = LeastAction(
        lambda z, query: 1 - torch.cos(z[..., 0]), coupling=20.0, geometry="euclidean", discretisation="frames",
        tolerance=1e-10,
    )  # fmt: skip
    solution = solve(seen, times[1:-1])
    assert solution.result.ok
    assert solution.points[:, 0].tolist() == pytest.approx(found["path"][1:-1], abs=1e-6)
    shares = 20 / 16 * sum(1 - math.cos(found["path"][i]) for i in (0, -1))  # the lesson counts the anchors' share too
    assert float(solution.energies.action.sum()) == pytest.approx(found["action"] + shares, abs=1e-6)


def test_axes_hold_the_anchors_and_the_way_out_of_their_plane():
    a, b, up = torch.eye(5, dtype=torch.float64)[:3]
    b = (a + b) / math.sqrt(2)
    space = lesson_clip.axes(a, b, torch.stack([a + 0.3 * up, b + 0.1 * up]))
    assert torch.allclose(space @ space.T, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(space.T @ space @ torch.stack([a, b]).T, torch.stack([a, b]).T, atol=1e-12)
    assert torch.allclose(space[1], up, atol=1e-12)


def test_gap_of_the_lesson_is_slerp_without_pull_and_obeys_the_envelope_theorem():
    query = torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    angles = torch.linspace(0, 1, 9, dtype=torch.float64)
    truth = Latents(torch.stack([angles.cos(), angles.sin(), *torch.zeros(2, 9).double()], -1), angles)
    couplings = (0.0, 0.1, 0.2, 0.3)
    lesson = lesson_clip.gap_lesson(truth, query, lambda z, q: (z * q).sum(-1), couplings=couplings)
    assert torch.allclose(torch.tensor(lesson["recovered"][0]), torch.tensor(lesson["truth"]), atol=2e-4)
    assert lesson["drift"][0] < 1e-6
    assert lesson["angle"] == pytest.approx(1.0, abs=1e-6)
    assert lesson["kinetic"][0] == pytest.approx(0.5, abs=1e-4)
    slope = (lesson["action"][2] - lesson["action"][0]) / 0.2  # dS*/dlambda = -sum w P
    assert slope == pytest.approx(-lesson["pull"][1], abs=1e-3)


def test_kept_clip_is_small_and_whole():
    assert learn.CLIP.stat().st_size < 300_000
    lesson = json.loads(learn.CLIP.read_text("utf-8"))
    frames = len(lesson["seconds"])
    assert lesson["sprite"]["count"] == frames == len(lesson["truth"])
    assert lesson["couplings"] == list(lesson_clip.COUPLINGS)
    for name in ("paths", "recovered", "drift", "kinetic", "pull", "action", "converged"):
        assert len(lesson[name]) == len(lesson["couplings"])
    assert all(lesson["converged"])
    assert lesson["kinetic"][0] == pytest.approx(lesson["angle"] ** 2 / 2, abs=1e-3)
    assert all(math.hypot(*point) <= 1.001 for path in lesson["paths"] for point in path)
    assert all(b >= a for a, b in zip(lesson["pull"], lesson["pull"][1:], strict=False))  # S* is concave in lambda


def test_every_step_teaches_its_terms_and_offers_three_predictions():
    assert [step.name for step in STEPS] == ["line", "ball", "race", "turn", "clip"]
    for step in STEPS:
        assert len(step.choices) == 3
        assert len(step.terms) >= 3
        assert step.equation.startswith("$$")
        assert "$" not in step.plain
        assert "\\" not in step.plain
        assert "Drawn:" in step.caption
        assert "Try:" in step.caption
