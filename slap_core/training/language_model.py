"""A small causal language model that reads what is to be seen in a clip, and answers questions about it.

    python -m slap_core.training.language_model --out runs/language

It learns from words alone: accounts of drawn scenes in the language of Tunnel World (`tunnel_world.account`), a
question, and the answer that follows from them. Most accounts come with every clause squeezed into one embedding, the
sum of those of its words: what is put before a question later is no text, but projected slots and latents (see
`slot_vlm`), each of which says several things at once. As those are, squeezed clauses are not exact (some noise is
added), are told more than once, or not at all where a thing hides, stand among others that tell nothing, and far from
the question: in places drawn from as many as projected tokens take. Where the answer begins, the question comes once
more, as one sum of its words (`language_model.asked`): what a clause must agree with, thing and moment, is then held by
one position, and attention finds it within some hundred steps; where it must gather these words first, it does not for
thousands, and confuses moments. One in ten comes without an account: what can be known from the question alone is
known. It is a Llama of transformers, saved as any other, and frozen ever after.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from slap_core.language_model import asked
from slap_core.pretrained import write_card
from slap_core.training import command_line, loop
from slap_core.training.accounts import Lines, lines_of
from slap_core.training.question_batches import IGNORED, packed
from slap_core.training.tokenizer import write_tokenizer
from slap_core.tunnel_world import COLOURS, KINDS, OCCLUDERS, Story, sample, seeds, vocabulary
from slap_core.tunnel_world import render as draw
from slap_core.tunnel_world.clip_asking import stories

__all__ = ["LanguageSettings", "accuracy", "main", "told", "train"]

CONTEXT = 512
"""Positions that the model has."""
FRAMES = 51
"""Of a scene; every fifth of them is described."""
EXTRA = "question answer before after come leave turn back hide still first last early late halfway does it"
"""Words of questions and answers that pictures' captions do not have."""


@dataclasses.dataclass(frozen=True)
class LanguageSettings(loop.LoopSettings):
    """Settings of the language model and its training."""

    out: pathlib.Path = pathlib.Path("runs/language")
    """Folder for weights, tokenizer, card and checkpoint."""
    start: pathlib.Path | None = None
    """Folder of a model to go on from; None: a new one."""
    steps: int = 7000
    """Steps of the optimiser."""
    batch: int = 24
    """Stories per step; half of them where accounts are not squeezed."""
    questions: int = 8
    """About each."""
    learning_rate: float = 1.5e-3
    """The highest learning rate."""
    warmup: int = 100
    """Steps over which the learning rate rises."""
    scenes: int = 12_000
    """Tunnel World training scenes whose stories are told."""
    dim: int = 128
    """Dimensions of an embedding."""
    layers: int = 4
    """Of the transformer."""
    heads: int = 2
    """Of its attention."""
    base: float = 1e6
    """Of its rotary positions: with the usual 1e4 most of a narrow head turns within the places of an account, and
    cannot tell what stands there wherever it stands."""
    squeezed: float = 0.85
    """Share of the batches of whose accounts each clause comes as one embedding."""
    alone: float = 0.1
    """Share of the questions that come without an account."""
    noise: float = 0.5
    """The most noise of a squeezed clause, as a share of the root mean square of them all."""
    again: float = 0.7
    """Of an account the highest share of squeezed clauses that are told again, and as many of those once more."""
    missing: float = 0.25
    """Share of the squeezed clauses about what hides that are left out: there the moments before and after tell."""
    blank: int = 16
    """The most places of a squeezed account that tell nothing."""


def told(model: LlamaForCausalLM, lines: Lines, generator: torch.Generator) -> dict[str, Tensor]:
    """The mean negative log-likelihood of the answers' words (nat), and the share of answers that would be given.

    Args:
        model: that is asked.
        lines: on its device.
        generator: of the noise of what stands before questions.
    """
    table = model.get_input_embeddings()
    count, before = len(lines.lengths), int(lines.lengths.max())
    flat = table.weight.new_zeros(count * before, table.embedding_dim)
    shared = flat.index_add(0, lines.line * before + lines.place, table(lines.words)).view(count, before, -1)
    held = torch.arange(before, device=shared.device) < lines.lengths[:, None]
    size = shared.detach().square().sum() / (held.sum() * shared.shape[-1])
    noise = torch.randn(shared.shape, generator=generator).to(shared)
    shared = shared + size.sqrt() * lines.noise[..., None] * noise
    everywhere = torch.ones(lines.ids.shape, dtype=torch.bool, device=shared.device)
    hidden = packed(model.model, shared, held, asked(model, lines.ids), everywhere, lines.positions)
    chosen = lines.labels != IGNORED
    found, true = model.lm_head(hidden[chosen]), lines.labels[chosen]
    wrong = torch.zeros(lines.labels.shape, device=shared.device).masked_scatter(
        chosen, (found.argmax(-1) != true).to(shared.dtype)
    )
    return {"loss": F.cross_entropy(found.float(), true), "right": (wrong.sum(-1) == 0).float().mean()}


