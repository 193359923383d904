"""Several processes that train one network, each on its rows of every batch.

    accelerate launch --multi_gpu --num_processes 2 -m slap_core.training.probe --out runs/probe

--multi_gpu is how accelerate calls it also where there is no GPU; it is torchrun by another name. (With --cpu it starts
a single process, whatever is asked for, unless there is MPI.)

The numbers are those of one process up to rounding, with the same settings: a batch is that of the settings, divided.
Every process holds the whole network. Of each step it computes the loss of its own rows and the gradient of that; all
of them go on with the mean of the gradients,

    grad (1/n sum_i l_i) = mean over processes of grad (mean over own rows of l_i).

So a loss has to be a mean over rows, and a trainer that has such a one says how its batches are divided; one that has
not is refused. Random numbers are those of one process as well: what an objective draws, it draws for the rows of the
whole batch (`Team.drawing`), and keeps its own.

The first process alone writes: the log, the checkpoint, the network and its card. The folder of the checkpoint must be
one that all processes see.
"""

import atexit
import dataclasses
import datetime
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["Team", "team"]

_SIZES: Final = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
"""Where launchers leave the number of processes."""
_OF_ROWS: Final = (torch.rand, torch.randn)
"""What an objective may draw."""
_OF_THE_WHOLE: Final = (torch.randperm, torch.randint, torch.multinomial, torch.bernoulli, torch.randn_like)
"""What mixes the rows of a batch, or may."""


@dataclasses.dataclass(frozen=True)
class Team:
    """The processes that train together, seen from one of them."""

    rank: int = 0
    """Which one this is."""
    size: int = 1
    """How many there are."""
    device: str = ""
    """Which device is this process's own, where there are several processes."""

    @property
    def alone(self) -> bool:
        """Whether there is one process only."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def rows(self, whole: Shaped[Tensor, "batch *rest"]) -> Shaped[Tensor, "own *rest"]:
        """This process's rows of a batch.

        Raises:
            ValueError: if the batch cannot be divided evenly.
        """
        if self.alone:
            return whole
        if len(whole) % self.size:
            raise ValueError(
                f"{self.size} processes need batches that they can divide evenly, got one of {len(whole)}; choose "
                f"--batch a multiple of {self.size}, or another number of processes."
            )
        return whole.chunk(self.size)[self.rank]

    def drawing(self) -> AbstractContextManager[Any]:
        """While this is entered, what is drawn at random is this process's rows of what one process would draw."""
        return nullcontext() if self.alone else _OwnRows(self)

    def mean_gradient(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients by their means over the processes; those that no process has stay None."""
        if self.alone:
            return
        # One message: the gradients, and who has which.
        flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        has = flat[0].new_tensor([p.grad is not None for p in parameters])
        together = self._mean(torch.cat([*(g.flatten() for g in flat), has]))
        place = 0
        for parameter, anyone in zip(parameters, together[-len(parameters) :].tolist(), strict=True):
            part = together[place : place + parameter.numel()].view_as(parameter)
            place += parameter.numel()
            parameter.grad = part.clone() if anyone else None

    def means(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """The means over the processes of numbers that all of them have."""
        if self.alone or not numbers:
            return dict(numbers)
        # On the CPU gloo computes in double precision; NCCL does so too.
        together = self._mean(torch.tensor(list(numbers.values()), dtype=torch.float64, device=self.device))
        return dict(zip(numbers, together.tolist(), strict=True))

    def same_start(self, model: nn.Module, step: int) -> None:
        """Give all processes the first one's weights.

        Raises:
            ValueError: if they would not begin at the same step.
        """
        if self.alone:
            return
        mean = self.means({"step": step})["step"]
        if mean != step:
            raise ValueError(
                f"The processes would begin at different steps, this one at {step}: they do not see the same "
                "checkpoint; choose an output folder that all of them share."
            )
        for tensor in model.state_dict().values():
            weights = tensor.contiguous()
            torch.distributed.broadcast(weights, 0)
            tensor.copy_(weights)

    def first_then_others(self, work: Callable[[], Any]) -> Any:
        """What `work` returns; the first process does it before the others, who find what it wrote."""
        if self.alone:
            return work()
        if self.first:
            try:
                return work()
            finally:
                torch.distributed.barrier()
        torch.distributed.barrier()
        return work()

    def _mean(self, numbers: Tensor) -> Tensor:
        torch.distributed.all_reduce(numbers)
        return numbers / self.size


@functools.cache
def team() -> Team:
    """The processes that `accelerate launch` (or torchrun, or mpirun) started; where none did, this one alone.

    Raises:
        ValueError: if several were asked for and one was started.
    """
    if all(int(os.environ.get(name, "1")) == 1 for name in _SIZES):
        if os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true" and "MASTER_PORT" in os.environ:
            raise ValueError(
                "accelerate launch --cpu starts one process only, although more were asked for; say accelerate launch "
                "--multi_gpu --num_processes N (with or without a GPU), or torchrun --nproc-per-node N."
            )
        return Team()
    from accelerate import PartialState  # late: one process has no need of it

    # Others wait for as long as the first one draws scenes.
    cpu = not torch.cuda.is_available() or os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1")
    state = PartialState(cpu=cpu, timeout=datetime.timedelta(hours=12))
    atexit.register(state.destroy_process_group)
    return Team(state.process_index, state.num_processes, "cpu" if cpu else str(state.device))


class _OwnRows(TorchFunctionMode):
    """Draws as many rows as the whole batch has, and keeps this process's own."""

    def __init__(self, crew: Team) -> None:
        super().__init__()
        self.crew = crew

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in _OF_THE_WHOLE:
            raise ValueError(
                f"This loss draws with torch.{function.__name__} over a whole batch, whose rows cannot be told apart; "
                "train it in one process."
            )
        if function in _OF_ROWS:
            rows, *rest = args[0] if isinstance(args[0], Sequence) else args
            return self.crew.rows(function((rows * self.crew.size, *rest), **kwargs))
        if function is F.dropout:
            x, *rest = args
            # Dropout draws alike for all tensors of one shape, so that ones become the mask.
            whole = x.new_ones(len(x) * self.crew.size, *x.shape[1:])
            return x * self.crew.rows(function(whole, *rest, **kwargs))
        return function(*args, **kwargs)
