"""Figures of the tunnel test: accuracy and drift over lambda, and how the methods compare."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from slap_core.views.figures.regimes import shade
from slap_core.views.figures.style import (
    BLUE,
    GREY,
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

__all__ = ["methods_figure", "scan_figure"]

NAMES = {"slap": "SLAP, trained through the solver", "slap_paper": "SLAP, trained by the paper's recipe"}
COLOURS = {"slap": VERMILLION, "slap_paper": BLUE}
PAPERS = ((0.1, 0.652), (0.5, 0.839), (1.0, 0.791), (5.0, 0.31))
"""Lambda and accuracy that the paper reports, on data of its own; 0.415 as lambda -> 0."""
PAPERS_START = 0.415


def scan_figure(scans: Mapping[str, Mapping[str, Any]], *, shaded: str | None = None, paper: bool = True) -> go.Figure:
    """Accuracy and drift of the tunnel test over lambda, lambda* and the regimes marked; the paper's scan beside it.

    Args:
        scans: by method, with "couplings", "accuracy" and "drift" (each mean, low, high), "regimes", "unconverged"
            and "best", as the tunnel test writes them.
        shaded: the method whose regimes are shaded and named.
        paper: whether the paper's figures stand beside them.
    """
    couplings = next(iter(scans.values()))["couplings"]
    ticks, labels, smallest = coupling_ticks(couplings)
    x = [compress(c, smallest) for c in couplings]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    lost_anywhere = False
    for method, scan in scans.items():
        colour = COLOURS.get(method, GREY)
        for row, column in enumerate(("accuracy", "drift"), 1):
            mean, low, high = zip(*scan[column], strict=True)
            red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
            figure.add_scatter(
                x=[*x, *reversed(x)], y=[*low, *reversed(high)], fill="toself", mode="none", hoverinfo="skip",
                fillcolor=f"rgba({red},{green},{blue},0.14)", showlegend=False, row=row, col=1,
            )  # fmt: skip
            figure.add_scatter(
                x=x, y=mean, mode="lines+markers", line={"color": colour, "width": 2}, marker={"size": 4.5},
                name=NAMES.get(method, method), legendgroup=method, showlegend=row == 1,
                customdata=[[c, regime] for c, regime in zip(couplings, scan["regimes"], strict=True)],
                hovertemplate=f"λ = %{{customdata[0]:.3g}} (%{{customdata[1]}})<br>{column} %{{y:.3f}}<extra></extra>",
                row=row, col=1,
            )  # fmt: skip
        lost = [k for k, share in enumerate(scan["unconverged"]) if share > 0.01]
        if lost:
            figure.add_scatter(
                x=[x[k] for k in lost], y=[scan["accuracy"][k][0] for k in lost], mode="markers", hoverinfo="skip",
                marker={"symbol": "x-thin", "size": 10, "line": {"color": MUTED, "width": 1.5}},
                name="over 1 % of the paths not found", legendgroup="lost",
                showlegend=not lost_anywhere, row=1, col=1,
            )  # fmt: skip
            lost_anywhere = True
        best = compress(scan["best"], smallest)
        figure.add_vline(x=best, line={"color": colour, "width": 1, "dash": "dot"}, row="all", col=1)
    if paper:
        figure.add_scatter(
            x=[x[0], *(compress(c, smallest) for c, _ in PAPERS)], y=[PAPERS_START, *(value for _, value in PAPERS)],
            mode="markers", marker={"symbol": "diamond-open", "size": 9, "color": GREY},
            name="the paper's figures, on its own data", hovertemplate="%{y:.3f}<extra>paper</extra>", row=1, col=1,
        )  # fmt: skip
    for row, title in enumerate(("accuracy, what and where", "drift, 1 - cos"), 1):
        figure.update_yaxes(axis(title, nticks=6, rangemode="tozero"), row=row, col=1)
        figure.update_xaxes(
            axis("λ" if row == 2 else "", tickvals=ticks, ticktext=labels, showticklabels=row == 2), row=row, col=1
        )
    apply_layout(figure, height=520, revision="tunnel-scan", hovermode="closest")
    figure.update_layout(margin={"t": 8, "l": 8, "r": 12, "b": 8}, legend={"y": -0.13, "yanchor": "top"})
    if shaded is not None:
        shade(figure, x, scans[shaded]["regimes"])
        figure.update_layout(margin={"t": 28})
    return figure


def methods_figure(estimates: Mapping[str, Mapping[str, Sequence[float]]]) -> go.Figure:
    """Accuracy of every method over all outcomes, the basic ones and the worst, with 95 % intervals.

    Args:
        estimates: by method, (mean, low, high) for "all", "basic" and "worst".
    """
    figure = go.Figure()
    names = list(reversed(estimates))
    looks = {"all": (INK, "circle", 9), "basic": (BLUE, "triangle-up", 8), "worst": (GREY, "x", 7)}
    titles = {"all": "all outcomes", "basic": "the four basic ones", "worst": "the worst one"}
    for group, (colour, symbol, size) in looks.items():
        mean, low, high = zip(*(estimates[name][group] for name in names), strict=True)
        figure.add_scatter(
            x=mean, y=names, mode="markers", name=titles[group],
            marker={"color": colour, "symbol": symbol, "size": size, "line": {"color": PAPER, "width": 1}},
            error_x={
                "type": "data", "symmetric": False, "array": [h - m for h, m in zip(high, mean, strict=True)],
                "arrayminus": [m - lowest for m, lowest in zip(mean, low, strict=True)], "color": colour,
                "thickness": 1.2, "width": 0,
            },
            hovertemplate="%{y}: %{x:.3f}<extra>" + titles[group] + "</extra>",
        )  # fmt: skip
    figure.update_xaxes(axis("accuracy, what and where", range=[0, 1.02]))
    figure.update_yaxes(axis("", tickfont={"size": 12, "color": INK}, gridcolor=RULE))
    return apply_layout(figure, height=26 * len(names) + 90, revision="tunnel-methods", hovermode="closest")
