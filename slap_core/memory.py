"""What was computed for a clip, remembered for a while: a second run on it decodes and encodes nothing.

Things are found again by their content (a file's or a picture's hash), never by a path or a visitor. The memory is
bounded, and what is old is forgotten though nobody asks for it, as uploads are deleted.
"""

import contextlib
import dataclasses
import hashlib
import threading
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from cachetools import TTLCache
from torch import Tensor, nn

__all__ = ["Memory", "digest", "once", "once_in_steps", "size_of"]

Step = TypeVar("Step")
Outcome = TypeVar("Outcome")


class Memory:
    """Values by keys, for any number of threads.

    Args:
        megabytes: the most that is remembered; what was used longest ago goes first.
        seconds: how long.
    """

    def __init__(self, *, megabytes: float | int = 512, seconds: float | int = 1800) -> None:
        self.most = megabytes * 1e6
        """Bytes."""
        self._values: TTLCache[Hashable, Any] = TTLCache(self.most, seconds, getsizeof=size_of)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)

    def get(self, key: Hashable) -> Any:
        """The value that was remembered, or None."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        """Remember a value; one that is larger than the memory is not."""
        with self._lock:
            with contextlib.suppress(ValueError):  # too large
                self._values[key] = value
            self._wake()

    def _wake(self) -> None:
        """Look again once the oldest value may be too old; under the lock."""
        if self._timer is None and len(self._values):
            self._timer = threading.Timer(self._seconds / 6, self._forget)
            self._timer.daemon = True
            self._timer.start()

    def _forget(self) -> None:
        with self._lock:
            self._values.expire()
            self._timer = None
            self._wake()


def once(memory: Memory | None, key: Hashable, make: Callable[[], Outcome]) -> Outcome:
    """What is remembered by the key, or else is made now and remembered; without a memory it is made."""
    known = _known(memory, key)
    return _kept(memory, key, make()) if known is None else known


def once_in_steps(
    memory: Memory | None, key: Hashable, steps: Generator[Step, None, Outcome]
) -> Generator[Step, None, Outcome]:
    """`once` for what steps return; they are not begun yet, and not run where it is known."""
    known = _known(memory, key)
    return _kept(memory, key, (yield from steps)) if known is None else known


def _known(memory: Memory | None, key: Hashable) -> Any:
    return None if memory is None else memory.get(key)


def _kept(memory: Memory | None, key: Hashable, value: Outcome) -> Outcome:
    if memory is not None:
        memory.put(key, value)
    return value


def digest(*tensors: Tensor) -> bytes:
    """Of the numbers and shapes of tensors."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
        found.update(tensor.detach().cpu().contiguous().numpy())
    return found.digest()


def size_of(value: object) -> int:
    """About how many bytes a value holds: its tensors and arrays, and a little for anything else."""
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, nn.Module):
        return size_of(value.state_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return sum(size_of(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, Iterable):
        return sum(map(size_of, value))
    return 64
