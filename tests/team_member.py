"""What several processes train in `test_team`, and one: python team_member.py FOLDER leaves RANK.json there."""

import dataclasses
import json
import pathlib
import sys

import torch
from made_scenes import scenes
from torch import nn

from slap_core.potential import Potential
from slap_core.probe import Probe
from slap_core.sphere import normalize
from slap_core.training import loop, probe, rivals
from slap_core.training.info_nce import Batch, info_nce, sobolev
from slap_core.training.lessons import Lessons, stretches_of_scenes
from slap_core.training.queries import QUERIES
from slap_core.training.team import team

JOBS = ("plain", "interrupted", "resumed", "uneven", "undivided", "mixed", "paper", "probe", "regressor", "latent_ode")
JOBS += ("autoregressive", "force_field")


class InterruptionError(Exception):
    """Where a run is cut short."""


def settings(folder, **changes):
    values = {"steps": 12, "batch": 8, "warmup": 2, "log_every": 3, "checkpoint_every": 4, "device": "cpu"}
    return {"out": folder, "threads": 1, **values, **changes}


class Network(nn.Sequential):
    """With dropout, a layer that is not trained, and weights of which no loss knows."""

    def __init__(self):
        super().__init__(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(0.4), nn.Linear(16, 1), nn.Linear(1, 1))
        self[4].requires_grad_(False)
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return super().forward(x)


def plain(values, *, until=None, divide=lambda batch, crew: crew.rows(batch), mixes=False):
    """A network whose objective draws noise."""
    chosen = loop.LoopSettings(**values)

    def batches(first):
        for step in range(first, chosen.steps):
            if step == until:
                raise InterruptionError
            yield torch.randn(chosen.batch, 3, generator=loop.generator_of(chosen.seed, step))

    def objective(x, generator):
        if mixes:
            x = x[torch.randperm(len(x), generator=generator)]
        target = x.sum(1, keepdim=True) + 0.3 * torch.randn(len(x), 1, generator=generator)
        return {"loss": (model(x) - target).square().mean(), "noise": torch.rand(len(x)).mean()}

    # Each process draws other weights: the first one's count.
    model = loop.initialise(Network, seed=chosen.seed + team().rank)
    return model, loop.fit(model, objective, batches, chosen, divide=divide)


def paper(values):
    """The paper's loss, which compares each claim with all pictures of the batch."""
    chosen = loop.LoopSettings(**values)

    def batches(first):
        for step in range(first, chosen.steps):
            generator = loop.generator_of(chosen.seed, step)
            latents, queries = (normalize(torch.randn(chosen.batch, 6, generator=generator)) for _ in range(2))
            own = torch.arange(chosen.batch)
            truth = (torch.rand(len(own), len(own), generator=generator) < 0.2) | torch.eye(len(own)).bool()
            yield Batch(latents, queries, truth, own)

    def objective(batch, generator):
        contrast, right = info_nce(model, batch, tau=0.05)
        return {"loss": contrast + 0.1 * sobolev(model, batch, generator), "right": right}

    model = loop.initialise(lambda: Potential(6, width=16, spectral_norm=True), seed=chosen.seed)
    return model, loop.fit(model, objective, batches, chosen, divide=Batch.divided)


def train(what, folder):
    """The network, and its log or scores."""
    kinds = {
        "interrupted": lambda: plain(settings(folder / "plain"), until=6),
        "resumed": lambda: plain(settings(folder / "plain", resume=True)),
        "uneven": lambda: plain(settings(folder / what, batch=7)),
        "undivided": lambda: plain(settings(folder / what), divide=None),
        "mixed": lambda: plain(settings(folder / what), mixes=True),
        "plain": lambda: plain(settings(folder / what)),
        "paper": lambda: paper(settings(folder / what)),
    }
    if what in kinds:
        return kinds[what]()
    some = scenes()
    if what == "probe":
        prompts = torch.zeros_like(Probe(some.target.shape[-1]).prompts)
        both = {"train": some, "validation": some}
        return probe.train(probe.ProbeSettings(**settings(folder / what)), both, prompts)
    lessons = Lessons(stretches_of_scenes(some), stretches_of_scenes(some, elsewhere=0.0), QUERIES)
    return rivals.train(rivals.RivalSettings(method=what, width=32, **settings(folder / what)), lessons)


def outcome(what, folder):
    """Weights by name and the log, for JSON; or the sentence with which it failed.

    In double precision: where a gradient is 0 but for rounding, as that of the keys' bias in attention is, AdamW makes
    steps of it.
    """
    torch.set_default_dtype(torch.float64)
    try:
        model, log = train(what, folder)
    except (InterruptionError, ValueError) as error:
        return {"error": str(error) or type(error).__name__}
    finally:
        torch.set_default_dtype(torch.float32)
    weights = {name: value.double().flatten().tolist() for name, value in model.state_dict().items()}
    return {"weights": weights, "log": log, "checkpoint": (folder / what / loop.CHECKPOINT).exists()}


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1])
    record = {"team": dataclasses.asdict(team()), **{what: outcome(what, place) for what in JOBS}}
    (place / f"{team().rank}.json").write_text(json.dumps(record))
