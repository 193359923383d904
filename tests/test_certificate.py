"""What a certificate counts, which end of a solver it stands for, and that what it claims is so (float64)."""

import dataclasses
import json
import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from slap_core import sphere
from slap_core.action import DiscreteAction
from slap_core.agreement import Agreement, multi_start_agreement
from slap_core.certificate import certify, result_of
from slap_core.descent import minimize
from slap_core.gaps import Gaps, find_gaps
from slap_core.inspection import Inspection, in_order, inspect
from slap_core.spectrum import hessian_matrix, string_eigenvalue
from slap_core.types import Certificate, Result
from slap_core.verdict import Stretch, Verdict

GAPS = find_gaps([0.0, 2.0, 6.0], [1.0, 3.0, 4.0, 7.0])


def certificate(*residuals: float) -> Certificate:
    found = torch.tensor(residuals, dtype=torch.float64).reshape(-1, 3)
    return certify(GAPS, found, tolerance=1e-5, coupling=0.5, mass=2.0, iterations=4)


def test_gaps_free_ends_and_the_unit_of_time_are_counted():
    found = certificate(1e-6, 1e-7, 0.0)
    assert (found.gaps, found.free_ends, found.unconverged_gaps) == (2, 1, 0)
    assert found.time_unit_seconds == pytest.approx(3.0)
    assert (found.coupling, found.mass, found.tolerance, found.iterations) == (0.5, 2.0, 1e-5, 4)
    assert found.residual == pytest.approx(1e-6)
    assert found.converged
    assert result_of(found, stalled=False) is Result.CONVERGED


def test_the_tolerance_itself_is_converged():
    assert certificate(1e-5, 0.0, 0.0).converged
    assert not certificate(1.0001e-5, 0.0, 0.0).converged


def test_a_stretch_is_unconverged_if_it_is_for_any_query():
    found = certificate(1e-3, 0.0, 0.0, 1e-2, 0.0, 1e-4)
    assert found.unconverged_gaps == 2
    assert found.residual == pytest.approx(1e-2)
    assert result_of(found, stalled=False) is Result.NOT_CONVERGED
    assert result_of(found, stalled=True) is Result.STALLED


def test_a_residual_that_is_no_number_is_not_converged():
    assert not certificate(math.nan, 0.0, 0.0).converged


def test_nothing_to_recover():
    gaps = find_gaps([0.0, 1.0], [])
    found = certify(gaps, torch.zeros(0, dtype=torch.float64), tolerance=1e-5, coupling=0.5, mass=1.0, iterations=0)
    assert found.converged
    assert found.residual == 0
    assert result_of(found, stalled=False) is Result.NOTHING_TO_RECOVER


TOLERANCE = 1e-9
MASS = 1.3


