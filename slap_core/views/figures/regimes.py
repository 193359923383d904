"""The five regimes of a scan over lambda, shaded behind its curves and named (`slap_core.resonance` defines them)."""

import itertools
from collections.abc import Sequence

import plotly.graph_objects as go

from slap_core.views.figures.style import MUTED

__all__ = ["DEFINITION", "shade"]

DEFINITION = (
    "Shaded: the regimes, by how much of the best gain over λ = 0 is reached: ballistic up to 10 %, weak, resonance "
    "from 95 % on, strong beyond the best, chaos where the gain is gone or paths are not found."
)
SHADES = {"ballistic": 0.0, "weak": 0.08, "resonance": 0.2, "strong": 0.08, "chaos": 0.0}
"""How dark the band of each regime is."""


def shade(
    figure: go.Figure, x: Sequence[float], regimes: Sequence[str], *, axis: str = "x", inside: bool = False
) -> None:
    """A band for each run of lambdas of one regime, with its name: resonance, and those that are wide enough.

    Args:
        figure: to draw on.
        x: where each lambda stands.
        regimes: of each lambda.
        axis: the horizontal axis that x refers to.
        inside: whether the names stand at the bottom of the curves; else above them.
    """
    edges = [x[0], *((a + b) / 2 for a, b in itertools.pairwise(x)), x[-1]]
    start = 0
    for regime, run in itertools.groupby(regimes):
        end = start + len(list(run))
        low, high = edges[start], edges[end]
        figure.add_shape(
            type="rect", x0=low, x1=high, y0=0, y1=1, xref=axis, yref="paper", layer="below", line={"width": 0},
            fillcolor=f"rgba(133,133,128,{SHADES[regime]})",
        )  # fmt: skip
        if regime == "resonance" or high - low > 0.13 * (x[-1] - x[0]):
            figure.add_annotation(
                x=(low + high) / 2, y=0 if inside else 1, xref=axis, yref="paper", text=regime, showarrow=False,
                yanchor="bottom", font={"size": 11, "color": MUTED},
                name=f"regime {(high - low) / (x[-1] - x[0]):.3f}",  # a narrow screen leaves out what has no room
            )  # fmt: skip
        start = end
