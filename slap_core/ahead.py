"""Frames are encoded while those behind them are still being decoded.

The decoder is a process of its own and the encoder computes elsewhere, perhaps on a GPU: neither waits for the other.
What was seen ahead is found again in the memory of pictures once it is the turn of encoding; what went wrong here is
met there again, and told there.
"""

import logging
import queue
import threading
from collections.abc import Callable

from jaxtyping import UInt8
from torch import Tensor

from slap_core.encoders import OpenClipEncoder
from slap_core.memory import Memory, size_of

__all__ = ["Ahead"]

log = logging.getLogger(__name__)

_SHARE = 0.25
"""Of the memory that may be filled ahead: what is forgotten before its turn would be encoded twice."""

Pictures = UInt8[Tensor, "time height width 3"]


class Ahead:
    """Shows an encoder the frames of a clip, in the batches in which it will look at them; a thread does.

    It ends with its `with` block.

    Args:
        load: gives the encoder; called in the thread, once there are frames.
        memory: where what it sees is remembered.
    """

    def __init__(self, load: Callable[[], OpenClipEncoder], memory: Memory) -> None:
        self._load, self._memory = load, memory
        self._frames: queue.SimpleQueue[Pictures | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, frames: Pictures) -> None:
        """Take all frames that have been decoded so far, in order; does not wait."""
        self._frames.put(frames)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="ahead", daemon=True)
            self._thread.start()

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End it after the batch that it is at, for which only who has not failed waits; the rest is left."""
        self._over.set()
        self._frames.put(None)
        if kind is None and self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            encoder = self._load().remembering(self._memory)
            seen, held = 0, 0
            while (frames := self._frames.get()) is not None:
                while len(frames) - seen >= encoder.batch and not self._over.is_set():
                    held += size_of(encoder.images(frames[seen : seen + encoder.batch].to(encoder.device)))
                    seen += encoder.batch
                    if held > _SHARE * self._memory.most:
                        return
        except Exception:
            log.info("Frames could not be encoded ahead", exc_info=True)
