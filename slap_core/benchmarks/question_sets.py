"""Questions about videos that a person has on disk, in the layouts of three published data sets.

    msvd          {train,val,test}_qa.json: [{question, answer, video_id}], videos vidN.* (or youtube_mapping.txt)
    msrvtt        {train,val,test}_qa.json: [{question, answer, video_id}], videos videoN.*
    activitynet   {train,val,test}_q.json: [{question, video_name, question_id}], ..._a.json: [{answer, type,
                  question_id}], videos v_NAME.*

Videos may lie anywhere below the folder. Nothing is downloaded. An answer is right where it is the expected one but for
capitals, punctuation and articles; *contained* where the expected words occur in it, as is fairer to models that answer
in sentences.
"""

import dataclasses
import json
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import torch

from slap_core.analysis import ask_steps
from slap_core.answering import Answer
from slap_core.baselines import Lerp, Slerp, ZeroOrderHold
from slap_core.memory import Memory
from slap_core.metrics import bootstrap_interval
from slap_core.question_paths import QuestionPath

__all__ = ["LAYOUTS", "SetQuestion", "ask_set", "normalised", "read_set", "summary"]

LAYOUTS: Final = ("msvd", "msrvtt", "activitynet")
METHODS: Final = {
    "zoh": QuestionPath(ZeroOrderHold(), shown=False),
    "lerp": QuestionPath(Lerp(), shown=False),
    "slerp": QuestionPath(Slerp(), shown=False),
    "slap": None,
}
"""None: least action, as `answering` does it for the encoder."""
VIDEOS: Final = (".mp4", ".avi", ".mkv", ".webm", ".mov")


@dataclasses.dataclass(frozen=True)
class SetQuestion:
    """One question of a data set."""

    video: pathlib.Path
    question: str
    answer: str
    type: str
    """As the data set has it; by default its first word."""


def read_set(layout: str, folder: pathlib.Path, *, split: str = "test") -> list[SetQuestion]:
    """The questions of a split whose videos are there.

    Raises:
        ValueError: for another layout, files that are missing or not as described, or where no video is there.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"{layout[:40]!r} is not a layout; choose one of {', '.join(LAYOUTS)}.")
    if not folder.is_dir():
        raise ValueError(f"The folder {folder.name!r} does not exist; unpack the data set, and name its folder.")
    videos = {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix.lower() in VIDEOS}
    found, missing = [], 0
    try:
        rows = _activitynet(folder, split) if layout == "activitynet" else _json(folder, f"{split}_qa.json")
        names = _names(layout, folder)
        for row in rows:
            video = next((videos[stem] for stem in names(row) if stem in videos), None)
            if video is None:
                missing += 1
                continue
            question, answer = str(row["question"]), str(row["answer"])
            found.append(SetQuestion(video, question, answer, str(row.get("type", question.split()[0].lower()))))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"The questions of {folder.name!r} are not in the layout {layout} ({type(error).__name__}: {error}); see "
            "the module's text for what it looks like."
        ) from error
    if not found:
        raise ValueError(
            f"None of the {missing} questions of {folder.name!r} has its video below the folder; put the videos there."
        )
    return found


def _json(folder: pathlib.Path, name: str) -> list[dict[str, Any]]:
    path = next(iter(sorted(folder.rglob(name))), None)
    if path is None:
        raise ValueError(f"There is no {name} below {folder.name!r}; unpack the questions there.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON ({error}); get it again.") from error


def _activitynet(folder: pathlib.Path, split: str) -> list[dict[str, Any]]:
    answers = {row["question_id"]: row for row in _json(folder, f"{split}_a.json")}
    return [row | answers[row["question_id"]] for row in _json(folder, f"{split}_q.json")]


def _names(layout: str, folder: pathlib.Path) -> Callable[[dict[str, Any]], list[str]]:
    """The stems under which a row's video may lie."""
    if layout == "activitynet":
        return lambda row: [f"v_{row['video_name']}", str(row["video_name"])]
    if layout == "msrvtt":
        return lambda row: [f"video{row['video_id']}"]
    mapping = next(iter(sorted(folder.rglob("youtube_mapping.txt"))), None)
    lines = [] if mapping is None else mapping.read_text(encoding="utf-8").splitlines()
    titles = {number: title for title, number in (line.split() for line in lines if line.strip())}
    return lambda row: [f"vid{row['video_id']}", titles.get(f"vid{row['video_id']}", "")]


def normalised(text: str) -> str:
    """Lower case, without punctuation and articles.

    >>> normalised("A red car.")
    'red car'
    """
    return " ".join(word for word in re.findall(r"\w+", text.lower()) if word not in ("a", "an", "the"))


def ask_set(
    questions: Sequence[SetQuestion], *, rates: Sequence[float], **options: Any
) -> Iterator[tuple[SetQuestion, str, float, Answer | str]]:
    """Each question by each method at each share of the frames: its answer, or the sentence why there is none.

    Args:
        questions: of `read_set`.
        rates: shares of the frames that are kept.
        **options: of `analysis.ask_steps`.
    """
    memory = Memory()
    for one in questions:
        for rate in rates:
            for name, method in METHODS.items():
                try:
                    how = {"keep_every": round(1 / rate), "method": method, "memory": memory, **options}
                    *_, last = ask_steps(one.video, one.question, **how)
                    yield one, name, rate, last
                except ValueError as error:
                    yield one, name, rate, str(error)


def summary(found: Sequence[tuple[SetQuestion, str, float, Answer | str]]) -> dict[str, dict[str, dict[str, Any]]]:
    """By method and share of the frames: how many answers were right, contained the right one, or failed."""
    record: dict[str, dict[str, dict[str, Any]]] = {}
    for name, rate in dict.fromkeys((name, rate) for _, name, rate, _ in found):
        rows = [(one, answer) for one, by, at, answer in found if (by, at) == (name, rate)]
        said = [(normalised(one.answer), normalised(a.text)) for one, a in rows if isinstance(a, Answer)]
        right = torch.tensor([float(true == text) for true, text in said])
        contained = torch.tensor([float(f" {true} " in f" {text} ") for true, text in said])
        record.setdefault(name, {})[f"{100 * rate:g}"] = {
            "accuracy": float(right.mean()) if said else None,
            "interval": bootstrap_interval(lambda i, of=right: float(of[i].mean()), len(said)) if said else None,
            "contained": float(contained.mean()) if said else None,
            "questions": len(rows),
            "failed": len(rows) - len(said),
        }
    return record
