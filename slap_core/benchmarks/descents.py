"""Other ways down the same action, for comparison: Adam, plain gradient descent, and L-BFGS.

On the frame grid, from SLERP, with the gradient that our own solver uses: what differs is the direction alone.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from jaxtyping import Float64
from torch import Tensor

from slap_core import descent, sphere
from slap_core.action import DiscreteAction

__all__ = ["adam", "best_rate", "gradient_descent", "lbfgs", "race", "race_adam"]

LEARNING_RATES: Final = (3e-4, 1e-3, 3e-3)
"""Of Adam, radians per step and coordinate."""
CLOSE: Final = 1e-3
"""Rivals are done this close to our action, relative to what the geodesic lacks."""

Told = dict[str, float | int | bool]
"""Of a rival: evaluations, whether it came close, its action."""


@torch.no_grad()
def race(action: DiscreteAction, *, limit: int) -> tuple[dict[str, Any], dict[str, float]]:
    """Evaluations of each rival, whether it came close to our action, and its own; and the actions to come close to."""
    adams, target = race_adam(action, limit=limit)
    found = {
        "adam": adams,
        "descent": _told(lambda n: gradient_descent(action, n), target, limit),
        "lbfgs": _told(lambda n: lbfgs(action, n), target, limit),
    }
    return found, target


@torch.no_grad()
def race_adam(action: DiscreteAction, *, limit: int) -> tuple[dict[float, Told], dict[str, float]]:
    """As `race`, of Adam alone, by its learning rate."""
    ours = descent.minimize(action, action.geodesic(), tolerance=1e-5, iterations=100).history()[-1]
    target = {"geodesic": float(action.evaluate(action.geodesic()).value.sum()), "frames": float(ours.sum())}
    return {r: _told(lambda n, r=r: adam(action, n, r), target, limit) for r in LEARNING_RATES}, target


def best_rate(adams: Mapping[float, Told]) -> float:
    """Of what `race_adam` found, the learning rate of fewest evaluations, then of least action."""
    return min(adams, key=lambda rate: (adams[rate]["evaluations"], adams[rate]["action"]))


def _told(run: Callable[[int], Float64[Tensor, "evaluation"]], target: Mapping[str, float], limit: int) -> Told:
    goal = target["frames"] + CLOSE * (target["geodesic"] - target["frames"])
    for few in (limit // 10, limit):
        values = run(few)
        close = (values <= goal).nonzero().flatten()
        if len(close):
            break
    count = int(close[0]) + 1 if len(close) else len(values)
    return {"evaluations": count, "close": bool(len(close)), "action": float(values[count - 1])}


def adam(action: DiscreteAction, iterations: int, rate: float) -> Float64[Tensor, "evaluation"]:
    """The action at each evaluation."""
    with torch.no_grad():
        z = action.geodesic()
        return descent.adam(action, z, tolerance=1e-9, iterations=iterations, learning_rate=rate).history().sum(1)


@torch.no_grad()
def gradient_descent(action: DiscreteAction, iterations: int) -> Float64[Tensor, "evaluation"]:
    """The action at each evaluation, by the longest steps that a string without a potential bears, nearly."""
    z, values = action.geodesic(), []
    step = 1.9 / (4 * action.string.stiffness.amax())
    for _ in range(iterations + 1):
        now = action.evaluate(z)
        values.append(now.value.sum())
        z = action.retract(z, -step * now.gradient)
    return torch.stack(values)


def lbfgs(action: DiscreteAction, evaluations: int) -> Float64[Tensor, "evaluation"]:
    """The action at each evaluation."""
    with torch.no_grad():
        free, values = action.geodesic().requires_grad_(True), []
    optimiser = torch.optim.LBFGS(
        [free],
        max_iter=evaluations,
        max_eval=evaluations,
        history_size=10,
        tolerance_change=0,
        tolerance_grad=0,
        line_search_fn="strong_wolfe",
    )

    @torch.no_grad()
    def closure() -> Tensor:
        now = action.evaluate(sphere.normalize(free))
        values.append(now.value.sum())
        free.grad = now.gradient / free.norm(dim=-1, keepdim=True)
        return values[-1]

    optimiser.step(closure)
    return torch.stack(values)
