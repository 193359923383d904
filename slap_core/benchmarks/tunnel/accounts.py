"""What each method says of one scene of the tunnel test, frame by frame, and how that changes with lambda.

The methods, what they are told and how they are read are those of the benchmark; only their lambdas stand fixed, as
validation scenes chose them.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from slap_core.benchmarks.tunnel.beliefs import Reading, read
from slap_core.benchmarks.tunnel.methods import LANDSCAPES, methods
from slap_core.benchmarks.tunnel.scene import Thing, TunnelScene
from slap_core.benchmarks.tunnel.sweep import Sweep, sweep_chunks
from slap_core.encoders import OpenClipEncoder
from slap_core.metrics import drift
from slap_core.pretrained import chosen_coupling, load_potential
from slap_core.probe import Probe
from slap_core.training.queries import QUERIES
from slap_core.tunnel_world import BACKGROUNDS, COARSE_PLACES, OUTCOMES

__all__ = ["SCANNED", "SHOWN", "Account", "Statement", "accounts", "each_account", "is_right", "scan_chunks", "scans"]
__all__ += ["summary"]

SHOWN: Final = ("zoh", "lerp", "slerp", "latent_ode", "autoregressive", "regressor", "slap_paper", "slap", "oracle")
"""Rows of the benchmark that are asked."""
SCANNED: Final = ("slap_paper", "slap")
"""Those of least action, of which lambda is scanned."""
PAPER_COUPLING: Final = 0.02
"""Lambda of the paper's recipe that the benchmark chose on validation scenes, the smallest on offer."""


@dataclasses.dataclass(frozen=True)
class Statement:
    """What a method says of one hidden frame."""

    thing: Thing | None
    """None where it says that nothing is there."""
    sure: float
    """The probability, by the probe, that something is there, or where it says so that nothing is."""
    right: bool


@dataclasses.dataclass(frozen=True)
class Account:
    """What a method says of every scored frame."""

    method: str
    """Of `SHOWN`."""
    statements: tuple[Statement, ...]
    drift: float
    """Mean of 1 - cos(recovered, true) over the scored frames."""
    converged: bool

    @property
    def accuracy(self) -> float:
        """Share of the frames of which it says the right thing."""
        return sum(one.right for one in self.statements) / len(self.statements)


def accounts(
    scene: TunnelScene, encoder: OpenClipEncoder, probe: Probe, *, query: str = "generic"
) -> dict[str, Account]:
    """What each method says of the scene, by the names of `SHOWN`.

    Args:
        scene: the scene.
        encoder: of its latents.
        probe: that reads latents.
        query: in which of the four ways of `training.queries.QUERIES` the methods are asked.

    Raises:
        ValueError: if there is no such way of asking.
    """
    return {one.method: one for one in each_account(scene, encoder, probe, query=query)}


def each_account(
    scene: TunnelScene, encoder: OpenClipEncoder, probe: Probe, *, query: str = "generic"
) -> Iterator[Account]:
    """What `accounts` returns, method by method: between any two is a place to stop."""
    if query not in QUERIES:
        raise ValueError(f"There is no query {str(query)[:40]!r} to ask; choose one of: {', '.join(QUERIES)}.")
    couplings = {"slap_paper": PAPER_COUPLING, "slap": float(chosen_coupling("solver") or 0.0)}
    rows = methods(encoder, _potentials(), couplings, {})
    case = scene.case
    for name in SHOWN:
        solution = rows[name](case)(case.seen, case.times, case.queries)
        path = solution.points.to(case.target).expand(len(QUERIES), -1, -1)[QUERIES.index(query)]
        yield _account(name, path, solution.result.ok, scene, probe)