def points(count: int, *, seed: int = 0, dim: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sphere.normalize(torch.randn(count, dim, dtype=torch.float64, generator=generator))


@dataclasses.dataclass(frozen=True)
class Solved:
    """Problems with their solutions, and what a certificate is made of."""

    gaps: Gaps
    action: DiscreteAction
    z: torch.Tensor
    residual: torch.Tensor

    @classmethod
    def of(
        cls,
        potential: object,
        *,
        coupling: float,
        geometry: str = "euclidean",
        gaps: Gaps = GAPS,
        anchors: torch.Tensor | None = None,
        at_rest: bool = False,
    ) -> "Solved":
        action = DiscreteAction.of(
            potential,
            points(3) if anchors is None else anchors,
            gaps,
            gap=torch.arange(len(gaps)),
            coupling=torch.full((len(gaps),), coupling, dtype=torch.float64),
            query=None,
            mass=MASS,
            geometry=geometry,
        )
        if at_rest:
            z = action.geodesic()
            return cls(gaps, action, z, action.precondition(z, action.evaluate(z).gradient).norm(dim=-1).amax(-1))
        found = minimize(action, action.geodesic(), tolerance=TOLERANCE, iterations=100)
        return cls(gaps, action, found.z, found.step)

    def inspected(self, **options: object) -> Inspection:
        return inspect(self.action, self.z, weight=self.gaps.weights(), **options)

    def certify(self, *, coupling: float, look: dict | None = None, **known: object) -> Certificate:
        return certify(
            self.gaps,
            self.residual,
            tolerance=TOLERANCE,
            coupling=coupling,
            mass=MASS,
            iterations=3,
            geometry=self.action.geometry,
            inspection=self.inspected(**(look or {})),
            **known,
        )


def waves(seed: int) -> tuple[object, float]:
    """A random potential, and the exact bound of its Hessian over all space that its terms give."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    size = torch.randn(4, dtype=torch.float64, generator=generator)
    bound = float((size.abs() * directions.square().sum(-1)).sum())
    return lambda z, q: (size * torch.cos(z @ directions.T + size)).sum(-1), bound


def weighted(gaps: Gaps, v: torch.Tensor) -> torch.Tensor:
    return (gaps.weights()[..., None] * v.square()).sum((-2, -1)).sqrt()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.01, 0.95), size=st.floats(0, 2))
def test_the_bounds_of_a_convex_action_hold_from_any_path(seed, share, size):
    potential, curvature = waves(seed)
    coupling = share * MASS * float(string_eigenvalue(GAPS).min()) / curvature
    solved = Solved.of(potential, coupling=coupling)
    assert (solved.residual <= TOLERANCE).all()
    away = torch.randn(solved.z.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    moved = dataclasses.replace(solved, z=solved.action.retract(solved.z, size * away))
    found = moved.certify(coupling=coupling, curvature_bound=curvature)
    assert found.verdict is Verdict.UNIQUE  # the residual is the solution's, by intent
    excess = solved.action.evaluate(moved.z).value - solved.action.evaluate(solved.z).value
    off = weighted(GAPS, (moved.z - solved.z) * GAPS.mask()[..., None])
    furthest = ((moved.z - solved.z) * GAPS.mask()[..., None]).norm(dim=-1).amax(-1)
    for k, stretch in enumerate(found.stretches):
        assert stretch.margin == pytest.approx(MASS * stretch.sigma_1 - coupling * curvature)
        assert stretch.coupling_number <= share * (1 + 1e-9)
        assert float(off[k]) <= stretch.distance * (1 + 1e-9) + 1e-9
        assert float(excess[k]) <= stretch.excess * (1 + 1e-9) + 1e-9
        assert float(furthest[k]) <= stretch.furthest * (1 + 1e-9) + 1e-9


def test_the_softest_mode_of_a_quadratic_potential_attains_the_bounds():
    gaps = find_gaps([0.0, 6.0], torch.arange(1.0, 6.0))
    coupling = 0.7 * MASS * float(string_eigenvalue(gaps)[0])
    solved = Solved.of(lambda z, q: z.square().sum(-1) / 2, coupling=coupling, gaps=gaps, anchors=points(2))
    mode = torch.sin(torch.pi * torch.arange(1, 6) / 6).double()[:, None] * points(1, seed=4)
    moved = dataclasses.replace(solved, z=solved.z + mode)
    (stretch,) = moved.certify(coupling=coupling, curvature_bound=1.0).stretches
    excess = solved.action.evaluate(moved.z).value - solved.action.evaluate(solved.z).value
    assert stretch.coupling_number == pytest.approx(0.7)
    assert stretch.distance == pytest.approx(float(weighted(gaps, mode[None])[0]))
    assert stretch.excess == pytest.approx(float(excess[0]))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.1, 0.9))
def test_where_lambda_is_below_one_all_starts_agree(seed, share):
    potential, curvature = waves(seed)
    coupling = share * MASS * float(string_eigenvalue(GAPS).min()) / curvature
    solved = Solved.of(potential, coupling=coupling)
    agreement = multi_start_agreement(solved.action, solved.z, tolerance=TOLERANCE)
    assert (agreement.converged == agreement.starts).all()
    found = solved.certify(coupling=coupling, curvature_bound=curvature, agreement=agreement)
    assert all(stretch.spread < 1e-6 and stretch.lower_by == 0 for stretch in found.stretches)
    assert found.sentence.startswith("Converged on 2 gaps and 1 open end: ")
    assert "the unique global minimum" in found.sentence
    # Relative to the string, every eigenvalue of the Hessian is at least 1 - Lambda.
    for stretch in found.stretches:
        assert stretch.eigenvalue >= 1 - stretch.coupling_number - 1e-9


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), error=st.floats(1e-3, 0.5))
def test_a_wrong_gradient_moves_the_solution_by_no_more_than_said(seed, error):
    """The surrogate is off by a field of slope `error`; both bounds hold, and the paper's lacks lambda."""
    potential, curvature = waves(seed)
    coupling = 0.5 * MASS * 2 / float(GAPS.length.max()) ** 2 / curvature
    wrong = points(1, seed=seed + 1)[0] * error
    true = Solved.of(potential, coupling=coupling)
    solved = Solved.of(lambda z, q: potential(z, q) + z @ wrong, coupling=coupling)
    found = solved.certify(
        coupling=coupling, curvature_bound=curvature, gradient_lipschitz=curvature, gradient_error=error
    )
    off = (solved.z - true.z) * GAPS.mask()[..., None]
    mean = weighted(GAPS, off) / GAPS.weights().sum(-1).sqrt()
    for k, stretch in enumerate(found.stretches):
        assert float(mean[k]) <= stretch.rms_deviation * (1 + 1e-6)
        assert float(off[k].norm(dim=-1).max()) <= stretch.sup_deviation * (1 + 1e-6)
        assert stretch.paper_deviation == pytest.approx(float(GAPS.length[k]) ** 2 * error / MASS)
    concave = solved.certify(coupling=coupling, curvature_bound=-1.0, gradient_error=error)
    response = torch.where(GAPS.free, 2.0, 8.0) * MASS / GAPS.length**2
    for stretch, stiff in zip(concave.stretches, response.tolist(), strict=True):
        assert stretch.curvature == 0
        assert stretch.rms_deviation <= coupling * error / stiff * (1 + 1e-9)
        assert stretch.sup_deviation is None


def quartic(z: torch.Tensor, query: None) -> torch.Tensor:
    """Its Hessian's largest eigenvalue is 12 |z|^2: no bound over all space, a sharp one over every ball."""
    return z.square().sum(-1).square()


def test_a_bound_within_a_tube_speaks_of_the_tube_alone():
    coupling, radius = 0.05, 0.2
    solved = Solved.of(quartic, coupling=coupling)
    largest = float((solved.z * GAPS.mask()[..., None]).norm(dim=-1).max())
    found = solved.certify(coupling=coupling, curvature_bound=12 * (largest + radius) ** 2, tube_radius=radius)
    assert found.verdict is Verdict.UNIQUE_IN_TUBE
    assert "in a tube of radius 0.2 around it" in found.sentence
    assert "nothing is known outside the tube" in found.sentence
    # A tube too thin to hold the minimum for sure promises nothing about it.
    thin = solved.certify(coupling=coupling, curvature_bound=12 * largest**2, tube_radius=1e-13)
    assert thin.verdict is Verdict.STRICT_MINIMUM
    everywhere = solved.certify(coupling=coupling, curvature_bound=math.inf)
    assert everywhere.verdict is Verdict.STRICT_MINIMUM
    assert everywhere.worst("margin") is None


def test_on_the_sphere_the_normal_pull_counts_and_claims_stay_local():
    """P = 8 <q, z> is flat in space; on the sphere its Hessian is -P: hills above the equator, valleys below."""
    query = points(1, seed=5)[0]
    for sign in (1.0, -1.0):
        anchors = sphere.normalize(sign * query + 0.3 * points(3, seed=2))
        solved = Solved.of(lambda z, q: 8 * (z @ query), coupling=0.4, geometry="sphere", anchors=anchors)
        found = solved.certify(coupling=0.4, curvature_bound=0.0)
        value = 8 * (solved.z @ query)
        lowest = torch.where(GAPS.mask(), value, torch.inf).amin(-1)
        for k, stretch in enumerate(found.stretches):
            assert stretch.curvature == pytest.approx(max(0.0, -float(lowest[k])))
            smallest = torch.linalg.eigvalsh(hessian_matrix(solved.action, solved.z, problem=k, weight=GAPS.weights()))
            assert stretch.margin <= float(smallest[0]) + 1e-9
            assert stretch.distance is None
            angle = 0.0 if GAPS.free[k] else float(sphere.distance(anchors[k], anchors[k + 1]))
            quarter = math.pi / 2 if GAPS.free[k] else math.pi
            assert stretch.geodesic_eigenvalue == pytest.approx(
                MASS * (quarter**2 - angle**2) / float(GAPS.length[k]) ** 2
            )
        assert found.verdict is Verdict.STRICT_MINIMUM


@pytest.mark.parametrize(("share", "verdict"), [(0.9, Verdict.STRICT_MINIMUM), (1.0, Verdict.UNDECIDED)])
@pytest.mark.parametrize("dense_limit", [600, 0])
def test_what_the_hessian_alone_decides(share, verdict, dense_limit):
    """Rest at the top of P = |z|^2/2: the smallest eigenvalue, relative to the string's, is 1 - lambda/(mu sigma_1)."""
    gaps = find_gaps([0.0, 4.0], [1.0, 2.0, 3.0])
    coupling = share * MASS * float(string_eigenvalue(gaps)[0])

    def at(coupling: float) -> Certificate:
        solved = Solved.of(
            lambda z, q: z.square().sum(-1) / 2,
            coupling=coupling,
            gaps=gaps,
            anchors=torch.zeros(2, 3, dtype=torch.float64),
            at_rest=True,
        )
        return solved.certify(coupling=coupling, look={"dense_limit": dense_limit}, curvature_sampled=1.0)

    found = at(coupling)
    assert found.verdict is verdict
    (stretch,) = found.stretches
    assert stretch.eigenvalue == pytest.approx(1 - share, abs=1e-12)
    assert stretch.margin is None  # a sampled curvature bounds nothing
    assert stretch.curvature_sampled == 1.0
    beyond = at(1.2 * coupling / share)
    assert beyond.verdict is Verdict.SADDLE
    least, index = ("", 3) if dense_limit else ("at least ", beyond.stretches[0].negative)
    assert f"a saddle of Morse index {least}{index}, since the smallest eigenvalue" in beyond.sentence
    assert "-0.2 ± " in beyond.sentence
    assert 1 <= beyond.stretches[0].negative <= 3


def test_the_papers_condition_is_passed_by_a_saddle():
    gaps = find_gaps([0.0, 15.0], torch.arange(1.0, 15.0))
    coupling = 15.0**2 * MASS  # lambda M = mu at h = 1, in units of the gap
    solved = Solved.of(
        lambda z, q: z.square().sum(-1) / 2,
        coupling=coupling,
        gaps=gaps,
        anchors=torch.zeros(2, 2, dtype=torch.float64),
        at_rest=True,
    )
    found = solved.certify(coupling=coupling, curvature_bound=1.0)
    assert found.stretches[0].paper_condition is True
    assert found.verdict is Verdict.SADDLE
    assert found.stretches[0].margin / coupling == pytest.approx(-0.956, abs=5e-4)
    beyond = solved.certify(coupling=2.01 * coupling, curvature_bound=1.0)
    assert beyond.stretches[0].paper_condition is False


def test_without_a_pull_it_is_closed_form():
    solved = Solved.of(None, coupling=0.0, geometry="sphere")
    found = solved.certify(coupling=0.0, curvature_bound=math.inf)
    assert found.verdict is Verdict.CLOSED_FORM
    assert found.sentence.startswith("Closed form on 2 gaps and 1 open end: ")
    by_word = certify(
        GAPS, torch.zeros(3).double(), tolerance=1e-5, coupling=0.5, mass=1.0, iterations=0, closed_form=True
    )
    assert by_word.verdict is Verdict.CLOSED_FORM


def test_in_euclidean_space_a_bound_is_enough_and_a_geometry_is_needed():
    def known(**more: object) -> Certificate:
        return certify(GAPS, torch.zeros(2, 3).double(), tolerance=1e-5, coupling=0.1, mass=1.0, iterations=0, **more)

    assert known(geometry="euclidean", curvature_bound=0.5).verdict is Verdict.UNIQUE
    assert "the exact one" not in known(geometry="euclidean", curvature_bound=0.5).sentence
    assert known(geometry="sphere", curvature_bound=0.5).verdict is Verdict.UNDECIDED
    assert known(curvature_bound=0.5).verdict is Verdict.UNDECIDED
    per_stretch = known(geometry="euclidean", curvature_bound=torch.tensor([0.5, 0.5, 500.0]).double())
    assert per_stretch.verdict is Verdict.UNDECIDED
    assert [(s.query, s.gap) for s in per_stretch.stretches] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [s.verdict is Verdict.UNIQUE for s in per_stretch.stretches] == [True, True, False] * 2


def test_a_lower_action_elsewhere_is_told():
    def told(lower_by: float) -> str:
        one = torch.ones(3, dtype=torch.float64)
        agreement = Agreement(3 * one.long(), 3 * one.long(), 0.4 * one, -one, lower_by * one)
        return certify(
            GAPS, 0 * one, tolerance=1e-5, coupling=0.5, mass=1.0, iterations=0, agreement=agreement
        ).sentence

    assert told(0.25).endswith("; a lower action (by 0.25) was found from another start.")
    assert told(0.0).endswith("; 3 other starts found no lower action, their paths up to 0.4 rad away.")


def test_every_verdict_has_its_sentence_and_none_says_certified():
    def sentence(verdict: Verdict, **facts: object) -> str:
        basis = {"eigenvalue": -0.1, "eigenvalue_bound": 1e-3, "negative": 2, "exact": False, "coupling_number": 0.3}
        basis |= {"distance": 1e-6, "excess": 1e-9, "furthest": 1e-7, "tube_radius": 0.1, "curvature_sampled": 0.2}
        stretch = Stretch(query=0, gap=0, verdict=verdict, residual=1e-6, sigma_1=9.0, **(basis | facts))
        counted = certificate(1e-3, 0.0, 0.0) if verdict is Verdict.NOT_CONVERGED else certificate(1e-6, 0.0, 0.0)
        none = {"gaps": 0, "free_ends": 0} if verdict is Verdict.NOTHING_TO_RECOVER else {}
        return dataclasses.replace(counted, stretches=(stretch,), **none).sentence

    sentences = [sentence(verdict) for verdict in Verdict]
    sentences += [sentence(verdict, exact=True) for verdict in Verdict]
    sentences += [sentence(verdict, eigenvalue=None) for verdict in Verdict]
    sentences += [sentence(verdict, starts=3, spread=0.1, lower_by=0.2) for verdict in Verdict]
    assert len(set(sentences[: len(Verdict)])) == len(Verdict)
    assert not any("certif" in text.lower() for text in sentences)
    assert all(text.endswith(".") and text.count(". ") == 0 for text in sentences)


def test_a_certificate_is_plain_numbers_ready_for_json():
    solved = Solved.of(quartic, coupling=0.05)
    found = solved.certify(coupling=0.05, curvature_bound=math.inf, gradient_error=0.1)
    numbers = json.loads(json.dumps(dataclasses.asdict(found), allow_nan=False))
    assert numbers["stretches"][2]["verdict"] == "strict local minimum"
    assert numbers["stretches"][0]["eigenvalue"] == found.stretches[0].eigenvalue


def test_inspections_of_several_batches_are_put_in_order():
    solved = Solved.of(quartic, coupling=0.05)
    index = torch.tensor([2, 0, 1])
    parts = [
        inspect(solved.action.select(some), solved.z[some], weight=GAPS.weights()[some]) for some in index.split(2)
    ]
    joined, whole = in_order(parts, index), solved.inspected()
    torch.testing.assert_close(joined.gradient, whole.gradient)
    torch.testing.assert_close(joined.spectrum.eigenvalue, whole.spectrum.eigenvalue)


def test_a_soft_anchor_has_no_weight_and_no_weighted_gradient():
    solved = Solved.of(quartic, coupling=0.05)
    weight = GAPS.weights()
    weight[1, 0] = 0
    found = inspect(solved.action, solved.action.geodesic(), weight=weight)
    assert math.isinf(float(found.gradient[1]))
    assert math.isfinite(float(found.force[1]))
    assert math.isfinite(float(found.floor[1]))


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"curvature_bound": math.nan}, "curvature_bound must be numbers"),
        ({"tube_radius": -0.1}, "tube_radius must be numbers of at least 0"),
        (
            {"agreement": Agreement(*[torch.zeros(2).long()] * 2, *[torch.zeros(2).double()] * 3)},
            "agreement must be of all 3 stretches, query by query, got 2; see in_order",
        ),
    ],
)
def test_what_is_no_knowledge_is_refused(known, message):
    with pytest.raises(ValueError, match=message):
        certify(GAPS, torch.zeros(3), tolerance=1e-5, coupling=0.5, mass=1.0, iterations=0, **known)


@pytest.mark.usefixtures("unhooked")
def test_a_number_that_stretches_do_not_have_is_refused():
    with pytest.raises(ValueError, match="name of a number of a stretch, got 'height'"):
        certificate(1e-6, 0.0, 0.0).worst("height")


@pytest.mark.usefixtures("unhooked")
def test_residuals_of_other_stretches_are_refused():
    with pytest.raises(ValueError, match="one residual for each of 3 stretches, got 2"):
        certify(GAPS, torch.zeros(2), tolerance=1e-5, coupling=0.5, mass=1.0, iterations=0)
