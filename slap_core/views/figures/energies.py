"""Energies along the path: kinetic T, pull lambda P, their sum, and the action of each gap.

In mechanics' words the path moves in the potential energy U = lambda P, so T + lambda P is what an exact free path
conserves between two anchors; at an anchor, which holds the path fast, it may jump.
"""

import itertools

import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from slap_core.stages import Decoded, Solved
from slap_core.types import Energies
from slap_core.views.figures.style import INK, METHODS, RULE, apply_layout, axis, method_line
from slap_core.views.figures.view import Table, View, amount, escaped, seconds
from slap_core.views.titles import TITLES

__all__ = ["energy_curves"]

TITLE = TITLES["energies"]
OFF_SCALE = 1.5
"""A method of `LEAPING` starts hidden when its T exceeds that of all others by this factor."""
LEAPING = ("ZOH", "Latent ODE")
"""One jumps from anchor to anchor, the other strays where nothing hides."""


def energy_curves(solved: Solved, decoded: Decoded) -> View:
    """T, lambda P and T + lambda P of every method over time, and the action of each gap."""
    if not len(decoded.dropped):
        return View(
            "energies", TITLE, "ready", headline="Nothing was dropped: there is no gap to spend action in.",
            message="Keep fewer frames to see the energies of a recovered path.",
        )  # fmt: skip
    figure = make_subplots(rows=4, cols=1, shared_xaxes=True, vertical_spacing=0.045)
    outliers = _outliers(solved)
    for method, energies in solved.energies.items():
        line = method_line(method)
        visible = "legendonly" if method in outliers else True
        times = energies.times.tolist()
        sums = (("T", energies.kinetic), ("λP", energies.potential), ("T + λP", energies.kinetic + energies.potential))
        for row, (quantity, values) in enumerate(sums, 1):
            figure.add_scatter(
                x=times, y=values.double().numpy(), name=method, legendgroup=method, showlegend=row == 1, mode="lines",
                line=line, visible=visible,
                hovertemplate=f"{method} {quantity} %{{y:.3g}} at %{{x:.2f}} s<extra></extra>", row=row, col=1,
            )  # fmt: skip
    spans = gap_spans(decoded)
    for method, energies in solved.energies.items():
        _bars(figure, method, energies, spans, list(solved.energies), "legendonly" if method in outliers else True)
    for row, title in enumerate(("T", "λP", "T + λP", "action per gap"), 1):
        figure.update_yaxes(
            axis(title, nticks=5, zeroline=row == 4, zerolinecolor=INK, zerolinewidth=1), row=row, col=1
        )
        figure.update_xaxes(axis("time, s" if row == 4 else "", grid=False, showticklabels=row == 4), row=row, col=1)
    apply_layout(
        figure,
        height=640,
        revision=f"energies {escaped(decoded.clip.name)}",
        hovermode="closest",
        barmode="overlay",
        shapes=_anchor_rules(decoded),
    )
    return View(
        name="energies",
        title=TITLE,
        state="ready",
        headline=_headline(solved, spans),
        caption="T is the cost of moving, λP the pull of the query, in units in which the mean gap lasts 1. Between "
        "two anchors (thin rules) an exact path of least action keeps T + λP constant, as a thrown ball keeps its "
        "energy; anchors may change it. The bars are what each gap costs."
        + (f" Hidden at first, for the sake of the scale: {', '.join(outliers)}. Click a name." if outliers else ""),
        description=" ".join(
            f"{m}: mean T {amount(float(e.kinetic.mean()))}, mean λP {amount(float(e.potential.mean()))}, total action "
            f"{amount(float(e.action.sum()))}."
            for m, e in solved.energies.items()
        ),
        figure=figure,
        table=_table(solved, spans),
    )