def draw_stories(chosen: Int64[Tensor, "scene"]) -> list[Story]:
    """The stories of these scenes; nothing is painted for them."""
    found = []
    for part in chosen.split(256):
        scenes = sample(part, frames=FRAMES)
        index = torch.arange(0, FRAMES, 5).expand(len(part), -1)
        found += stories(scenes, draw(scenes, index, size=24, layers=()))
    return found


def train(
    settings: LanguageSettings, tokenizer: PreTrainedTokenizerFast, told_by: Sequence[Story]
) -> tuple[LlamaForCausalLM, list[loop.Row]]:
    """The trained model, in evaluation mode, and the log of its training.

    Args:
        settings: of this run.
        tokenizer: of the words.
        told_by: the stories.
    """
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.dim,
        intermediate_size=3 * settings.dim,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": settings.base},
        tie_word_embeddings=True,
        initializer_range=settings.dim**-0.5,  # the usual 0.02 is for wide models: here nothing would be attended to
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        question_token_id=tokenizer.convert_tokens_to_ids("question"),
        answer_token_id=tokenizer.convert_tokens_to_ids("answer"),
    )
    model = loop.initialise(lambda: LlamaForCausalLM(config), seed=settings.seed)
    if settings.start is not None:
        model = LlamaForCausalLM.from_pretrained(settings.start, dtype=torch.float32, use_safetensors=True)
    model = model.to(loop.resolve_device(settings.device))

    def batches(first: int) -> Iterator[Lines]:
        for step in range(first, settings.steps):
            generator = loop.generator_of(settings.seed, step)
            chosen = torch.randint(len(told_by), (settings.batch,), generator=generator).tolist()
            variants = torch.randint(2**31, (settings.batch,), generator=generator).tolist()
            asked = [(told_by[at], variant) for at, variant in zip(chosen, variants, strict=True)]
            # A whole batch at a time, and fewer where they are twice as long: every step takes the same time.
            squeezed = bool(torch.rand((), generator=generator) < settings.squeezed)
            some = asked if squeezed else asked[: max(len(asked) // 2, 1)]
            how = {"questions": settings.questions, "squeezed": squeezed, "alone": settings.alone}
            how |= _roughness(settings)
            yield lines_of(tokenizer, some, generator, **how)

    def objective(lines: Lines, generator: torch.Generator) -> dict[str, Tensor]:
        return told(model, lines.to(model.device), generator)

    return model, loop.fit(model, objective, batches, settings)


def _roughness(settings: LanguageSettings) -> dict[str, Any]:
    """How accounts are told that are no better than what is known of a clip."""
    return {name: getattr(settings, name) for name in ("noise", "again", "missing", "blank")}


@torch.no_grad()
def accuracy(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, told_by: Sequence[Story], **how: Any
) -> float:
    """The share of the questions that are answered right, eight a story; `how` as for `lines_of`."""
    generator = torch.Generator().manual_seed(0)
    numbered = [(story, k) for k, story in enumerate(told_by)]
    parts = [numbered[at : at + 64] for at in range(0, len(numbered), 64)]
    lines = [lines_of(tokenizer, part, generator, questions=8, **how) for part in parts]
    rows = [told(model, part.to(model.device), generator) for part in lines]
    return float(torch.stack([row["right"] for row in rows]).mean())


def words() -> list[str]:
    """Every word that accounts, questions and answers can contain."""
    return sorted({*vocabulary(), *EXTRA.split(), *KINDS, *COLOURS, *OCCLUDERS})


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    settings = command_line.parse(LanguageSettings, "Train the bundled language model.", arguments)
    settings.out.mkdir(parents=True, exist_ok=True)
    write_tokenizer(settings.out, words(), context_length=CONTEXT)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(settings.out)
    model, log = train(settings, tokenizer, draw_stories(seeds("train", settings.scenes)))
    unseen = draw_stories(seeds("validation", min(1024, settings.scenes)))
    rough = _roughness(settings)
    checks: dict[str, Callable[[], float]] = {
        "in words": lambda: accuracy(model, tokenizer, unseen, squeezed=False, alone=0.0),
        "in squeezed clauses": lambda: accuracy(model, tokenizer, unseen, squeezed=True, alone=0.0),
        "in rough ones": lambda: accuracy(model, tokenizer, unseen, squeezed=True, alone=0.0, **rough),
        "from the question alone": lambda: accuracy(model, tokenizer, unseen, squeezed=False, alone=1.0),
    }
    scores = {f"validation, right {name}": round(check(), 4) for name, check in checks.items()}
    model.cpu().half().save_pretrained(settings.out)
    write_card(
        settings.out,
        {
            "title": "Language model of Tunnel World",
            "what": "A causal language model that reads an account of a drawn scene, or projected slots and latents "
            "in its place, and answers questions about it in a word or two. It knows no other language.",
            "trained_on": f"accounts of {settings.scenes:,} Tunnel World training scenes, in words",
            "command": command_line.command("slap_core.training.language_model", arguments, start=settings.start),
            "seed": settings.seed,
            "scores": scores | {"train loss": round(log[-1]["loss"], 4)},
            "licence": "Apache-2.0",
        },
    )
    print(scores)


if __name__ == "__main__":
    main()
