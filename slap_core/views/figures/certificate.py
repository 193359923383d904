"""Certificate: what is known about the solution, in one sentence, with the numbers behind a fold."""

from slap_core.stages import Encoded, Solved
from slap_core.types import Certificate
from slap_core.views.figures.view import Table, View, amount, plain
from slap_core.views.titles import TITLES

__all__ = ["certificate_view"]

TITLE = TITLES["certificate"]


def certificate_view(solved: Solved, encoded: Encoded) -> View:
    """The sentence of SLAP's certificate and the numbers that it rests on."""
    solution = solved.solutions["SLAP"]
    certificate = solution.certificate
    if certificate is None:
        return View("certificate", TITLE, "ready", headline=solution.result.value, message="No certificate was made.")
    numbers = [
        ["verdict", certificate.verdict.value],
        ["converged", "yes" if certificate.converged else "no"],
        ["largest preconditioned step left", amount(certificate.residual, "rad")],
        ["tolerance", amount(certificate.tolerance, "rad")],
        ["iterations", f"{certificate.iterations}"],
        *_spectrum(certificate),
        ["gaps recovered", f"{certificate.gaps}"],
        ["open ends", f"{certificate.free_ends}"],
        ["gaps not converged", f"{certificate.unconverged_gaps}"],
        ["λ, pull of the query", amount(certificate.coupling)],
        ["μ, mass", amount(certificate.mass)],
        ["T, mean gap = unit of time", amount(certificate.time_unit_seconds, "s")],
        ["potential", plain(solved.potential)],
        ["encoder", plain(encoded.encoder)],
    ]
    return View(
        name="certificate",
        title=TITLE,
        state="ready",
        headline=certificate.sentence,
        caption="A stationary path satisfies the discrete Euler–Lagrange equation: no small change lowers or raises "
        "its action to first order. This says that the equation is solved, not that the film was really so.",
        description=certificate.sentence,
        data={"converged": certificate.converged},
        table=Table(["quantity", "value"], numbers, "The numbers behind it", folded=True),
    )


def _spectrum(certificate: Certificate) -> list[list[str]]:
    """What was measured at the path: rows for what is known of every gap."""
    known = [
        ("smallest eigenvalue of the Hessian, relative to the string’s", "eigenvalue", ""),
        ("an eigenvalue is no further from it than", "eigenvalue_bound", ""),
        ("Λ bound", "coupling_number", ""),
        ("distance to the minimum at most, weighted norm", "distance", "rad"),
        ("frames against infinitely many nodes, estimate", "discretisation_error", "rad"),
    ]
    found = [(words, certificate.worst(name), unit) for words, name, unit in known]
    rows = [[words, amount(float(value), unit)] for words, value, unit in found if value is not None]
    eigenvalue = certificate.worst("eigenvalue")
    return rows if eigenvalue is None else [*rows, ["Λ, measured: 1 − that eigenvalue", amount(1 - eigenvalue)]]
