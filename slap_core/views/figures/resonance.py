"""Resonance curve: what happens to the recovered path as lambda, the pull of the query, grows.

lambda stands on a symmetric logarithmic axis (linear near 0, so that 0 itself, where SLAP is SLERP, is on it).
"""

import math

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from slap_core.stages import Scanned, Solved
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
    _mark(figure, x, scanned, coupling, smallest, len(curves))
    apply_layout(figure, height=150 * len(curves) + 60, revision="resonance", hovermode="closest")
    # The names of the vertical rules stand on top, so the legend stands below.
    figure.update_layout(margin={"t": 34, "l": 8, "r": 12, "b": 8}, legend={"y": -0.14, "yanchor": "top"})
    return View(
        name="resonance",
        title=TITLE,
        state="ready",
        headline=_headline(scanned),
        caption="Each point is the whole clip solved anew with that λ. At λ = 0 SLAP is SLERP; as λ grows the path "
        "bends towards the query, which may bring it nearer to the truth or away from it. λ* is known here only "
        "because we dropped the frames ourselves. Crosses mark solutions that did not converge: do not trust them.",
        description="Curves over lambda from "
        f"{amount(couplings[0])} to {amount(couplings[-1])}. "
        + " ".join(
            f"{name.capitalize()} goes from {amount(float(v[0]))} to {amount(float(v[-1]))}." for name, v, _ in curves
        )
        + f" {len(lost)} of {len(couplings)} points did not converge.",
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


def _mark(figure: go.Figure, x: list[float], scanned: Scanned, coupling: float, smallest: float, rows: int) -> None:
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
            type="line", x0=position, x1=position, y0=0, y1=1, xref=f"x{rows}" if rows > 1 else "x", yref="paper",
            line={"color": colour, "width": 1.2, "dash": dash}, layer="between",
        )  # fmt: skip
        left = crowded and position < marks[1 - index][0]
        figure.add_annotation(
            x=position, y=1, xref=f"x{rows}" if rows > 1 else "x", yref="paper", text=text, showarrow=False,
            yanchor="bottom", xanchor=("right" if left else "left") if crowded else "center",
            font={"size": 12, "color": INK if colour == VERMILLION else MUTED}, bgcolor=PAPER, bordercolor=RULE,
            borderpad=2,
        )  # fmt: skip


def _table(scanned: Scanned) -> Table:
    columns = ["λ", "drift", *(["alignment"] if scanned.alignment is not None else []), "action", "converged"]
    rows = []
    for i, coupling in enumerate(scanned.couplings.tolist()):
        cells = [amount(coupling), amount(float(scanned.drift[i]))]
        if scanned.alignment is not None:
            cells.append(amount(float(scanned.alignment[i])))
        rows.append([*cells, amount(float(scanned.action[i])), "yes" if scanned.converged[i] else "no"])
    return Table(columns, rows, "All values", folded=True)
