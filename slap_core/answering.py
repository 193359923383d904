"""A question about a clip, answered by a frozen language model from slots and a recovered path.

    for answer in answer_steps(decoded, encoded, tokens, "where is the red car halfway?"): print(answer.text)

Two ways. Where a projector is trained for the encoder and the language model, slots of the kept frames and the path of
what is asked about stand before the question as tokens (see `slot_vlm`). Where there is none, what is known stands
before it in words, the *textual evidence*: which phrases the kept and the recovered latents are nearest to, which
stretches are recovered, and which objects the slots hold where. Dropped frames are never looked at.

Which tokens an answer rests on is told by how much its log-likelihood changes with them: gradient times token, summed
over their dimensions, in absolute value.
"""

import contextlib
import dataclasses
import itertools
import re
from collections.abc import Generator, Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from slap_core import sphere
from slap_core.encoders import OpenClipEncoder
from slap_core.evidence import STEPS, Evidence, gather, moment_frames, path_evidence, slot_evidence
from slap_core.language_model import LanguageModel, load_language_model
from slap_core.pretrained import load_projector, load_slots
from slap_core.question_paths import Pulled, QuestionPath, hidden_potential
from slap_core.slot_vlm import Projector
from slap_core.textual_evidence import seen_objects, textual_evidence
from slap_core.tunnel_world import COLOURS, KINDS, prompt
from slap_core.tunnel_world.clip_asking import FRACTIONS, MOMENTS
from slap_core.types import Latents, Tokens
from slap_core.words import one_line

__all__ = [
    "QUESTION_CHARACTERS",
    "Answer",
    "answer_steps",
    "checked_question",
    "subject",
    "textual_evidence",
    "with_moment",
]

QUESTION_CHARACTERS = 200
GENERIC = "an object"
"""What is looked for where a question names nothing."""

GUESSES = " It knows drawn scenes alone: asked about any other video it guesses, and sounds as sure."


@dataclasses.dataclass(frozen=True, eq=False)
class Answer:
    """An answer, or the beginning of one."""

    text: str
    question: str
    """As the language model read it."""
    about: str
    """What was looked for: the query of the path."""
    model: str
    """The language model's name."""
    way: str
    """A sentence: by projected slots and paths, or by evidence in words."""
    frames: tuple[int, ...]
    """Frames of the clip that the answer rests on, the most important ones first; kept frames all."""
    times: tuple[float, ...] = dataclasses.field(default=(), kw_only=True)
    """Of `frames`, seconds."""
    recovered: tuple[tuple[float, float], ...]
    """Stretches of time of the path that no frame holds, seconds."""
    slots: tuple[tuple[int, int], ...] = ()
    """Frame and slow slot that the answer rests on most, the most important ones first."""
    steps: tuple[float, ...] = ()
    """Times of the path that the answer rests on most, seconds."""
    evidence: str = ""
    """The textual evidence, where the answer was found by it."""
    unknown_words: tuple[str, ...] = ()
    done: bool = False


def subject(question: str, fallback: str = "") -> str:
    """What a question is about, in words that a path can be asked for: colour and kind, as far as it names them.

    >>> subject("where is the red car halfway?")
    'a red car'
    >>> subject("how many objects are there?")
    'an object'
    """
    words = re.findall(r"[a-z]+", question.lower())
    kind = next((word for word in words if word in KINDS), None)
    colour = next((word for word in words if word in COLOURS), None)
    if kind is None and colour is None:
        return fallback or GENERIC
    return prompt(kind=kind, colour=colour)


def with_moment(question: str, span: tuple[float, float]) -> str:
    """The question with times in seconds said in the words that the bundled language model knows.

    >>> with_moment("where is the car at 2.4 s?", (0.0, 5.0))
    'where is the car halfway?'
    """

    def said(found: re.Match[str]) -> str:
        share = (float(found[1]) - span[0]) / max(span[1] - span[0], 1e-9)
        return MOMENTS[min(range(len(MOMENTS)), key=lambda k: abs(FRACTIONS[k] - share))]

    return re.sub(r"\bat\s+(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?)\b", said, question)