def _account(name: str, path: Float[Tensor, "node dim"], converged: bool, scene: TunnelScene, probe: Probe) -> Account:
    case = scene.case
    nodes = list(scene.nodes)
    reading = read(probe, path[case.scored], case, case.scored)[0]
    right = reading.right(case, case.scored)
    # The reading counts the scored nodes as the case does, which before a scene's only anchor is backwards.
    rows = [int(case.scored[:node].sum()) for node in nodes]
    sure = torch.sigmoid(reading.sure.abs())
    statements = tuple(Statement(_thing(reading, k), float(sure[k]), bool(right[k])) for k in rows)
    return Account(name, statements, float(drift(path[nodes], case.target[nodes]).mean()), converged)


def _thing(reading: Reading, k: int) -> Thing | None:
    return Thing(int(reading.kind[k]), int(reading.colour[k]), int(reading.place[k])) if reading.says[k] else None


def is_right(scene: TunnelScene, frame: int, guess: Thing | None) -> bool:
    """Whether a guess about a scored frame is right, by the rule for the methods; None guesses that nothing is there.

    Args:
        scene: the scene.
        frame: one of its scored frames.
        guess: what somebody believes to be there.
    """
    at = torch.zeros_like(scene.case.scored)
    at[scene.nodes[scene.scored.index(frame)]] = True
    thing = guess or Thing(-1, -1, -1)
    says = torch.tensor([guess is not None])
    values = [torch.tensor([v]) for v in (thing.kind, thing.colour, thing.place)]
    reading = Reading(says, says.float(), *values, len(COARSE_PLACES), torch.zeros(1))
    return bool(reading.right(scene.case, at).all())


def scans(scene: TunnelScene, probe: Probe) -> dict[str, Sweep]:
    """The scan over lambda of each of `SCANNED` on this scene, all ways of asking weighing the same.

    Args:
        scene: the scene.
        probe: that reads latents.
    """
    *_, found = scan_chunks(scene, probe)
    return found


def scan_chunks(scene: TunnelScene, probe: Probe) -> Iterator[dict[str, Sweep | None]]:
    """What `scans` returns, yielded last; before it, after each chunk of work, what there is of it: a place to stop."""
    found: dict[str, Sweep | None] = {}
    for name, potential in _potentials().items():
        for chunk in sweep_chunks(potential, [scene.case], probe):
            found[name] = chunk
            yield found


def _potentials() -> dict[str, Any]:
    return {name: load_potential(recipe=LANDSCAPES[name]) for name in SCANNED}


def summary(
    scene: TunnelScene, found: Mapping[str, Account], scanned: Mapping[str, Sweep], *, query: str
) -> dict[str, Any]:
    """All of it in plain numbers and names, ready for JSON.

    Args:
        scene: the scene.
        found: of `accounts`.
        scanned: of `scans`.
        query: the way of asking.
    """
    return {
        "choices": dataclasses.asdict(scene.choices),
        "query": query,
        "scene": {
            "seed": scene.case.seed,
            "outcome": OUTCOMES[scene.case.outcome],
            "occluder": scene.occluder,
            "background": BACKGROUNDS[int(scene.scenes.background[0])],
            "frames": len(scene.observed),
            "anchors": list(scene.anchors),
            "hidden": [scene.run.first, scene.run.last],
        },
        "asked": list(scene.scored),
        "truth": [[thing.as_json() for thing in scene.truth(frame)] for frame in scene.scored],
        "methods": {
            name: {
                "accuracy": round(account.accuracy, 4),
                "drift": round(account.drift, 5),
                "converged": account.converged,
                "beliefs": [
                    {
                        "says": "nothing" if one.thing is None else one.thing.as_json(),
                        "sure": round(one.sure, 4),
                        "right": one.right,
                    }
                    for one in account.statements
                ],
            }
            for name, account in found.items()
        },
        "scan": {
            name: {
                "coupling": list(one.couplings),
                "accuracy": [round(value, 4) for value in one.accuracy[:, 0].tolist()],
                "drift": [round(value, 5) for value in one.drift[:, 0].tolist()],
                "regime": [regime.value for regime in one.regimes],
                "best": one.couplings[one.best],
            }
            for name, one in scanned.items()
        },
    }
