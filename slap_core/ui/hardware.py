"""The GPU that a Hugging Face Space may borrow for a run (ZeroGPU); anywhere else the page computes on the CPU.

ZeroGPU lends a GPU to a process that it forks for one call of a decorated function, for as many seconds as were asked
for, and counts them against the visitor's quota. So only `recovery.recover_steps` runs there: decoding before it and
UMAP after it need no GPU (and numba's threads do not survive a fork). What crosses between the processes are bytes:

* the clip would not fit into a container's shared memory, through which torch sends tensors;
* a CUDA tensor that is unpickled in the page's process, which has no GPU, hangs;
* of an error in the other process, only the name of its class would come back, not the sentence for the person.

Where the GPU is refused (quota, queue, too long a time asked for) or taken away, the CPU goes on where it stood, and
the status says so.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import io
import logging
import os
import pickle
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from slap_core.encoders import OpenClipEncoder
    from slap_core.recovery import Recovery
    from slap_core.stages import Decoded, Progress, Settings, Stage

__all__ = ["MOST_SECONDS", "borrowed", "on_gpu", "seconds", "zero_gpu"]

log = logging.getLogger(__name__)

GPU: Final = "cuda"
MOST_SECONDS: Final = 120
"""Never asked for more: a visitor without an account has two minutes a day."""

Arguments = ParamSpec("Arguments")
Item = TypeVar("Item")


def zero_gpu() -> bool:
    """Whether this is a Space whose GPU is borrowed, with the package that borrows it."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true") and bool(
        importlib.util.find_spec("spaces")
    )


def on_gpu(
    task: Callable[Arguments, Iterator[Item]], *, duration: Callable[Arguments, int]
) -> Callable[Arguments, Iterator[Item]]:
    """The generator function `task`, to run in a process with a borrowed GPU; where there is none to borrow, `task`.

    Args:
        task: takes and yields what can be pickled.
        duration: the seconds to ask for, from the arguments of a call.
    """
    if not zero_gpu():
        return task
    import spaces

    return spaces.GPU(task, duration=duration)


def seconds(work: bytes, frames: int, couplings: int, encoder: str, potential: str) -> int:
    """How long a GPU is asked for; the less, the sooner it comes.

    Upper bounds, from measurements on one slow core: the start of the process, each frame through the encoder, each
    frame's share in a solve for each lambda, loading an encoder that is not the bundled one and fitting slots to its
    tokens, and fitting a potential.

    Args:
        work: not looked at.
        frames: of the clip.
        couplings: how many lambdas are scanned.
        encoder: its name.
        potential: as in the settings.
    """
    fitting = (0 if encoder == "bundled" else 60) + (20 if potential == "fitted" else 0)
    return min(MOST_SECONDS, round(10 + fitting + 0.05 * frames + 0.005 * frames * couplings))


def borrowed() -> "Recovery | None":
    """What recovers the frames on this machine, for `analysis.analyse_steps`: None for what it does by itself.

    On ZeroGPU this imports torch and places the bundled encoder on the GPU, which has to be done before the page is
    launched: what a process is forked with, it need not load.
    """
    if not zero_gpu():
        return None
    import slap_core.recovery  # noqa: F401  a module that is half imported while a process is forked stays so there

    lent = on_gpu(_compute, duration=seconds)
    _encoder()
    return functools.partial(_recover, lent)


@functools.cache
def _encoder() -> "OpenClipEncoder":
    from slap_core.pretrained import load_encoder

    encoder = load_encoder("bundled")
    encoder.model.to(GPU)
    return encoder


def _recover(
    lent: Callable[..., Iterator[bytes]],
    decoded: "Decoded",
    prompt: str,
    settings: "Settings",
    ready: "OpenClipEncoder | None" = None,
) -> "Generator[Stage | Progress, None, None]":
    """`recover_steps` on a borrowed GPU, and on the CPU from where the GPU was refused or taken away."""
    from slap_core.pretrained import load_encoder
    from slap_core.recovery import go_on
    from slap_core.stages import Progress

    if ready is None and settings.encoder != "bundled":
        ready = load_encoder(settings.encoder)  # downloaded here, where time costs no quota; the CPU may need it too
    work = pickle.dumps((decoded, prompt, settings))
    asked = (work, len(decoded.clip), len(settings.couplings), settings.encoder, settings.potential)
    had = 0
    try:
        with contextlib.closing(lent(*asked)) as parcels:
            for parcel in parcels:
                step = pickle.loads(parcel)
                if isinstance(step, ValueError):
                    break
                had += not isinstance(step, Progress)
                yield step
            else:
                return
    except Exception as error:  # gradio's for quota, queue and abort; any other where ZeroGPU itself fails
        title = str(getattr(error, "title", ""))
        log.warning("No GPU for this run: %s", error, exc_info=not title)
        reason = title.removeprefix("ZeroGPU ") or "it failed"
        note = f"No GPU could be borrowed ({reason}), so that the CPU computes."
    else:
        raise step
    yield from go_on(had, note, decoded, prompt, settings, ready)


def _compute(work: bytes, frames: int, couplings: int, encoder: str, potential: str) -> Iterator[bytes]:
    """What runs beside the GPU: the steps as parcels, or in their place the ValueError that ended them.

    Arguments as of `seconds`, and

    Args:
        work: the decoded clip, the prompt and the settings, pickled.
    """
    from slap_core.recovery import recover_steps

    decoded, prompt, settings = pickle.loads(work)
    settings = dataclasses.replace(settings, device=GPU)
    try:
        for step in recover_steps(decoded, prompt, settings, _encoder() if encoder == "bundled" else None):
            yield _packed(step)
    except ValueError as error:
        yield pickle.dumps(ValueError(str(error)))


def _packed(step: object) -> bytes:
    """Pickled, with every tensor on the CPU."""
    from torch import Tensor

    class OnCpu(pickle.Pickler):
        def reducer_override(self, value: object) -> Any:
            if isinstance(value, Tensor) and value.device.type != "cpu":
                return value.cpu().__reduce_ex__(pickle.HIGHEST_PROTOCOL)
            return NotImplemented

    parcel = io.BytesIO()
    OnCpu(parcel, pickle.HIGHEST_PROTOCOL).dump(step)
    return parcel.getvalue()
