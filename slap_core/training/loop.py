"""One training loop for every network: seeded, resumable, and the same numbers in the same order.

AdamW; a learning rate that rises linearly for `warmup` steps and then falls along half a cosine to 0,

    rate(step) = learning_rate * min(1, (step + 1) / warmup) * (1 + cos(pi step / steps)) / 2;

gradients clipped to a norm; a checkpoint now and then; a line in the log now and then.

Everything random is a function of (seed, step): batches are asked for *from a step on*, and the objective is given a
generator of its step. A run that is resumed therefore continues as if it had never stopped, and no state of a random
number generator has to be saved.

A trainer is a frozen dataclass of settings that extends `LoopSettings`, whose fields become its command line:

    settings = command_line.parse(SlotTraining, "Slots by reconstruction.")
    model = initialise(lambda: Network(config), seed=settings.seed)
    losses = fit(model, objective, batches, settings)

Several processes train one network, with the same numbers, where a trainer says how its batches are divided (see
`team`).
"""

import collections
import contextlib
import dataclasses
import json
import math
import pathlib
import queue
import threading
import time
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from slap_core.training.team import Team, team

__all__ = ["LoopSettings", "fit", "generator_of", "initialise", "minutes", "prefetched", "resolve_device"]

CHECKPOINT = "checkpoint.pt"

Row = dict[str, int | float]
"""One line of the log by name."""
Batch = typing.TypeVar("Batch")
Model = typing.TypeVar("Model")


@dataclasses.dataclass(frozen=True)
class LoopSettings:
    """What every trainer can be told.

    Raises:
        ValueError: for a value out of range, naming the range.
    """

    out: pathlib.Path
    """Folder for weights, card and checkpoint."""
    steps: int = 1000
    """Steps of the optimiser."""
    batch: int = 32
    """Examples per step."""
    learning_rate: float = 1e-3
    """The highest learning rate."""
    warmup: int = 50
    """Steps over which the learning rate rises."""
    weight_decay: float = 0.01
    """Of AdamW."""
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    seed: int = 0
    """Of initial weights, data and noise."""
    device: str = "auto"
    """Where to train; auto is CUDA where there is one, else the CPU."""
    threads: int = 0
    """CPU threads; 0 leaves them to PyTorch."""
    bf16: bool = False
    """Compute in bfloat16 where PyTorch's autocast deems it safe."""
    log_every: int = 50
    """Steps between lines of the log."""
    checkpoint_every: int = 500
    """Steps between checkpoints."""
    resume: bool = False
    """Continue from the checkpoint in the output folder, if there is one."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("warmup", "weight_decay", "threads", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}.")


def fit(
    model: nn.Module,
    objective: Callable[[Batch, torch.Generator], Mapping[str, Tensor]],
    batches: Callable[[int], Iterable[Batch]],
    settings: LoopSettings,
    *,
    divide: Callable[[Batch, Team], Batch] | None = None,
) -> list[Row]:
    """The log: one row of step, means of the losses since the row before, learning rate and steps per second.

    Trains `model` in place and leaves it in evaluation mode.

    Args:
        model: on the device it trains on; parameters that do not require gradients stay as they are.
        objective: from a batch and a generator (on the CPU) to named scalars; the one called "loss" is minimised.
        batches: given a step, the batches from that step on, one for each step to `settings.steps` at least.
        settings: rates, lengths, folders.
        divide: given a batch and several processes, the part of it of which this process computes the loss, a mean over
            rows; None: one process has to do it all.

    Raises:
        ValueError: if the batches end early, or the loss is no longer finite, or there are several processes for what
            cannot be divided among them.
    """
    crew = team()
    if not crew.alone and divide is None:
        raise ValueError(
            f"This training cannot be divided among {crew.size} processes, for its loss is no mean over the rows of a "
            "batch; start it without accelerate launch."
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    device = parameters[0].device
    first, log = _restore(model, optimizer, settings)
    crew.same_start(model, first)
    model.train()
    sums: dict[str, Tensor] = {}
    counted: collections.Counter[str] = collections.Counter()
    since = time.perf_counter()
    iterator = iter(batches(first))
    for step in range(first, settings.steps):
        try:
            batch = next(iterator)
        except StopIteration:
            raise ValueError(f"{settings.steps} steps need as many batches; they ended before step {step}.") from None
        rate = learning_rate(step, settings)
        for group in optimizer.param_groups:
            group["lr"] = rate
        generator = generator_of(settings.seed, step)
        with (
            _global_generator(generator.initial_seed(), device),  # dropout takes no generator of its own
            torch.autocast(device.type, torch.bfloat16, enabled=settings.bf16),
            crew.drawing(),
        ):
            losses = objective(batch if crew.alone else divide(batch, crew), generator)
        optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        crew.mean_gradient(parameters)
        nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
        optimizer.step()
        # Sums stay on the device: reading them at every step would make a GPU wait.
        sums |= {name: value.detach().float() + sums.get(name, 0.0) for name, value in losses.items()}
        counted.update(losses.keys())
        done = step + 1
        if done % settings.log_every == 0 or done == settings.steps:
            row = crew.means({name: float(value) / counted[name] for name, value in sums.items()})
            if not math.isfinite(row["loss"]):
                raise ValueError(f"The loss is {row['loss']} at step {done}; lower the learning rate and resume.")
            speed = counted["loss"] / max(time.perf_counter() - since, 1e-9)
            log.append({"step": done, **row, "learning_rate": rate, "steps_per_second": speed})
            if crew.first:
                print(_line(log[-1], settings.steps), flush=True)
            sums, since = {}, time.perf_counter()
            counted.clear()
        if done % settings.checkpoint_every == 0 and done < settings.steps and crew.first:
            _save(model, optimizer, done, log, settings)
    model.eval()
    if crew.first:
        (settings.out / CHECKPOINT).unlink(missing_ok=True)
    return log


def prefetched(items: Iterable[Batch], *, depth: int = 2) -> Iterator[Batch]:
    """The same items, made by a thread up to `depth` of them ahead: drawing pictures and learning overlap.

    An exception in the thread is raised here.
    """
    waiting: queue.Queue[tuple[bool, Any]] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(entry: tuple[bool, Any]) -> bool:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(entry, timeout=0.1)
                return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:
            put((False, error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            more, item = waiting.get()
            if more:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        stop.set()
        thread.join()


def minutes(log: Sequence[Row]) -> float:
    """How long the steps of a log took, those before a resumption included."""
    done, seconds = 0, 0.0
    for row in log:
        seconds += (row["step"] - done) / row["steps_per_second"]
        done = row["step"]
    return seconds / 60


def learning_rate(step: int, settings: LoopSettings) -> float:
    """The learning rate of a step, counted from 0."""
    rise = min(1.0, (step + 1) / max(settings.warmup, 1))
    return settings.learning_rate * rise * (1 + math.cos(math.pi * step / settings.steps)) / 2


def generator_of(seed: int, step: int) -> torch.Generator:
    """A generator on the CPU for whatever is random in one step of one run."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)