def answer_steps(
    encoder: OpenClipEncoder,
    seen: Latents,
    looked: Tokens,
    question: str,
    *,
    frames: Int[Tensor, "kept"],
    span: tuple[float, float],
    query: str = "",
    language: str = "bundled",
    method: QuestionPath | None = None,
    phrases: Sequence[str] = (),
    temperature: float = 0.0,
    seed: int = 0,
) -> Iterator[Answer]:
    """The answer as it grows; closing the generator stops the language model.

    Args:
        encoder: of the frames.
        seen: latents of the kept frames.
        looked: their tokens.
        question: in words.
        frames: their numbers in the clip.
        span: first and last time of the whole clip, seconds.
        query: what the path is of, where the question names nothing that the encoder was taught.
        language: name of the language model.
        method: of the path; default: least action, by the potential that recovers what hides where the encoder has one.
        phrases: that latents are compared with in the textual evidence.
        temperature: 0 for the likeliest answer.
        seed: of an answer that is drawn.

    Raises:
        ValueError: for a question or a language model that cannot be used.
    """
    asked = checked_question(question)
    model = load_language_model(language)
    seen = Latents(sphere.normalize(seen.points.float()), seen.times)
    projector = load_projector(encoder=encoder.name, language=language)
    if projector is None:
        answer, text = _in_words(encoder, seen, looked, asked, frames, span, query, model, phrases, method)
        answer = yield from _spoken(answer, model, None, text, temperature=temperature, seed=seed)
        yield dataclasses.replace(answer, done=True)
        return
    about = subject(asked, query)
    steps = torch.linspace(*span, STEPS, dtype=torch.float64)
    looked_for = encoder.text([about])[0]
    solution, holds = (method or QuestionPath(hidden_potential()))(seen, steps, looked_for)
    slots = load_slots(encoder.name)
    assert slots is not None, "a projector is shipped with the slots it was trained for"
    some = moment_frames(looked.times, span)
    evidence = gather(
        [
            slot_evidence(slots(looked, frames=some), slots, looked, span),
            path_evidence(solution.path, seen.times[holds], span, looked_for),
        ]
    )
    said = with_moment(asked.lower(), span)
    text = model.prompt(said.rstrip("?"))
    with torch.no_grad():
        prefix, _ = projector(evidence)
    shown = frames[some]
    answer = Answer(
        text="",
        question=said,
        about=about,
        model=model.name,
        way="From the slots of the kept frames and the recovered path, projected into the language model."
        + (GUESSES if model.name == "bundled" else ""),
        frames=tuple(shown.tolist()),
        recovered=_stretches(seen.times[holds], span),
        unknown_words=tuple(model.unknown_words(said)),
    )
    answer = yield from _spoken(answer, model, prefix, text, temperature=temperature, seed=seed)
    yield dataclasses.replace(_attributed(answer, model, projector, evidence, prefix, text, shown, steps), done=True)


def _spoken(
    answer: Answer,
    model: LanguageModel,
    prefix: Float[Tensor, "token dim"] | None,
    text: str,
    *,
    temperature: float,
    seed: int,
) -> Generator[Answer, None, Answer]:
    """The answer as its words come; it is returned with all of them."""
    with contextlib.closing(model.stream(prefix, text, temperature=temperature, seed=seed)) as stream:
        for words in stream:
            answer = dataclasses.replace(answer, text=words)
            yield answer
    return answer


def checked_question(question: str) -> str:
    """The question on one line.

    Raises:
        ValueError: if there is none, or it is too long.
    """
    if not isinstance(question, str) or not one_line(question):
        raise ValueError("There is no question: write one, for example “where is the red car halfway?”.")
    asked = one_line(question)
    if len(asked) > QUESTION_CHARACTERS:
        raise ValueError(
            f"The question is {len(asked):,} characters long, at most {QUESTION_CHARACTERS} are read; ask about one "
            "thing."
        )
    return asked


def _stretches(anchors: Float[Tensor, "anchor"], span: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """What lies between the frames that hold the path, seconds."""
    edges = [span[0], *anchors.tolist(), span[1]]
    return tuple((a, b) for a, b in itertools.pairwise(edges) if b - a > 1e-6)


def _attributed(
    answer: Answer,
    model: LanguageModel,
    projector: Projector,
    evidence: Evidence,
    prefix: Float[Tensor, "token dim"],
    text: str,
    frames: Int[Tensor, "shown"],
    steps: Float[Tensor, "step"],
) -> Answer:
    """The same answer, with what it rests on."""
    prefix = prefix.detach().requires_grad_(True)
    said = model.ids(answer.text)
    if not said:
        return answer
    inputs = model.embed(prefix, f"{text} {answer.text}")[None]
    logits = model.model(inputs_embeds=inputs).logits[0, -len(said) - 1 : -1]
    likelihood = logits.log_softmax(-1).gather(-1, torch.tensor(said)[:, None]).sum()
    (gradient,) = torch.autograd.grad(likelihood, prefix)
    weight = (gradient * prefix).sum(-1).abs().detach()
    lengths = [len(evidence.vectors[name]) * projector.branch[name].tokens for name in evidence.branches]
    by_branch = dict(zip(evidence.branches, weight.split(lengths), strict=True))
    slow = by_branch["slow"].view(len(frames), -1)
    path = by_branch["path"].view(STEPS, -1).sum(-1)
    best = slow.flatten().topk(min(3, slow.numel())).indices.tolist()
    each = slow.shape[1]
    return dataclasses.replace(
        answer,
        frames=tuple(frames[slow.sum(-1).argsort(descending=True)].tolist()),
        slots=tuple((int(frames[at // each]), at % each) for at in best),
        steps=tuple(steps[path.topk(3).indices].tolist()),
    )


def _in_words(
    encoder: OpenClipEncoder,
    seen: Latents,
    looked: Tokens,
    question: str,
    frames: Int[Tensor, "kept"],
    span: tuple[float, float],
    query: str,
    model: LanguageModel,
    phrases: Sequence[str],
    method: QuestionPath | None,
) -> tuple[Answer, str]:
    """An answer from textual evidence that is still without words, and what to ask."""
    times = torch.linspace(*span, STEPS, dtype=torch.float64)
    about = subject(question, query)
    way = method or QuestionPath(Pulled(), shown=False)
    solution, holds = way(seen, times, sphere.normalize(encoder.text([about])[0]))
    evidence = textual_evidence(encoder, seen, solution, phrases, seen_objects(encoder, looked))
    answer = Answer(
        text="",
        question=question,
        about=about,
        model=model.name,
        way="From textual evidence: no projector is trained for this encoder and language model.",
        frames=tuple(frames.tolist()),
        recovered=_stretches(seen.times[holds], span),
        evidence=evidence,
        unknown_words=tuple(model.unknown_words(question)),
    )
    return answer, model.prompt(question, evidence)
