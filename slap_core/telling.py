"""An answer for a terminal, in plain lines or as JSON: what was answered, by whom, and what it rests on."""

import dataclasses
import json

from slap_core.answering import Answer

__all__ = ["as_json", "told"]


def told(answer: Answer) -> str:
    """The answer, the language model, and the frames and stretches that it rests on, one a line.

    >>> found = {"frames": (8,), "times": (1.0,), "recovered": ((0.5, 2.0),)}
    >>> print(told(Answer("left", "where?", "a car", "bundled", "From slots.", **found)))
    left
    model: bundled. From slots.
    looked for: a car
    frames: 8 (1.00 s)
    recovered: 0.50-2.00 s
    """
    lines = [answer.text or "(no word)", f"model: {answer.model}. {answer.way}", f"looked for: {answer.about}"]
    frames = (f"{frame} ({time:.2f} s)" for frame, time in zip(answer.frames, answer.times, strict=True))
    lines.append(f"frames: {', '.join(frames)}")
    if answer.recovered:
        lines.append(f"recovered: {', '.join(f'{start:.2f}-{end:.2f} s' for start, end in answer.recovered)}")
    if answer.slots:
        slots = ", ".join(f"slot {slot + 1} in frame {frame}" for frame, slot in answer.slots)
        path = ", ".join(f"{time:.2f} s" for time in answer.steps)
        lines.append(f"rests most on: {slots}; on the path at {path}")
    if answer.unknown_words:
        lines.append(f"words never taught: {', '.join(answer.unknown_words)}")
    return "\n".join(lines)


def as_json(answer: Answer) -> str:
    """All fields of the answer."""
    return json.dumps(dataclasses.asdict(answer), indent=2, ensure_ascii=False)