@contextlib.contextmanager
def _global_generator(seed: int, device: torch.device) -> Iterator[None]:
    """The global generators seeded for a while, and then left as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def initialise(build: Callable[[], Model], *, seed: int) -> Model:
    """What `build` makes with its initial weights drawn from `seed`; the global generator is left as it was."""
    with _global_generator(seed, torch.device("cpu")):
        return build()


def resolve_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one, else the CPU.

    Where several processes train together it is the one that is this process's own.

    Raises:
        ValueError: if these were started for another kind of device.
    """
    if not team().alone:
        own = torch.device(team().device)
        if name != "auto" and torch.device(name).type != own.type:
            raise ValueError(
                f"The processes were started to train on {own.type}, and --device says {name}; leave --device out."
            )
        return own
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _line(row: Row, steps: int) -> str:
    losses = "  ".join(
        f"{name} {value:.4f}"
        for name, value in row.items()
        if name not in ("step", "learning_rate", "steps_per_second")
    )
    return (
        f"step {row['step']:>6}/{steps}  {losses}  rate {row['learning_rate']:.1e}  "
        f"{row['steps_per_second']:.1f} steps/s"
    )


def _save(
    model: nn.Module, optimizer: torch.optim.Optimizer, step: int, log: list[Row], settings: LoopSettings
) -> None:
    settings.out.mkdir(parents=True, exist_ok=True)
    partial = settings.out / (CHECKPOINT + ".partial")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "log": json.dumps(log)}
    torch.save(state, partial)
    partial.replace(settings.out / CHECKPOINT)  # at once: an interrupted save leaves the older checkpoint


def _restore(model: nn.Module, optimizer: torch.optim.Optimizer, settings: LoopSettings) -> tuple[int, list[Row]]:
    path = settings.out / CHECKPOINT
    if not settings.resume or not path.exists():
        return 0, []
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], json.loads(state["log"])
