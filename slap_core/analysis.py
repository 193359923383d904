"""The main job: video -> clip -> latents -> paths -> maps, slots and numbers, as one generator of stages.

The page, the command line and the API run these very lines. Each stage is yielded as soon as it is known; closing the
generator cancels what remains (a decoder's process included).
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import os
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import torch

from slap_core.ahead import Ahead
from slap_core.answering import Answer, answer_steps, checked_question
from slap_core.comparison import drawn_phrases
from slap_core.encoders import OpenClipEncoder, collect
from slap_core.memory import Memory
from slap_core.pretrained import kept_encoder
from slap_core.question_paths import QuestionPath
from slap_core.recovery import Recovery, recover_steps, recover_surely
from slap_core.sampling import kept_index
from slap_core.stages import (
    QUERY_CHARACTERS,
    Analysis,
    Decoded,
    Encoded,
    Progress,
    Projected,
    Scanned,
    Settings,
    Solved,
    Stage,
)
from slap_core.types import Clip
from slap_core.video import fingerprint, read_clip
from slap_core.views.projection import project
from slap_core.words import distinct, one_line

__all__ = ["analyse", "analyse_stages", "analyse_steps", "ask", "ask_steps"]

DECODED_SIZE = 256
"""Shorter side of the decoded frames, pixels: enough for encoders of up to 256 px and for the page's pictures."""


def analyse(clip_or_path: Clip | str | os.PathLike[str], query: str | None = None, **settings: Any) -> Analysis:
    """Everything the main job finds in a video.

    Args:
        clip_or_path: a clip, or the path of a video file.
        query: what to look for, in words; empty or None for no pull.
        **settings: fields of `Settings`, and `encoder` may be a ready encoder.

    Raises:
        ValueError: for a video, query or setting that cannot be used; the sentence names the remedy.
    """
    collector = Collector(_settings(settings)[0])
    for stage in analyse_stages(clip_or_path, query, **settings):
        collector.add(stage)
    return collector.analysis()


