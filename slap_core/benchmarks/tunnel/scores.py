"""The metrics of each case, and their means over scenes with intervals.

Per hidden frame, then the mean over the frames of a case:

    accuracy          the prompts are right on what and where (three places), or on "nothing"
    named, placed     what (kind and colour), and where, each for itself
    probe_accuracy    the same as accuracy by the probe, with six places
    says              the probe says that something is there
    sure              how surely (for the AUC)
    conjured          something is named that was asked for and is not hidden there
    place_error       distance of the believed place from the nearest hidden object's, in widths of the picture
    presence          rho = <z - z_empty, x - x_empty>/|x - x_empty|^2, x the cut-away latent
    drift             1 - cos(z, x)
    drift_relative    drift over that of the empty frame's latent

Named, placed, presence and everything relative is of cases with a hidden object only. Over scenes:

    present_accuracy      mean of the share of the present cases that say so and of the absent ones that do not
    false_positive_rate   `says` where nothing is hidden
    auc                   of `sure`, present against absent cases
    permanence            1 + 4 clip(mean rho, 0, 1): our definition

Totals are means over outcomes of the means over their scenes, so that every outcome weighs the same. Intervals are
those of the percentile bootstrap, scenes drawn anew within each outcome.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from slap_core.benchmarks.tunnel.beliefs import read
from slap_core.benchmarks.tunnel.cases import BASIC, Case
from slap_core.metrics import drift
from slap_core.probe import Probe
from slap_core.training.queries import QUERIES
from slap_core.tunnel_world import OUTCOMES

__all__ = ["COLUMNS", "MEASURED", "Estimate", "measure", "summarise"]

MEASURED = (
    *("accuracy", "named", "placed", "probe_accuracy", "says", "sure", "conjured", "place_error", "presence", "drift"),
    "drift_relative",
)
"""The numbers of a case."""
COLUMNS = (
    *("accuracy", "named", "placed", "probe_accuracy", "present_accuracy", "false_positive_rate", "auc", "conjured"),
    *("place_error", "presence", "permanence", "drift", "drift_relative"),
)
"""What a table can show."""
RESAMPLES = 1000

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over scenes with its 95 % interval; NaN where nothing is to be measured."""

    value: float
    low: float
    high: float


def measure(
    path: Float[Tensor, "query node dim"] | Float[Tensor, "node dim"], case: Case, probe: Probe
) -> Float[Tensor, "measured query"]:
    """The numbers of one case, in the order of `MEASURED`, for each way of asking; NaN where there is none.

    Args:
        path: what was recovered, unit latents; one for all ways of asking, or one each.
        case: what was asked.
        probe: that reads latents.
    """
    at, path = case.scored, path.to(case.target).expand(len(QUERIES), -1, -1)
    z, x, empty = path[:, at], case.target[at], case.empty[at]
    prompts, probed = read(probe, z, case, at)
    conjured = torch.zeros(len(path))
    hidden = case.place[at] >= 0
    there = {(int(k), int(c)) for k, c in zip(case.kind[hidden.any(0)], case.colour[hidden.any(0)], strict=True)}
    for row, pair in enumerate(case.asked):
        if pair is not None and pair not in there:
            conjured[row] = probed.names(*pair)[row].float().mean()
    far = drift(z, x).mean(-1)
    nan = torch.full((len(path),), torch.nan)
    error = rho = relative = named = placed = nan
    if case.present:
        middle = (case.place[at] + 0.5) / 6
        off = (probed.position[..., None] - middle).abs().masked_fill(~hidden, torch.inf).amin(-1)
        error = off[:, hidden.any(-1)].mean(-1)
        shown = x - empty
        rho = (((z - empty) * shown).sum(-1) / shown.square().sum(-1).clamp_min(1e-12)).mean(-1)
        relative = far / drift(empty, x).mean()
        something = hidden.any(-1)
        named, placed = (which[:, something].float().mean(-1) for which in prompts.named_and_placed(case, at))
    right = [reading.right(case, at).float().mean(-1) for reading in (prompts, probed)]
    rows = [
        right[0],
        named,
        placed,
        right[1],
        probed.says.float().mean(-1),
        probed.sure.mean(-1),
        conjured,
        error,
        rho,
        far,
        relative,
    ]
    return torch.stack([row.double() for row in rows])


