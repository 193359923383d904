"""Fit to this clip: slots trained on nothing but the clip that they are to explain.

The objective is that of the shipped ones, the tokens are the clip's own: a few frames and a few cells at a time, for a
few hundred steps. What comes out knows this clip only. For comparison: where no slots are trained for an encoder, the
main job takes clusters of the tokens (see `slot_clusters`), which find objects better, and at once.
"""

import math
from collections.abc import Callable, Generator

import torch

from slap_core.slot_branches import usual
from slap_core.slots import SlotConfig, SlowFastSlots, fractions
from slap_core.stages import Progress, finished
from slap_core.types import Tokens

__all__ = ["fit_slots", "fit_slots_steps"]


def fit_slots(
    tokens: Tokens, *, steps: int = 200, seed: int = 0, on_step: Callable[[Progress], None] | None = None
) -> SlowFastSlots:
    """Slow and fast slots fitted to a clip, in evaluation mode, on the tokens' device.

    Args:
        tokens: of one clip.
        steps: of the optimiser, 1 or more.
        seed: of initial weights, choice of frames and noise.
        on_step: told after each step; what it raises ends the fit.

    Raises:
        ValueError: if there are no tokens, or `steps` is below 1.
    """
    return finished(fit_slots_steps(tokens, steps=steps, seed=seed), on_step)


def fit_slots_steps(
    tokens: Tokens,
    *,
    steps: int = 200,
    seed: int = 0,
    frames: int = 4,
    cells: int = 6,
    learning_rate: float = 3e-3,
    competes: bool = True,
) -> Generator[Progress, None, SlowFastSlots]:
    """Progress after each step, and in the end, as the generator's return value, the slots. Close it to cancel.

    Args:
        tokens: of one clip.
        steps: of the optimiser, 1 or more.
        seed: of initial weights, choice of frames and noise.
        frames: that the slow slots learn from in a step.
        cells: that the fast slots learn from in a step.
        learning_rate: the highest; it rises for a tenth of the steps and falls to 0.
        competes: as in `SlotConfig`.

    Raises:
        ValueError: if there are no tokens, or `steps` is below 1.
    """
    values = tokens.values
    if not values.numel() or steps < 1:
        raise ValueError(
            f"Fitting slots needs tokens of at least one frame, and at least 1 step, got tokens of shape "
            f"{tuple(values.shape)} and {steps} steps."
        )
    # Half the width of the trained ones: one clip has less to say, and a person waits.
    config = SlotConfig(
        values.shape[-1],
        dim_slot=64,
        dim_hidden=64,
        competes=competes,
        origin=f"Fitted to this clip in {steps} steps, seed {seed}.",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SlowFastSlots(config)
    model.to(values.device).measure(values[None])
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, 10 * (step + 1) / steps) * (1 + math.cos(math.pi * step / steps)) / 2
    )
    when = fractions(tokens.times).to(values.device)
    background = usual(values)[None]
    deviations = model.fast.deviations(values).flatten(0, -3)
    for step in range(steps):
        chosen = torch.randperm(len(values), generator=generator)[:frames].sort().values.to(values.device)
        slow = model.slow(values[chosen][None], when[chosen][None], background=background, generator=generator)
        chosen = torch.randperm(len(deviations), generator=generator)[:cells].to(values.device)
        fast = model.fast.along_time(deviations[chosen], when, generator=generator, shared=False)
        optimizer.zero_grad()
        (slow.loss + fast.loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield Progress("slots", (step + 1) / steps)
    return model.eval().requires_grad_(False)
