"""Latent map: the clip's latents, anchors and every method's path in two dimensions.

Observed and recovered points differ by shape as well as colour: dots and rings were seen in the video, hollow diamonds
were recovered. `customdata` is the frame's index, by which the page finds its picture.
"""

import base64
from collections.abc import Mapping

import plotly.graph_objects as go
import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.stages import Decoded, Encoded, Projected, Solved
from slap_core.views.figures.style import GOLD, INK, MUTED, PAPER, RULE, apply_layout, axis, method_line
from slap_core.views.figures.view import Table, View, amount, escaped, plain, seconds
from slap_core.views.titles import TITLES

__all__ = ["drift_sentence", "latent_map"]

TITLE = TITLES["map"]
HIDDEN = ("LERP", "Latent ODE")
"""These wait behind their names."""
TIE = 0.01
"""Two methods whose mean drifts differ by less than this fraction are called equally near."""


def latent_map(projected: Projected, decoded: Decoded, encoded: Encoded, solved: Solved) -> View:
    """The latents in two dimensions, with the paths of all methods, and how far each is from the truth."""
    dropped, times = decoded.dropped.tolist(), decoded.clip.times
    figure = go.Figure()
    for method, path in projected.paths.items():
        xy = path.double().numpy()
        figure.add_scatter(
            x=xy[:, 0], y=xy[:, 1], mode="lines", name=method, legendgroup=method, line=method_line(method),
            visible="legendonly" if method in HIDDEN else True, hoverinfo="skip",
        )  # fmt: skip
    truth = projected.truth.double().numpy()
    figure.add_scatter(
        x=truth[:, 0], y=truth[:, 1], mode="lines+markers", name="true path", line={"color": INK, "width": 1},
        marker={"size": 4, "color": INK}, customdata=list(range(len(truth))), hoverinfo="none",
    )  # fmt: skip
    for method, points in projected.recovered.items():
        xy = points.double().numpy()
        figure.add_scatter(
            x=xy[:, 0], y=xy[:, 1], mode="markers", name=f"{method} recovered", legendgroup=method, showlegend=False,
            marker={
                "symbol": "diamond-open", "size": 9 if method == "SLAP" else 6,
                "color": method_line(method)["color"], "line": {"width": 1.6 if method == "SLAP" else 1},
            },
            visible="legendonly" if method in HIDDEN else True, customdata=dropped, hoverinfo="none",
        )  # fmt: skip
    anchors = projected.anchors.double().numpy()
    figure.add_scatter(
        x=anchors[:, 0], y=anchors[:, 1], mode="markers", name="anchors", customdata=decoded.kept.tolist(),
        marker={"symbol": "circle-open", "size": 15, "color": INK, "line": {"width": 1.6}}, hoverinfo="none",
    )  # fmt: skip
    if projected.query is not None:
        star = projected.query.double().numpy()
        figure.add_scatter(
            x=star[:1], y=star[1:], mode="markers+text", name="query", text=[escaped(encoded.prompt, limit=40)],
            textposition="top center", textfont={"color": MUTED, "size": 12}, hoverinfo="skip", cliponaxis=False,
            marker={"symbol": "star", "size": 17, "color": GOLD, "line": {"color": PAPER, "width": 1}},
        )  # fmt: skip
    figure.add_scatter(  # of the three dimensions, which the page draws
        x=[None], y=[None], mode="lines", name="axes", showlegend=False, hoverinfo="skip", visible=False,
        line={"color": RULE, "width": 1},
    )  # fmt: skip
    blank = {"showticklabels": False, "ticks": "", "showline": False}
    apply_layout(
        figure,
        height=470,
        revision=f"map {projected.method} {escaped(decoded.clip.name)} {len(times)} {decoded.kept.tolist()} "
        f"{escaped(encoded.prompt)}",
        xaxis=axis(grid=False, **blank),
        yaxis=axis(grid=False, scaleanchor="x", **blank),
        hovermode="closest",
        hoverdistance=12,
    )
    return View(
        name="map",
        title=TITLE,
        state="ready",
        headline=drift_sentence(solved.drift, _times_of(times, dropped)),
        caption=_caption(projected),
        description=_description(projected, solved.drift, len(times), len(anchors), encoded.prompt),
        notes=(plain(projected.note, limit=400),) if projected.note else (),
        figure=figure,
        data={"method": projected.method, "drift": _drifts(solved, dropped)}
        | _scan(projected, decoded)
        | {"solid": _solid(projected, decoded)},
        table=_drift_table(solved.drift, _times_of(times, dropped)),
    )


def _drifts(solved: Solved, dropped: list[int]) -> dict[str, object]:
    """Drift of each dropped frame by method, for the words at the cursor."""
    methods = {name: [float(f"{x:.3g}") for x in values.tolist()] for name, values in solved.drift.items()}
    return {"dropped": dropped, "methods": methods}


def _scan(projected: Projected, decoded: Decoded) -> dict[str, object]:
    """The SLAP path of every lambda that was scanned, for the slider: the points of all frames."""
    if projected.scan is None or not len(decoded.dropped):
        return {}
    return {"scan": _packed(_with_truth(projected.truth, projected.scan, decoded))}


