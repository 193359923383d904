"""What fails because of the machine and not of the program: its memory is full, its GPU is gone.

torch tells the two by several classes and by words; they are known here alone. And threads, which libraries share.
"""

import contextlib
from collections.abc import Iterator

import torch

__all__ = ["FULL", "gpu_lost", "out_of_memory", "same_threads"]

FULL = "The memory of this machine is full. Take fewer frames or a smaller encoder, or close other programs."

_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
_GPU = ("CUDA", "CUBLAS", "cuDNN", "NVIDIA", "HIP error")


def out_of_memory(error: BaseException) -> bool:
    """Whether there was no more memory, of the machine or of its GPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _MEMORY)


def gpu_lost(error: BaseException) -> bool:
    """Whether there is no GPU, or it does not answer any more; its memory being full is something else."""
    kinds = (RuntimeError, AssertionError)  # the latter where torch was built without GPUs
    return isinstance(error, kinds) and not out_of_memory(error) and any(words in str(error) for words in _GPU)


@contextlib.contextmanager
def same_threads() -> Iterator[None]:
    """As many threads for torch after it as before: numba takes one for each core, for both, by their common OpenMP."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