def summarise(
    values: Float[Tensor, "case measured query"],
    cases: Sequence[Case],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Outcome -> query -> column -> estimate; outcomes are those of the cases and `basic`, `all` and `worst`.

    Args:
        values: of `measure`, case by case.
        cases: the cases.
        resamples: of the bootstrap.
        seed: of its draws.
    """
    outcome = np.array([case.outcome for case in cases])
    table = values.numpy()
    names = [name for k, name in enumerate(OUTCOMES) if (outcome == k).any()]
    rng = np.random.default_rng(seed)
    # Row 0 is the sample itself; how often each scene was drawn is its weight.
    weights = {}
    for name in names:
        count = int((outcome == OUTCOMES.index(name)).sum())
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
        weights[name] = np.concatenate([np.ones((1, count)), drawn])
    found: dict[str, dict[str, dict[str, Estimate]]] = {}
    groups = {name: (name,) for name in names}
    basic = tuple(name for name in names if name in BASIC)
    groups |= ({"basic": basic} if basic else {}) | {"all": tuple(names)}
    for query in (*QUERIES, "all"):
        which = range(len(QUERIES)) if query == "all" else [QUERIES.index(query)]
        columns = {
            name: _columns(table[outcome == OUTCOMES.index(name)][:, :, list(which)], weights[name]) for name in names
        }
        sure = {name: table[outcome == OUTCOMES.index(name)][:, MEASURED.index("sure"), list(which)] for name in names}
        for group, members in groups.items():
            row = _together(members, columns)
            row["auc"] = _auc(members, sure, weights)
            found.setdefault(group, {})[query] = {name: _estimate(row[name]) for name in COLUMNS}
        found.setdefault("worst", {})[query] = {name: _estimate(v) for name, v in _worst(columns).items()}
    return found


def _columns(values: Array, weights: Array) -> dict[str, Array]:
    """The means of one outcome for each resample, over the queries too."""
    found = {}
    for k, name in enumerate(MEASURED):
        column = values[:, k].mean(-1)
        known = ~np.isnan(column)
        total = weights[:, known].sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found[name] = np.where(total > 0, weights[:, known] @ column[known] / total, np.nan)
    return found


def _together(members: Sequence[str], columns: Mapping[str, dict[str, Array]]) -> dict[str, Array]:
    """The means over outcomes."""

    def mean(name: str, some: Sequence[str]) -> Array:
        rows = [columns[member][name] for member in some]
        rows = [row for row in rows if not np.isnan(row[0])]
        return np.mean(rows, axis=0) if rows else np.full_like(columns[members[0]]["drift"], np.nan)

    row = {name: mean(name, members) for name in MEASURED}
    present, absent = [m for m in members if m != "empty"], [m for m in members if m == "empty"]
    halves = [mean("says", present)] if present else []
    halves += [1 - mean("says", absent)] if absent else []
    row["present_accuracy"] = np.mean(halves, axis=0)
    row["false_positive_rate"] = mean("says", absent) if absent else np.full_like(row["drift"], np.nan)
    row["permanence"] = 1 + 4 * np.clip(row["presence"], 0, 1)
    return row


def _worst(columns: Mapping[str, dict[str, Array]]) -> dict[str, Array]:
    """The worst outcome of each column, resample by resample."""
    found = {}
    for name in COLUMNS:
        rows = []
        for member, one in columns.items():
            row = _together([member], {member: one})
            rows += [row[name]] if name in row and not np.isnan(row[name][0]) else []
        highest = name in ("false_positive_rate", "conjured", "place_error", "drift", "drift_relative")
        some = next(iter(columns.values()))["drift"]
        found[name] = (np.max if highest else np.min)(rows, axis=0) if rows else np.full_like(some, np.nan)
    return found


def _auc(members: Sequence[str], sure: Mapping[str, Array], weights: Mapping[str, Array]) -> Array:
    """The area under the ROC curve of present against absent cases, outcomes weighing the same."""
    sides = [[m for m in members if m != "empty"], [m for m in members if m == "empty"]]
    resamples = len(weights[members[0]])
    if not all(sides):
        return np.full(resamples, np.nan)
    scores, mass = [], []
    for side in sides:
        values = np.concatenate([sure[m].ravel() for m in side])
        each = [np.repeat(weights[m], sure[m].shape[1], axis=1) for m in side]
        mass.append(np.concatenate([w / w.sum(1, keepdims=True) for w in each], axis=1) / len(side))
        scores.append(values)
    order = np.argsort(scores[1], kind="stable")
    below = np.concatenate([np.zeros((resamples, 1)), mass[1][:, order].cumsum(1)], axis=1)
    less = np.searchsorted(scores[1][order], scores[0], side="left")
    equal = np.searchsorted(scores[1][order], scores[0], side="right")
    return (mass[0] * (below[:, less] + below[:, equal]) / 2).sum(1)


def _estimate(resampled: Array) -> Estimate:
    again = resampled[1:][~np.isnan(resampled[1:])]
    if np.isnan(resampled[0]) or not len(again):
        return Estimate(float(resampled[0]), float("nan"), float("nan"))
    low, high = np.quantile(again, [0.025, 0.975])
    return Estimate(float(resampled[0]), float(low), float(high))