class Collector:
    """Collects stages, and the wall time of each, in an `Analysis`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stages: dict[str, Stage] = {}
        self._maps: dict[str, Projected] = {}
        self._seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def add(self, stage: Stage) -> None:
        """Take the next stage; the time since the last one is its wall time."""
        name = type(stage).__name__.lower()
        if isinstance(stage, Projected):
            self._maps["PCA" if "PCA" not in self._maps else "UMAP"] = stage
            name = f"{name}_{len(self._maps)}"
        else:
            self._stages[name] = stage
        now = time.perf_counter()
        self._seconds[name], self._start = now - self._start, now

    def analysis(self) -> Analysis:
        """Everything that was found, once all stages have been added."""
        return Analysis(settings=self._settings, maps=self._maps, seconds=self._seconds, **self._stages)


def analyse_stages(
    clip_or_path: Clip | str | os.PathLike[str], query: str | None = None, **settings: Any
) -> Iterator[Stage]:
    """The stages of the main job, in the order Decoded, Encoded, Solved, Projected (PCA), Scanned, Compared, Slotted,
    Tracked, Projected (UMAP), each yielded as soon as it is known.

    Arguments and errors as for `analyse`.
    """
    return (step for step in analyse_steps(clip_or_path, query, **settings) if not isinstance(step, Progress))


def analyse_steps(
    clip_or_path: Clip | str | os.PathLike[str],
    query: str | None = None,
    *,
    recover: Recovery | None = None,
    memory: Memory | None = None,
    **settings: Any,
) -> Iterator[Stage | Progress]:
    """The stages of the main job with `Progress` between them and inside the long ones.

    Arguments and errors as for `analyse`, and

    Args:
        recover: does the work of `recovery.recover_steps`, perhaps in another process; default: that.
        memory: of earlier runs, from which files are neither decoded nor encoded again, and a run with the same query
            and settings is told again. Encoders in local folders may change, and nothing of theirs is remembered.
    """
    chosen, ready = _settings(settings)
    prompt = _prompt(query)
    if memory is None or ready is not None or isinstance(clip_or_path, Clip) or chosen.encoder.startswith("local-dir:"):
        yield from _steps(clip_or_path, prompt, chosen, ready, recover or recover_steps, None)
        return
    yield Progress("decode", 0.0)
    file = fingerprint(clip_or_path)
    run = ("run", file, prompt, chosen)
    stages = memory.get(run)
    if stages is not None:
        yield from stages
        return
    read = ("clip", file, chosen.max_frames, chosen.until_seconds)
    stages = []
    remembering, looking = recover, None
    if recover is None:  # elsewhere nothing is known of this memory
        remembering = functools.partial(recover_steps, memory=memory)
        looking = Ahead(functools.partial(kept_encoder, chosen.encoder, device=chosen.device), memory)
    clip = memory.get(read)
    found = clip_or_path if clip is None else clip
    with contextlib.closing(_steps(found, prompt, chosen, None, remembering, memory, looking)) as steps:
        for step in steps:
            if isinstance(step, Decoded):
                memory.put(read, step.clip)
            if not isinstance(step, Progress):
                stages.append(step)
            yield step
    memory.put(run, tuple(stages))


def _steps(
    clip_or_path: Clip | str | os.PathLike[str],
    prompt: str,
    chosen: Settings,
    ready: OpenClipEncoder | None,
    recover: Recovery,
    memory: Memory | None,
    looking: Ahead | None = None,
) -> Iterator[Stage | Progress]:
    """The steps of `analyse_steps` without a memory of what was decoded, but of maps."""
    yield Progress("decode", 0.0)
    with looking or contextlib.nullcontext() as arrived:
        decoded = yield from _decode(clip_or_path, chosen, arrived)
    yield decoded
    found: dict[type, Any] = {}
    with contextlib.closing(recover_surely(decoded, prompt, chosen, ready, recover=recover)) as recovering:
        for step in recovering:
            yield step
            found[type(step)] = step
            if isinstance(step, Solved):
                yield Progress("project", 0.0)
                yield _drawn(chosen, found[Encoded], step, method="PCA")
    yield Progress("project", 0.5)
    yield _drawn(chosen, found[Encoded], found[Solved], method="UMAP", scan=found[Scanned].points, memory=memory)


def ask_steps(
    clip_or_path: Clip | str | os.PathLike[str],
    question: str,
    query: str | None = None,
    *,
    language: str = "bundled",
    method: QuestionPath | None = None,
    memory: Memory | None = None,
    **settings: Any,
) -> Iterator[Progress | Answer]:
    """A question about a video, answered: `Progress`, then the `Answer` as it grows.

    Frames that are dropped are not looked at. Other arguments and errors as for `analyse_steps`, and

    Args:
        question: in words, at most 200 characters.
        language: name of the language model (see `language_model`).
        method: of the path of what is asked about; default: least action.

    Raises:
        ValueError: also for a question or a language model that cannot be used.
    """
    chosen, ready = _settings(settings)
    prompt = _prompt(query)
    checked_question(question)
    remembering = memory is not None and ready is None and not isinstance(clip_or_path, Clip)
    yield Progress("decode", 0.0)
    read = ("clip", fingerprint(clip_or_path), chosen.max_frames) if remembering else None
    clip = None if read is None else memory.get(read)
    decoded = yield from _decode(clip_or_path if clip is None else clip, chosen)
    yield Progress("encode", 0.0)
    encoder = ready or kept_encoder(chosen.encoder)
    if read is not None:
        memory.put(read, decoded.clip)
        if not chosen.encoder.startswith("local-dir:"):
            encoder = encoder.remembering(memory)
    batches = []
    for batch in encoder.encode_batches(decoded.clip.select(decoded.kept)):
        batches.append(batch)
        yield Progress("encode", sum(len(latents) for latents, _ in batches) / len(decoded.kept))
    kept = decoded.clip.select(decoded.kept)
    seen, looked = collect(batches, kept, encoder.box(kept))
    span = (float(decoded.clip.times[0]), float(decoded.clip.times[-1]))
    phrases = distinct([*(drawn_phrases() if encoder.name == "bundled" else ()), prompt, *chosen.concepts])
    yield Progress("answer", 0.0)
    answers = answer_steps(
        encoder,
        seen,
        looked,
        question,
        frames=decoded.kept,
        span=span,
        query=prompt,
        language=language,
        method=method,
        phrases=phrases,
        seed=chosen.seed,
    )
    with contextlib.closing(answers):
        for answer in answers:
            times = decoded.clip.times[list(answer.frames)].tolist()
            yield dataclasses.replace(answer, times=tuple(round(time, 4) for time in times))


def ask(clip_or_path: Clip | str | os.PathLike[str], question: str, query: str | None = None, **how: Any) -> Answer:
    """The answer to a question about a video; arguments and errors as for `ask_steps`."""
    *_, answer = ask_steps(clip_or_path, question, query, **how)
    return answer


def _settings(settings: Mapping[str, Any]) -> tuple[Settings, OpenClipEncoder | None]:
    """Validated settings, and the encoder where a ready one was given instead of a name."""
    unknown = set(settings) - {field.name for field in dataclasses.fields(Settings)}
    if unknown:
        known = ", ".join(field.name for field in dataclasses.fields(Settings))
        raise ValueError(f"There is no setting {', '.join(sorted(unknown))}; the settings are: {known}.")
    encoder = settings.get("encoder", "bundled")
    if isinstance(encoder, str):
        return Settings(**settings), None
    return Settings(**{**settings, "encoder": encoder.name}), encoder


def _prompt(query: str | None) -> str:
    if query is not None and not isinstance(query, str):
        raise ValueError(f"The query must be words, got {type(query).__name__}.")
    prompt = one_line(query or "")
    if len(prompt) > QUERY_CHARACTERS:
        raise ValueError(
            f"The query is {len(prompt):,} characters long, at most {QUERY_CHARACTERS} are read; name the thing to "
            "look for in a few words."
        )
    return prompt


def _decode(
    clip_or_path: Clip | str | os.PathLike[str], settings: Settings, arrived: Ahead | None = None
) -> Generator[Progress, None, Decoded]:
    """The clip and what is kept of it; closing the generator kills the decoder."""
    if isinstance(clip_or_path, Clip):
        clip = clip_or_path
        if not len(clip):
            raise ValueError("The clip has no frames; give one of at least one frame.")
        if settings.until_seconds:
            clip = clip.select(torch.nonzero(clip.times - clip.times[0] <= settings.until_seconds)[:, 0])
        if len(clip) > settings.max_frames:
            clip = clip.select(torch.linspace(0, len(clip) - 1, settings.max_frames).round().long())
    else:
        given_up = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reading = pool.submit(
                read_clip,
                clip_or_path,
                max_frames=settings.max_frames,
                size=DECODED_SIZE,
                until_seconds=settings.until_seconds or None,
                cancelled=given_up.is_set,
                arrived=arrived,
            )
            try:
                while not concurrent.futures.wait([reading], timeout=0.25).done:
                    yield Progress("decode", 0.0)
            finally:
                given_up.set()
            clip = reading.result()
    kept, dropped = kept_index(
        len(clip), settings.keep_every, sampling=settings.sampling, named=settings.kept, seed=settings.seed
    )
    return Decoded(clip=clip, kept=kept, dropped=dropped)


def _drawn(settings: Settings, encoded: Encoded, solved: Solved, **how: Any) -> Projected:
    return project(encoded.truth, encoded.seen, solved.solutions, encoded.query, seed=settings.seed, **how)
