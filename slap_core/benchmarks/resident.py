"""The memory that a process really holds, as Linux tells it; elsewhere it is not known."""

import ctypes
import pathlib
import re

__all__ = ["PeakMemory"]


class PeakMemory:
    """The peak of this process's resident memory from now on, in MB; None where the system does not tell."""

    def __init__(self) -> None:
        self._status, reset = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")
        self._known = reset.exists() and hasattr(ctypes.CDLL(None), "malloc_trim")
        if self._known:
            ctypes.CDLL(None).malloc_trim(0)
            reset.write_text("5", encoding="ascii")  # the peak so far is forgotten
            self._before = self._megabytes("VmRSS")

    def whole_mb(self) -> float | None:
        """All of it."""
        return round(self._megabytes("VmHWM"), 1) if self._known else None

    def above_mb(self) -> float | None:
        """Above what was held at first."""
        return round(self._megabytes("VmHWM") - self._before, 1) if self._known else None

    def _megabytes(self, name: str) -> float:
        return int(re.search(rf"{name}:\s+(\d+)", self._status.read_text(encoding="ascii"))[1]) * 1024 / 1e6
