"""What may be said of a solution: the facts of each stretch, a verdict on them, and one sentence.

Verdicts, from the strongest to the weakest; a solution has the weakest of its stretches':

    nothing to recover     no frame was dropped
    closed form            lambda = 0: the geodesic, which nothing had to find
    unique global minimum  Euclidean, m = mu sigma_1 - lambda M+ > 0 with M+ a bound over all space
    unique in a tube       the same with a bound within a tube, and the minimum shown to lie inside it
    strict local minimum   the Hessian is positive here: by such a bound, or by its smallest eigenvalue
    undecided              stationary; the smallest eigenvalue is within its bound of 0, or was not looked for
    saddle                 stationary, with negative eigenvalues: moving along them lowers the action
    not converged          not stationary: a step of some node is above the tolerance

A curvature that was only sampled decides nothing. Numbers are plain floats, None where they are not known, so that a
certificate can be written as JSON. Time in them is measured in T, the mean length of the gaps; |v|_w^2 is
sum_i w_i |v_i|^2.
"""

import dataclasses
import enum

__all__ = ["Certificate", "Stretch", "Verdict"]


class Verdict(enum.StrEnum):
    """What is known, from the strongest to the weakest."""

    NOTHING_TO_RECOVER = "nothing to recover"
    CLOSED_FORM = "closed form"
    UNIQUE = "unique global minimum"
    UNIQUE_IN_TUBE = "unique in a tube"
    STRICT_MINIMUM = "strict local minimum"
    UNDECIDED = "undecided"
    SADDLE = "saddle"
    NOT_CONVERGED = "not converged"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """What is known of one stretch for one query."""

    query: int
    gap: int
    verdict: Verdict
    residual: float | None
    """Largest preconditioned step of any node, radians; None where it is no number."""
    sigma_1: float
    """Smallest eigenvalue of the string, 1/T^2."""
    nodes: int | None = None
    """Gauss nodes between two anchors; 0 where the frames are the nodes."""
    discretisation_error: float | None = None
    """Estimate of how far the path may be from that of infinitely many nodes, radians. It bounds nothing."""
    kinetic_floor: float | None = None
    """Lower bound of the kinetic energy's Hessian at this path: mu sigma_1, on the sphere a bound from its angles."""
    geodesic_eigenvalue: float | None = None
    """On the sphere mu (pi^2 - theta^2)/L^2, theta the angle between the anchors: the kinetic energy's at the geodesic,
    for many nodes."""
    curvature: float | None = None
    """M+: rigorous bound of the largest eigenvalue of P's Hessian, on the sphere less the least <z, grad P>; 0 if
    negative."""
    tube_radius: float | None = None
    """How far from the nodes that bound holds, radians; None: everywhere."""
    curvature_sampled: float | None = None
    """The largest eigenvalue of P's Hessian at some samples. It bounds nothing."""
    coupling_number: float | None = None
    """Lambda = lambda M+/kinetic_floor: below 1 the action is convex where M+ holds."""
    margin: float | None = None
    """m = kinetic_floor - lambda M+."""
    gradient: float | None = None
    """|grad S|_w: 0 at a solution."""
    distance: float | None = None
    """|z - z*|_w is at most |grad S|_w/m, where a minimum z* is shown to be unique."""
    excess: float | None = None
    """S - S* is at most |grad S|_w^2/(2m), there."""
    furthest: float | None = None
    """No node is further than this from its place in z*, there."""
    eigenvalue: float | None = None
    """Smallest eigenvalue found of the Hessian, relative to the string (1 where there is no potential)."""
    eigenvalue_bound: float | None = None
    """An eigenvalue is no further than this from it."""
    negative: int | None = None
    """Negative eigenvalues found: the Morse index if `exact`, else at most that."""
    exact: bool | None = None
    """Whether the whole Hessian was diagonalised; else Lanczos's method was used."""
    starts: int | None = None
    """How many other starts were tried."""
    spread: float | None = None
    """The furthest that a node of a path from another start is from this one's, radians."""
    lower_by: float | None = None
    """How much lower an action was found from another start."""
    rms_deviation: float | None = None
    """lambda eps/m: RMS distance to the solution for the true potential, whose gradient is off by at most eps."""
    sup_deviation: float | None = None
    """The same for the furthest node: c eps/(1 - c Lip(grad P)), c = lambda L^2/(8 mu), or /(2 mu) with a free end."""
    paper_condition: bool | None = None
    """The paper's Theorem 3.6, lambda M < 2 mu/h^2. Not sufficient for a minimum: right only for a single node."""
    paper_deviation: float | None = None
    """The paper's Theorem 3.7, L^2 eps/mu. Not a bound: lambda is missing."""


