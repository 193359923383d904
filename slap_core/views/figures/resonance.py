"""Resonance curve: what happens to the recovered path as lambda, the pull of the query, grows.

lambda stands on a symmetric logarithmic axis (linear near 0, so that 0 itself, where SLAP is SLERP, is on it).
"""

import math
from collections.abc import Sequence

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from slap_core.resonance import Regime, regimes
from slap_core.stages import Scanned, Solved
from slap_core.views.figures.regimes import DEFINITION, shade
from slap_core.views.figures.style import (
    BLUE,
    GOLD,
    INK,
    MUTED,
    PAPER,
    RULE,
    VERMILLION,
    apply_layout,
    axis,
    compress,
    coupling_ticks,
)
from slap_core.views.figures.view import Table, View, amount
from slap_core.views.titles import TITLES

__all__ = ["resonance_curve"]

TITLE = TITLES["resonance"]


def resonance_curve(scanned: Scanned, solved: Solved, *, coupling: float) -> View:
    """Drift, alignment and action against lambda, with lambda* and the lambda of this run marked."""
    couplings = scanned.couplings.tolist()
    ticks, labels, smallest = coupling_ticks(couplings)
    x = [compress(c, smallest) for c in couplings]
    curves = [
        ("drift", scanned.drift, VERMILLION),
        ("alignment", scanned.alignment, GOLD),
        ("action", scanned.action, INK),
    ]
    curves = [
        (name, values, colour) for name, values, colour in curves if values is not None and not _undefined(values)
    ]
    if not curves:
        return View("resonance", TITLE, "ready", headline=_headline(scanned), message="There is nothing to draw.")
    figure = make_subplots(rows=len(curves), cols=1, shared_xaxes=True, vertical_spacing=0.06)
    lost = [i for i, fine in enumerate(scanned.converged) if not fine]
    for row, (name, values, colour) in enumerate(curves, 1):
        y = values.double().tolist()
        figure.add_scatter(
            x=x, y=y, name=name, mode="lines+markers", line={"color": colour, "width": 2}, marker={"size": 5},
            customdata=couplings, hovertemplate="λ = %{customdata:.3g}<br>" + name + " %{y:.3g}<extra></extra>",
            showlegend=False, row=row, col=1,
        )  # fmt: skip
        if lost:
            figure.add_scatter(
                x=[x[i] for i in lost], y=[y[i] for i in lost], name="not converged", mode="markers", hoverinfo="skip",
                marker={"symbol": "x-thin", "size": 11, "line": {"color": MUTED, "width": 1.6}}, legendgroup="lost",
                showlegend=row == 1, row=row, col=1,
            )  # fmt: skip
        if name == "drift" and len(solved.drift.get("SLERP", ())):
            figure.add_scatter(
                x=[x[0], x[-1]], y=[float(solved.drift["SLERP"].mean())] * 2, name="SLERP", mode="lines",
                line={"color": BLUE, "width": 1.4, "dash": "dash"}, hoverinfo="skip", row=row, col=1,
            )  # fmt: skip
        figure.update_yaxes(axis(name, nticks=5), row=row, col=1)
        figure.update_xaxes(
            axis("λ" if row == len(curves) else "", tickvals=ticks, ticktext=labels, showticklabels=row == len(curves)),
            row=row, col=1,
        )  # fmt: skip
    lowest = f"x{len(curves)}" if len(curves) > 1 else "x"
    named = _regimes(scanned)
    if named:
        shade(figure, x, named, axis=lowest, inside=True)
    _mark(figure, x, scanned, coupling, smallest, lowest)
    above = _measure(figure, x, scanned.coupling_number, ticks, lowest)
    apply_layout(figure, height=150 * len(curves) + 60 + above, revision="resonance", hovermode="closest")
    # The names of the vertical rules stand on top, so the legend stands below.
    figure.update_layout(margin={"t": 34 + above, "l": 8, "r": 12, "b": 8}, legend={"y": -0.14, "yanchor": "top"})
    return View(
        name="resonance",
        title=TITLE,
        state="ready",
        headline=_headline(scanned),
        caption="Each point is the whole clip solved anew with that λ. At λ = 0 SLAP is SLERP; as λ grows the path "
        "bends towards the query, which may bring it nearer to the truth or away from it. λ* is known here only "
        "because we dropped the frames ourselves. Crosses mark solutions that did not converge: do not trust them. "
        + (f"{DEFINITION} " if named else "There is no gain over λ = 0 by which regimes could be told. ")
        + ("On top, Λ as it is measured there: at 1 the path is no minimum any more." if above else ""),
        description="Curves over lambda from "
        f"{amount(couplings[0])} to {amount(couplings[-1])}. "
        + " ".join(
            f"{name.capitalize()} goes from {amount(float(v[0]))} to {amount(float(v[-1]))}." for name, v, _ in curves
        )
        + f" {len(lost)} of {len(couplings)} points did not converge."
        + (f" Regimes, in order: {', '.join(dict.fromkeys(named))}." if named else ""),
        figure=figure,
        data=_curves(scanned, x, coupling),
        table=_table(scanned),
    )


