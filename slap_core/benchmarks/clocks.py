"""Two clocks: of the wall, and of the CPU, which goes on counting right where others use the machine too."""

import resource
import time
from collections.abc import Callable
from typing import Final

__all__ = ["CLOCKS", "cpu_seconds"]


def cpu_seconds() -> float:
    """What this process, all of its threads and the processes that it has waited for had of the CPUs."""
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + others.ru_utime + others.ru_stime


CLOCKS: Final[dict[str, Callable[[], float]]] = {"wall": time.perf_counter, "cpu": cpu_seconds}
"""By name; seconds, of which differences count."""
