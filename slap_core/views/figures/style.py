"""How every figure looks: the fixed meaning of colours, thin rules, and the lambda axis.

Colours are Okabe and Ito's, safe for colour-blind readers, and mean one thing everywhere. A figure is drawn in the
light palette; the script of the page (`THEMED` in plots.js) swaps these very values for those of the theme.
"""

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

__all__ = ["BLUE", "GOLD", "GREY", "INK", "METHODS", "MUTED", "PAPER", "RULE", "VERMILLION"]
__all__ += ["apply_layout", "axis", "compress", "coupling_ticks", "method_line"]

INK, MUTED, RULE, PAPER = "#1a1a18", "#62625d", "#dcdcd6", "#fefefc"
BLUE, GREEN, GOLD, VERMILLION, GREY = "#0072b2", "#009e73", "#e69f00", "#d55e00", "#858580"

METHODS: dict[str, tuple[str, str, float]] = {
    "ZOH": (GREY, "dash", 1.2),
    "LERP": (BLUE, "dot", 1.4),
    "SLERP": (BLUE, "solid", 1.6),
    "Latent ODE": (GREEN, "solid", 1.6),
    "SLAP": (VERMILLION, "solid", 2.6),
}
"""Colour, dash and width by method."""

FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"


def method_line(method: str) -> dict[str, object]:
    """The line of a method, as plotly's `line`."""
    colour, dash, width = METHODS.get(method, (GREEN, "solid", 1.6))
    return {"color": colour, "dash": dash, "width": width}


def axis(title: str = "", *, grid: bool = True, **changes: object) -> dict[str, object]:
    """An axis with a thin rule and small, quiet labels."""
    return {
        "title": {"text": title, "font": {"size": 12, "color": MUTED}, "standoff": 8},
        "showgrid": grid,
        "gridcolor": RULE,
        "gridwidth": 1,
        "zeroline": False,
        "linecolor": RULE,
        "tickcolor": RULE,
        "tickfont": {"size": 11, "color": MUTED},
        "automargin": True,
        "exponentformat": "power",
        **changes,
    }


def apply_layout(figure: go.Figure, *, height: int, revision: str, **changes: object) -> go.Figure:
    """The same figure in the common style. Zoom survives updates for as long as `revision` stays the same."""
    return figure.update_layout(
        template=None,
        height=height,
        uirevision=revision,
        autosize=True,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": INK},
        margin={"l": 8, "r": 12, "t": 8, "b": 8, "pad": 0},
        hoverlabel={"bgcolor": PAPER, "bordercolor": RULE, "font": {"family": FONT, "size": 12, "color": INK}},
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "xanchor": "left",
            "yanchor": "bottom",
            "font": {"size": 12, "color": INK},
            "bgcolor": "rgba(0,0,0,0)",
            "itemsizing": "trace",
            "uirevision": "legend",
        },
        dragmode="pan",
        **changes,
    )


def compress(coupling: float, smallest: float) -> float:
    """Where lambda stands on the symmetric logarithmic axis: linear below `smallest`, decades above, 0 at 0."""
    return math.asinh(coupling / (2 * smallest)) / math.log(10)


def coupling_ticks(couplings: Float[Tensor, "coupling"] | Sequence[float]) -> tuple[list[float], list[str], float]:
    """Positions and labels of ticks for the couplings of a scan, and the smallest positive coupling."""
    values = [float(c) for c in couplings]
    smallest = min((c for c in values if c > 0), default=1.0)
    decade = math.floor(math.log10(smallest))
    candidates = [step * 10.0**k for k in range(decade, 4) for step in (1, 2, 5)]
    ticks = [0.0] if values[0] == 0 else []
    for tick in candidates:
        spaced = not ticks or compress(tick, smallest) - compress(ticks[-1], smallest) > 0.27
        if values[0] <= tick <= values[-1] * 1.001 and spaced:
            ticks.append(tick)
    return [compress(tick, smallest) for tick in ticks], [f"{tick:g}" for tick in ticks], smallest