@dataclasses.dataclass(frozen=True, eq=False)
class Certificate:
    """What is mathematically known about a solution."""

    converged: bool
    residual: float
    """Largest preconditioned step of any node, radians."""
    tolerance: float
    """Radians."""
    coupling: float
    mass: float
    time_unit_seconds: float
    """T: the mean length of the gaps, the unit of time to which lambda and mu refer."""
    gaps: int
    """Intervals between two anchors in which something was recovered."""
    free_ends: int
    """Stretches with an anchor on one side only."""
    unconverged_gaps: int
    iterations: int
    stretches: tuple[Stretch, ...] = ()
    """Query by query, in order of time."""

    @property
    def verdict(self) -> Verdict:
        """The weakest verdict on any stretch."""
        if not self.gaps and not self.free_ends:
            return Verdict.NOTHING_TO_RECOVER
        if not self.converged:
            return Verdict.NOT_CONVERGED
        order = list(Verdict)
        return max((stretch.verdict for stretch in self.stretches), key=order.index, default=Verdict.UNDECIDED)

    def worst(self, name: str) -> float | int | None:
        """The largest value of a number over the stretches, of eigenvalues and margins the smallest.

        None where it is not known of every stretch.

        Raises:
            ValueError: if stretches have no such number.
        """
        if name not in {field.name for field in dataclasses.fields(Stretch)}:
            raise ValueError(f"worst needs the name of a number of a stretch, got {name!r}; see Stretch.")
        values = [getattr(stretch, name) for stretch in self.stretches]
        if None in values:
            return None
        smallest = name in ("eigenvalue", "margin", "kinetic_floor", "geodesic_eigenvalue", "sigma_1", "tube_radius")
        return (min if smallest else max)(values, default=None)

    @property
    def sentence(self) -> str:
        """One sentence for the page."""
        verdict = self.verdict
        if verdict is Verdict.NOTHING_TO_RECOVER:
            return "Nothing was dropped, so there is nothing to recover."
        counts = ((self.gaps, "gap"), (self.free_ends, "open end"))
        stretch = " and ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counts if count)
        if verdict is Verdict.NOT_CONVERGED:
            if self.gaps and self.free_ends:
                stretch = f"{self.gaps + self.free_ends} stretches ({stretch})"
            return (
                f"Not converged in {self.unconverged_gaps} of {stretch}: nodes still move by {self.residual:.1e} rad "
                f"(tolerance {self.tolerance:.0e}), so this path is not yet a solution; try a smaller lambda."
            )
        claim, elsewhere = self._claim(verdict), self._elsewhere(verdict)
        if verdict is Verdict.CLOSED_FORM:
            return f"Closed form on {stretch}: {claim} (largest step left: {self.residual:.1e} rad){elsewhere}."
        return (
            f"Converged on {stretch}: the largest preconditioned step left is {self.residual:.1e} rad (tolerance "
            f"{self.tolerance:.0e}), so this is {claim}{elsewhere}."
        )

    def _claim(self, verdict: Verdict) -> str:
        """What the path is, without what other starts add."""
        coupling_number, number = self.worst("coupling_number"), self._number
        if verdict is Verdict.CLOSED_FORM:
            return "without a pull the path of least action is a geodesic, and nothing had to be iterated"
        if verdict is Verdict.UNIQUE:
            claim = f"the unique global minimum of the action, since Λ is at most {coupling_number:.2g} everywhere"
            if self.worst("distance") is None:
                return claim
            return (
                f"{claim}; in no stretch is the exact one further than {number('distance')} (weighted norm) or lower "
                f"by more than {number('excess')}"
            )
        if verdict is Verdict.UNIQUE_IN_TUBE:
            return (
                f"within {number('furthest')} of the only minimum of the action in a tube of radius "
                f"{number('tube_radius')} around it, since Λ is at most {coupling_number:.2g} there; nothing is known "
                "outside the tube"
            )
        if any(stretch.eigenvalue is None for stretch in self.stretches) or not self.stretches:
            if verdict is Verdict.STRICT_MINIMUM:
                return (
                    f"a strict local minimum of the action, since Λ is at most {coupling_number:.2g} here; whether it "
                    "is the lowest is not known"
                )
            return "a stationary path of the action; whether it is the lowest is not known"
        softest = min(self.stretches, key=lambda stretch: stretch.eigenvalue - stretch.eigenvalue_bound)
        exact = all(stretch.exact for stretch in self.stretches)
        smallest = (
            f"the smallest eigenvalue of its Hessian, relative to the string's, is {softest.eigenvalue:.2g} ± "
            f"{softest.eigenvalue_bound:.1e} ({'of the whole Hessian' if exact else 'by Lanczos'})"
        )
        if verdict is Verdict.STRICT_MINIMUM:
            return f"a strict local minimum of the action, since {smallest}; whether it is the lowest is not known"
        if verdict is Verdict.SADDLE:
            index = f"{'' if exact else 'at least '}{max(stretch.negative for stretch in self.stretches)}"
            return (
                f"a stationary path of the action but no minimum: a saddle of Morse index {index}, since {smallest}; "
                "try a smaller lambda"
            )
        return f"a stationary path of the action; whether it is a minimum is undecided, since {smallest}"

    def _elsewhere(self, verdict: Verdict) -> str:
        """What other starts add."""
        starts, lower = self.worst("starts"), self.worst("lower_by")
        if starts is None or verdict in (Verdict.CLOSED_FORM, Verdict.UNIQUE):
            return ""
        if lower:
            return f"; a lower action (by {lower:.2g}) was found from another start"
        return f"; {starts} other starts found no lower action, their paths up to {self._number('spread')} rad away"

    def _number(self, name: str) -> str:
        return f"{self.worst(name):.2g}"