def _solid(projected: Projected, decoded: Decoded) -> dict[str, object]:
    """The same in three dimensions: the truth, each method's path, and that of every lambda that was scanned."""
    solid = projected.solid
    rows = torch.stack([solid.truth, *solid.paths.values()]).double()
    if solid.scan is not None and len(decoded.dropped):
        rows = torch.cat([rows, _with_truth(solid.truth, solid.scan, decoded).double()])
    query = None if solid.query is None else [float(f"{x:.4g}") for x in solid.query.tolist()]
    return _packed(rows) | {"methods": list(solid.paths), "query": query, "explained": solid.explained}


def _with_truth(truth: Tensor, scan: Tensor, decoded: Decoded) -> Float[Tensor, "coupling time axis"]:
    """Points of all frames for each lambda: the anchors are the truth's."""
    whole = truth.expand(len(scan), -1, -1).clone()
    whole[:, decoded.dropped] = scan
    return whole


def _packed(rows: Float[Tensor, "row time axis"]) -> dict[str, object]:
    """Rows of points in 16 bit."""
    low = rows.flatten(0, 1).amin(0)
    size = float((rows.flatten(0, 1).amax(0) - low).amax().clamp_min(1e-12)) / 65535
    steps = ((rows - low) / size).round().to(torch.int32).numpy().astype("<u2")
    packed = base64.b64encode(steps.tobytes()).decode("ascii")
    return {"points": packed, "low": low.tolist(), "size": size, "frames": rows.shape[1]}


def drift_sentence(drift: Mapping[str, Float[Tensor, "dropped"]], times: list[float]) -> str:
    """Who came nearest to the frames that were dropped, in one sentence; `times` are theirs, in seconds."""
    means = {method: float(values.mean()) for method, values in drift.items() if len(values)}
    if not means:
        return "Nothing was dropped, so every method passes through the true latents."
    if "SLAP" not in means or len(means) < 2:
        return (
            "; ".join(
                f"{method} drifts {amount(mean)} from the true frames on average" for method, mean in means.items()
            )
            + "."
        )
    rival = min((m for m in means if m != "SLAP"), key=means.__getitem__)
    if rival == "LERP" and "SLERP" in means and means["SLERP"] <= (1 + TIE) * means["LERP"]:
        rival = "SLERP"  # the same arc, and the one that is SLAP without a pull
    ours, theirs = means["SLAP"], means[rival]
    if abs(ours - theirs) <= TIE * max(ours, theirs, 1e-12):
        sentence = f"SLAP and {rival} come equally near to the true frames: mean drift {amount(ours)}."
    elif ours < theirs:
        sentence = (
            f"SLAP comes nearest to the true frames: mean drift {amount(ours)}, {_percent(1 - ours / theirs)} below "
            f"{rival} ({amount(theirs)})."
        )
    else:
        sentence = (
            f"{rival} comes nearer to the true frames than SLAP here: mean drift {amount(theirs)} against "
            f"{amount(ours)}"
            + ("; the pull of the query does not help on this clip at this λ." if rival == "SLERP" else ".")
        )
    worst = int(drift["SLAP"].argmax())
    return f"{sentence} SLAP is farthest off at {seconds(times[worst])}."


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f} %" if fraction >= 0.095 else f"{100 * fraction:.1f} %"


def _times_of(times: Tensor, index: list[int]) -> list[float]:
    return times[index].tolist()


def _drift_table(drift: Mapping[str, Float[Tensor, "dropped"]], times: list[float]) -> Table | None:
    if not times:
        return None
    rows = [
        [method, amount(float(values.mean())), amount(float(values.max())), seconds(times[int(values.argmax())])]
        for method, values in drift.items()
    ]
    return Table(["method", "mean drift", "largest drift", "at"], rows, "Drift: 1 − cos(recovered, true), by method")


def _caption(projected: Projected) -> str:
    trust = projected.trustworthiness
    if projected.method == "PCA":
        kind = "PCA: a flat shadow, distances are true to scale but depth is lost."
    else:
        kind = f"UMAP (seed {projected.seed}): neighbours stay neighbours, distances between far groups mean little."
    return (
        f"{kind} "
        + (f"Trustworthiness {amount(trust)} of 1. " if trust is not None else "")
        + "Dots and rings are frames of the video, rings the anchors; hollow diamonds are recovered. Point at one to "
        "see the true frame of that moment; click a name to hide or show it. LERP starts hidden: its points, brought "
        "back to the sphere, lie on SLERP’s arc."
        + (
            " So does the Latent ODE: it was trained to recover what hides in drawn scenes, and strays where nothing "
            "does."
            if "Latent ODE" in projected.paths
            else ""
        )
    )


def _description(projected: Projected, drift: Mapping[str, Tensor], count: int, anchors: int, prompt: str) -> str:
    means = ", ".join(f"{m} {amount(float(v.mean()))}" for m, v in drift.items() if len(v))
    return (
        f"Scatter plot of {count} frames in two {projected.method} coordinates: the true path, {anchors} anchors, the "
        f"paths of {', '.join(projected.paths)}"
        + (f", and the query “{plain(prompt)}” as a star" if projected.query is not None else "")
        + f". Mean drift: {means or 'none, nothing was dropped'}."
    )
