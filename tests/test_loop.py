import dataclasses
import itertools
import pathlib
from typing import Literal

import pytest
import torch
from torch import nn

from slap_core.training import command_line, loop


def settings(folder, **changes):
    values = {"steps": 40, "learning_rate": 0.05, "warmup": 4, "log_every": 10, "checkpoint_every": 10, "device": "cpu"}
    return loop.LoopSettings(out=folder, **values | changes)


def network():
    return loop.initialise(lambda: nn.Linear(3, 1), seed=7)


def batches(first):
    """Inputs of y = <(1, -2, 3), x> + 4 as a function of the step."""
    for step in itertools.count(first):
        yield torch.randn(16, 3, generator=torch.Generator().manual_seed(step))


def objective_of(model):
    def objective(x, generator):
        jitter = 0.01 * torch.randn(16, 1, generator=generator)
        target = x @ torch.tensor([[1.0], [-2.0], [3.0]]) + 4 + jitter
        return {"loss": (model(x) - target).square().mean()}

    return objective


def test_it_learns_a_linear_map(tmp_path):
    model = network()
    log = loop.fit(model, objective_of(model), batches, settings(tmp_path, steps=600))
    torch.testing.assert_close(model.weight.detach(), torch.tensor([[1.0, -2.0, 3.0]]), atol=0.05, rtol=0)
    torch.testing.assert_close(model.bias.detach(), torch.tensor([4.0]), atol=0.05, rtol=0)
    assert log[-1]["loss"] < 1e-3 < log[0]["loss"]
    assert not model.training


class InterruptionError(Exception):
    pass


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path):
    whole = network()
    expected = loop.fit(whole, objective_of(whole), batches, settings(tmp_path / "whole"))

    def interrupted(first):
        yield from itertools.islice(batches(first), 25)
        raise InterruptionError

    partial = network()
    with pytest.raises(InterruptionError):
        loop.fit(partial, objective_of(partial), interrupted, settings(tmp_path / "partial"))
    starts = []

    def recorded(first):
        starts.append(first)
        return batches(first)

    resumed = loop.initialise(lambda: nn.Linear(3, 1), seed=99)  # its weights come from the checkpoint
    log = loop.fit(resumed, objective_of(resumed), recorded, settings(tmp_path / "partial", resume=True))
    assert starts == [20]
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(resumed.bias, whole.bias)
    assert [row["loss"] for row in log] == [row["loss"] for row in expected]
    assert not (tmp_path / "partial" / loop.CHECKPOINT).exists()


def test_without_resume_a_checkpoint_is_not_read(tmp_path):
    (tmp_path / loop.CHECKPOINT).write_bytes(b"not a checkpoint")
    model = network()
    assert loop.fit(model, objective_of(model), batches, settings(tmp_path))[-1]["step"] == 40


def test_a_checkpoint_that_holds_code_is_refused(tmp_path):
    torch.save({"model": pathlib.Path}, tmp_path / loop.CHECKPOINT)
    model = network()
    with pytest.raises(Exception, match=r"[Ww]eights"):
        loop.fit(model, objective_of(model), batches, settings(tmp_path, resume=True))


def test_the_learning_rate_rises_then_falls_along_half_a_cosine(tmp_path):
    chosen = settings(tmp_path, steps=100, warmup=10, learning_rate=2.0)
    rates = [loop.learning_rate(step, chosen) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[50] == pytest.approx(1.0)
    assert max(rates) == rates[9]
    assert rates[-1] < 0.001
    assert all(a > b for a, b in itertools.pairwise(rates[9:]))


def test_gradients_are_clipped(tmp_path):
    model = nn.Linear(1, 1, bias=False)
    norms = []
    model.weight.register_post_accumulate_grad_hook(lambda p: norms.append(p.grad.norm().item()))

    class Watched(torch.optim.AdamW):
        def step(self, closure=None):
            norms.append(model.weight.grad.norm().item())
            return super().step(closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", Watched)
        ones = lambda first: itertools.repeat(torch.ones(1, 1))  # noqa: E731
        loop.fit(model, lambda x, _: {"loss": 100 * model(x).sum()}, ones, settings(tmp_path, steps=1, clip_norm=0.5))
    assert norms == pytest.approx([100.0, 0.5], rel=1e-3)


def test_frozen_parameters_stay(tmp_path):
    model = network()
    model.bias.requires_grad_(False)
    before = model.bias.clone()
    loop.fit(model, objective_of(model), batches, settings(tmp_path))
    assert torch.equal(model.bias, before)


def test_initial_weights_follow_the_seed_and_leave_the_global_generator(tmp_path):
    state = torch.get_rng_state()
    first, again, other = network(), network(), loop.initialise(lambda: nn.Linear(3, 1), seed=8)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_batches_that_end_early_are_an_error(tmp_path):
    model = network()
    with pytest.raises(ValueError, match="ended before step 5"):
        loop.fit(model, objective_of(model), lambda first: itertools.islice(batches(first), 5), settings(tmp_path))


def test_a_loss_that_is_not_finite_is_an_error(tmp_path):
    model = network()
    with pytest.raises(ValueError, match="lower the learning rate"):
        loop.fit(model, lambda x, _: {"loss": model(x).sum() * float("inf")}, batches, settings(tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "steps must be at least 1"),
        ("batch", 0, "batch must be at least 1"),
        ("warmup", -1, "warmup must not be negative"),
        ("learning_rate", 0.0, "learning_rate must be above 0"),
        ("clip_norm", float("nan"), "clip_norm must be above 0"),
    ],
)
def test_settings_out_of_range(tmp_path, name, value, message):
    with pytest.raises(ValueError, match=message):
        settings(tmp_path, **{name: value})


@dataclasses.dataclass(frozen=True)
class Trainer(loop.LoopSettings):
    out: pathlib.Path = pathlib.Path("runs/x")
    width: int | None = None
    """Of the layers; 50% of them are hidden."""
    layer: Literal["dense", "sparse"] = "dense"
    """Which kind."""
    scales: tuple[float, ...] = (1.0,)
    """Several."""


def test_flags_are_the_fields():
    line = "--out runs/y --steps 3 --learning-rate 1e-2 --resume --width 5 --layer sparse --scales 0.5 2"
    expected = Trainer(
        out=pathlib.Path("runs/y"), steps=3, learning_rate=0.01, resume=True, width=5, layer="sparse", scales=(0.5, 2.0)
    )
    assert command_line.parse(Trainer, "A trainer.", line.split()) == expected
    assert command_line.parse(Trainer, "A trainer.", []) == Trainer()


def test_help_is_the_docstrings(capsys):
    with pytest.raises(SystemExit):
        command_line.parse(Trainer, "A trainer.", ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "50% of them are hidden" in text
    assert "Largest norm of the gradient" in text


def test_a_required_field_is_a_required_flag(capsys):
    with pytest.raises(SystemExit):
        command_line.parse(loop.LoopSettings, "A trainer.", [])
    assert "--out" in capsys.readouterr().err


def test_auto_is_a_device_that_is_there():
    assert loop.resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert loop.resolve_device("cpu").type == "cpu"


def test_minutes_add_up_over_a_log():
    log = [{"step": 10, "steps_per_second": 2.0}, {"step": 30, "steps_per_second": 1.0}]
    assert loop.minutes(log) == pytest.approx((5 + 20) / 60)
    assert loop.minutes([]) == 0.0
