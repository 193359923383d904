"""What all data with times share: that their times are seconds in strict order, and how they are printed."""

import dataclasses

import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["ShapeRepr", "check_times"]


def check_times(owner: str, times: Tensor, count: int) -> Float64[Tensor, "time"]:
    """The times in float64 on the CPU.

    Raises:
        ValueError: unless there is one for each of `count` rows, finite and strictly increasing.
    """
    times = torch.as_tensor(times, dtype=torch.float64).detach().cpu()
    if times.ndim != 1 or len(times) != count:
        raise ValueError(f"{owner} needs one time in seconds for each of its {count} rows, got {tuple(times.shape)}.")
    if not bool(times.isfinite().all()):
        raise ValueError(f"{owner} needs finite times in seconds.")
    if bool((times.diff() <= 0).any()):
        raise ValueError(f"{owner} needs strictly increasing times; sort them and drop the repeated ones.")
    return times


class ShapeRepr:
    """A repr that prints shapes instead of numbers."""

    def __repr__(self) -> str:
        def show(value: object) -> str:
            if isinstance(value, Tensor):
                return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
            return repr(value)

        fields = ", ".join(f"{f.name}={show(getattr(self, f.name))}" for f in dataclasses.fields(self))
        return f"{type(self).__name__}({fields})"