def _curves(scanned: Scanned, x: list[float], coupling: float) -> dict[str, object]:
    """What changes with lambda elsewhere on the page, all of it: no server is asked when lambda is turned."""

    def digits(values: torch.Tensor) -> list[object]:
        return [[float(f"{value:.4g}") for value in row] for row in values.tolist()]

    pull = scanned.couplings[:, None] * scanned.potential_curve
    return {
        "couplings": scanned.couplings.tolist(),
        "x": x,
        "chosen": int((scanned.couplings - coupling).abs().argmin()),
        "drift": [float(f"{value:.4g}") for value in scanned.drift.tolist()] if scanned.points.shape[1] else [],
        "converged": list(scanned.converged),
        "times": scanned.times.tolist(),
        "kinetic": digits(scanned.kinetic_curve),
        "pull": digits(pull),
        "action": digits(scanned.gap_action),
    }


def _regimes(scanned: Scanned) -> tuple[Regime, ...]:
    """Of each lambda, by its drift; none where there is no gain to measure them by, or no start of the scan."""
    found = torch.tensor(scanned.converged)
    if scanned.best is None or float(scanned.couplings[0]) != 0 or not found[0]:
        return ()
    if not bool((scanned.drift[found] < scanned.drift[0]).any()):
        return ()
    return regimes(scanned.couplings, -scanned.drift, found=found)


def _measure(
    figure: go.Figure, x: Sequence[float], coupling_number: torch.Tensor, ticks: Sequence[float], lowest: str
) -> int:
    """Lambda as it was measured, above the curves at those lambdas that have a tick; the room it takes, pixels."""
    known = [i for i, value in enumerate(coupling_number.tolist()) if math.isfinite(value)]
    shown = [i for i in known if any(math.isclose(x[i], tick, abs_tol=1e-6) for tick in ticks)]
    for i in shown:
        figure.add_annotation(
            x=x[i], y=1, xref=lowest, yref="paper", text=f"{float(coupling_number[i]):.2f}".replace("-", "−"),
            showarrow=False, yanchor="bottom", yshift=24, font={"size": 11, "color": MUTED},
        )  # fmt: skip
    if shown:
        figure.add_annotation(
            x=0, y=1, xref="paper", yref="paper", text="Λ", showarrow=False, xanchor="right", yanchor="bottom",
            xshift=-14, yshift=24, font={"size": 12, "color": MUTED},
        )  # fmt: skip
    return 18 if shown else 0


def _undefined(values: torch.Tensor) -> bool:
    return not bool(values.isfinite().all())


def _headline(scanned: Scanned) -> str:
    best, lost = scanned.best, sum(not fine for fine in scanned.converged)
    doubt = f" {lost} of {len(scanned.converged)} values of λ did not converge." if lost else ""
    if best is None:
        return "Nothing was dropped, so there is no drift to compare." + doubt
    star, drift = float(scanned.couplings[best]), scanned.drift
    zero = float(drift[0])
    gain = 1 - float(drift[best]) / zero if zero > 0 else 0.0
    if float(scanned.couplings[0]) == 0 and (star == 0 or gain < 5e-4):
        return f"No pull helps on this clip: the drift is smallest without one (λ = 0, drift {amount(zero)})." + doubt
    reference = (
        "without a pull" if float(scanned.couplings[0]) == 0 else f"at λ = {amount(float(scanned.couplings[0]))}"
    )
    return (
        f"The path is nearest the truth at λ* = {amount(star)}: drift {amount(float(drift[best]))}, "
        f"{amount(100 * gain)} % less than {reference}.{doubt}"
    )


def _mark(figure: go.Figure, x: list[float], scanned: Scanned, coupling: float, smallest: float, lowest: str) -> None:
    """Vertical rules through all rows: the lambda of this run, and lambda*."""
    here = compress(coupling, smallest)
    marks = [(here, f"λ = {amount(coupling)}", MUTED, "dot")]
    if scanned.best is not None:
        star = x[scanned.best]
        value = amount(float(scanned.couplings[scanned.best]))
        if math.isclose(star, here, abs_tol=1e-6):
            marks = [(star, f"λ = λ* = {value}", VERMILLION, "solid")]
        else:
            marks.append((star, f"λ* = {value}", VERMILLION, "solid"))
    crowded = len(marks) == 2 and abs(marks[0][0] - marks[1][0]) < 0.22 * (x[-1] - x[0])
    for index, (position, text, colour, dash) in enumerate(marks):
        figure.add_shape(
            type="line", x0=position, x1=position, y0=0, y1=1, xref=lowest, yref="paper",
            line={"color": colour, "width": 1.2, "dash": dash}, layer="between",
        )  # fmt: skip
        left = crowded and position < marks[1 - index][0]
        figure.add_annotation(
            x=position, y=1, xref=lowest, yref="paper", text=text, showarrow=False,
            yanchor="bottom", xanchor=("right" if left else "left") if crowded else "center",
            font={"size": 12, "color": INK if colour == VERMILLION else MUTED}, bgcolor=PAPER, bordercolor=RULE,
            borderpad=2,
        )  # fmt: skip


def _table(scanned: Scanned) -> Table:
    columns = ["λ", "drift", *(["alignment"] if scanned.alignment is not None else []), "action", "Λ", "regime"]
    columns, named, rows = [*columns, "converged"], _regimes(scanned), []
    for i, coupling in enumerate(scanned.couplings.tolist()):
        cells = [amount(coupling), amount(float(scanned.drift[i]))]
        if scanned.alignment is not None:
            cells.append(amount(float(scanned.alignment[i])))
        cells += [amount(float(scanned.action[i])), amount(float(scanned.coupling_number[i]))]
        rows.append([*cells, named[i].value if named else "–", "yes" if scanned.converged[i] else "no"])
    return Table(columns, rows, "All values", folded=True)