def gap_spans(decoded: Decoded) -> list[tuple[float, float]]:
    """(start, end) in seconds of every stretch in which something was dropped, open end included, in order."""
    times, kept, dropped = decoded.clip.times.tolist(), decoded.kept.tolist(), set(decoded.dropped.tolist())
    edges = sorted({0, *kept, len(times) - 1})
    return [(times[a], times[b]) for a, b in itertools.pairwise(edges) if any(i in dropped for i in range(a, b + 1))]


def _bars(
    figure: go.Figure,
    method: str,
    energies: Energies,
    spans: list[tuple[float, float]],
    methods: list[str],
    visible: bool | str,
) -> None:
    """One thin bar for each gap, side by side with those of the other methods inside the gap's own time."""
    actions = energies.action.double().flatten()[: len(spans)].tolist()
    share = 0.8 / len(methods)
    place = 0.1 + share * (methods.index(method) + 0.5)
    widths = [share * (end - start) for start, end in spans[: len(actions)]]
    middles = [start + place * (end - start) for start, end in spans[: len(actions)]]
    colour, _, _ = METHODS.get(method, METHODS["Latent ODE"])
    figure.add_bar(
        x=middles, y=actions, width=widths, name=f"{method} action", legendgroup=method, showlegend=False,
        marker={"color": colour, "opacity": 1.0 if method == "SLAP" else 0.45, "line": {"width": 0}},
        visible=visible, hovertemplate=f"{method}: action %{{y:.3g}}<extra></extra>", row=4, col=1,
    )  # fmt: skip


def _outliers(solved: Solved) -> list[str]:
    """The leaping methods whose T would set the scale for everyone."""
    most = {method: float(energies.kinetic.max()) for method, energies in solved.energies.items()}
    others = max((value for method, value in most.items() if method not in LEAPING), default=float("inf"))
    return [method for method in LEAPING if most.get(method, 0.0) > OFF_SCALE * others]


def _anchor_rules(decoded: Decoded) -> list[dict[str, object]]:
    """Shapes, handed over all at once: plotly checks every one that is added against all before it."""
    rule = {"type": "line", "y0": 0, "y1": 1, "xref": "x4", "yref": "paper", "layer": "below"}
    times = decoded.clip.times[decoded.kept].tolist()
    return [rule | {"x0": time, "x1": time, "line": {"color": RULE, "width": 1}} for time in times]


def _headline(solved: Solved, spans: list[tuple[float, float]]) -> str:
    action = {m: float(e.action.sum()) for m, e in solved.energies.items()}
    if "SLAP" not in action or "SLERP" not in action:
        return "; ".join(f"{m} spends an action of {amount(value)}" for m, value in action.items()) + "."
    saved = action["SLERP"] - action["SLAP"]
    if saved < -1e-4 * max(abs(action["SLERP"]), 1e-9):
        return (
            f"SLAP’s path has an action of {amount(action['SLAP'])}, more than SLERP’s {amount(action['SLERP'])}: it "
            "is not the minimum that was sought."
        )
    if saved <= 1e-4 * max(abs(action["SLERP"]), 1e-9):
        return f"SLAP spends the same action as SLERP, {amount(action['SLAP'])}: the pull moves the path nowhere."
    gain: Tensor = (solved.energies["SLERP"].action - solved.energies["SLAP"].action).flatten()
    sentence = f"SLAP’s path has an action of {amount(action['SLAP'])}, {amount(saved)} less than SLERP’s"
    if len(gain) == len(spans) > 1:
        start, end = spans[int(gain.argmax())]
        return f"{sentence}; most of it is saved between {seconds(start)} and {seconds(end)}."
    return f"{sentence}."


def _table(solved: Solved, spans: list[tuple[float, float]]) -> Table:
    methods = list(solved.energies)
    rows = [
        [f"{seconds(start)} – {seconds(end)}", *(_cell(solved.energies[m].action, index) for m in methods)]
        for index, (start, end) in enumerate(spans)
    ]
    return Table(["gap", *methods], rows, "Action of each gap", folded=True)


def _cell(action: Tensor, index: int) -> str:
    flat = action.flatten()
    return amount(float(flat[index])) if index < len(flat) else "–"
