"""The process that analyses: python -m slap_core.batch.analyst ENCODER DEVICE THREADS, for `worker` alone.

It loads the encoder once and says so, then answers a line of JSON with a line of JSON:

    {"path": ..., "query": ..., "settings": {...}}   ->   {"row": {...}} or {"error": "a sentence"}

Its end of the pipe is all that it has of whoever asks: when that closes, it ends, whatever it is doing.
"""

import _thread
import contextlib
import dataclasses
import json
import os
import queue
import signal
import sys
import threading
import time
from typing import Any

import torch

from slap_core.analysis import Collector, analyse_steps
from slap_core.encoders import OpenClipEncoder
from slap_core.pretrained import load_encoder
from slap_core.report import summary
from slap_core.stages import Analysis, Progress, Settings, Tracked

__all__ = ["analysed", "main", "row_of"]


def analysed(path: str, query: str, settings: Settings, encoder: OpenClipEncoder) -> Analysis:
    """All that there is to know of a video but the UMAP, which is for eyes.

    Raises:
        ValueError: for a video or a query that cannot be used.
    """
    chosen = {**{field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}}
    collector = Collector(settings)
    with contextlib.closing(analyse_steps(path, query, **{**chosen, "encoder": encoder})) as steps:
        for step in steps:
            if isinstance(step, Progress):
                continue
            collector.add(step)
            if isinstance(step, Tracked):
                break
    return collector.analysis()


def row_of(analysis: Analysis) -> dict[str, Any]:
    """What of an analysis is kept, by the names of columns."""
    found = summary(analysis)
    video = found["video"]
    return {
        **{name: video[name] for name in ("frames", "kept", "dropped")},
        "duration_seconds": video["last_seconds"] - video["first_seconds"],
        **{name: found[name] for name in ("encoder", "potential", "lambda_star", "lambda_star_drift")},
        **{f"drift_{name.lower().replace(' ', '_')}": value for name, value in found["drift"].items()},
        "certificate": found["certificate"]["sentence"],
        "converged": analysis.solved.solutions["SLAP"].result.ok,
        "objects": len(found["objects"]),
        "notes": " ".join([*found["notes"], *video["warnings"]]),
        **{f"seconds_{name}": value for name, value in found["seconds"].items()},
    }


def main(encoder: str, device: str, threads: str) -> None:
    """Answer until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a decoder ends, too
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    torch.set_num_threads(int(threads))
    try:
        ready = load_encoder(encoder, device=device)
    except (ValueError, OSError) as error:
        answer({"fatal": str(error)})
        return
    answer({"ready": True})
    while True:
        request = json.loads(asked.get())
        try:
            found = analysed(request["path"], request["query"], Settings(**request["settings"]), ready)
            answer({"row": row_of(found)})
        except Exception as error:
            answer({"error": str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"})


def _listen(asked: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        asked.put(line)
    _thread.interrupt_main(signal.SIGTERM)
    time.sleep(2)  # for the main thread to end decoders, if it can
    os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
