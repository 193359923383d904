"""The risk of an answer, predicted from several confidences at once, and whether the prediction can be trusted.

A hundred small regression trees of the realised risk on all confidences: what a confidence is worth depends on the
others (a path that hardly moved is good news between anchors that agree, and bad news where one sees something). They
won over a ridge regression of ranks on validation scenes. Predictions about the known cases themselves are
cross-fitted: no case is predicted from another one of its own scene.

A prediction is *calibrated* where cases whose predicted risk is r have the mean risk r (see `reliability`).
"""

from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, cross_val_predict
from torch import Tensor

from slap_core.metrics import bootstrap_interval

__all__ = ["predict", "reliability"]

FOLDS = 5


def predict(
    known: Float[Tensor, "known confidence"],
    risk: Float[Tensor, "known"],
    scene: Int64[Tensor, "known"],
    asked: Float[Tensor, "asked confidence"],
) -> tuple[Float64[Tensor, "known"], Float64[Tensor, "asked"]]:
    """The predicted risks, none below 0, of the known cases, cross-fitted, and of others.

    Args:
        known: confidences of cases whose risk is known.
        risk: theirs.
        scene: of each of them.
        asked: confidences of the others.

    Raises:
        ValueError: if the known cases are of fewer than two scenes.
    """
    scenes = len(scene.unique())
    if scenes < 2:
        raise ValueError(f"A cross-fitted prediction needs cases of at least 2 scenes, got {scenes}; measure more.")
    trees = HistGradientBoostingRegressor(
        learning_rate=0.05, max_iter=100, max_depth=3, min_samples_leaf=40, early_stopping=False, random_state=0
    )
    features, target = known.double().numpy(), risk.double().numpy()
    crossed = cross_val_predict(trees, features, target, groups=scene.numpy(), cv=GroupKFold(min(FOLDS, scenes)))
    predicted = trees.fit(features, target).predict(asked.double().numpy())
    # No risk is negative, though sums of trees may be.
    return torch.from_numpy(crossed).clamp_min(0), torch.from_numpy(predicted).clamp_min(0)


def reliability(
    predicted: Float[Tensor, "case"], risk: Float[Tensor, "case"], scene: Int64[Tensor, "case"], *, bins: int = 5
) -> list[dict[str, Any]]:
    """Mean predicted and mean realised risk in bins of equally many cases, and the latter's 95 % interval by scene.

    Cases of the same prediction share a bin, so that there may be fewer bins.

    Args:
        predicted: risk of each case.
        risk: what it was.
        scene: of each case, numbered from 0.
        bins: how many.

    Raises:
        ValueError: for fewer than one bin, or no case.
    """
    if bins < 1 or not len(predicted):
        raise ValueError(f"reliability needs at least 1 bin and 1 case, got {bins} and {len(predicted)}.")
    predicted, risk = predicted.double(), risk.double()
    edges = predicted.quantile(torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]).unique()
    which = torch.bucketize(predicted, edges, right=True)
    scenes, rows = int(scene.max()) + 1, []
    for k in which.unique().tolist():
        inside = (which == k).double()
        count, total = (
            torch.zeros(scenes, dtype=torch.float64).index_add_(0, scene, values) for values in (inside, inside * risk)
        )
        low, high = bootstrap_interval(
            lambda units, count=count, total=total: float(total[units].sum() / count[units].sum()), scenes
        )
        rows.append(
            {
                "cases": int(inside.sum()),
                "predicted": float((inside * predicted).sum() / inside.sum()),
                "realised": float(total.sum() / count.sum()),
                "low": low,
                "high": high,
            }
        )
    return rows
