"""Frozen causal language models: the bundled one, and any other of transformers' format, by the same lines.

    "bundled"               the one trained by this project on the language of Tunnel World
    "local-dir:FOLDER"      a folder in transformers' layout
    "hf-hub:OWNER/NAME"     a model on the Hugging Face hub

Weights are safetensors; code that comes with a model is never run. A model is asked with a text, before which vectors
in the space of its embeddings may stand (projected slots and latents, see `slot_vlm`). Greedy unless a temperature is
given; then the seed decides.
"""

import contextlib
import functools
import pathlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError
from torch import Tensor

from slap_core.cards import load_card, weights_folder
from slap_core.hub import hub_file, hub_first

__all__ = ["LanguageModel", "asked", "load_language_model"]

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
TEXTS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")
MORE_TEXTS = ("vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja")
MOST_TOKENS = 96
"""Of an answer."""


def asked(model: Any, ids: Int64[Tensor, "*row position"]) -> Float[Tensor, "*row position dim"]:
    """Embeddings of words, as the model is to read them.

    A model whose config names `question_token_id` and `answer_token_id` finds, at the last word *answer*, also the sum
    of the embeddings of the question's words (those since the last word *question*). What is known stands before it in
    sums of words too, a clause each, and only so does one position hold all that a clause must agree with: without it
    attention has to gather the words first, which a small model hardly learns.

    Args:
        model: causal, of transformers.
        ids: of the words.
    """
    words = model.get_input_embeddings()(ids)
    marks = [getattr(model.config, name, None) for name in ("question_token_id", "answer_token_id")]
    if None in marks:
        return words
    begun, ended = ((ids == mark).flip(-1).cumsum(-1).flip(-1) for mark in marks)
    inside, last = (begun == 0) & (ended == 1) & (ids != marks[1]), (ended == 1) & (ids == marks[1])
    return words + last[..., None] * (words * inside[..., None]).sum(-2, keepdim=True)


class LanguageModel:
    """A causal language model that is asked, never trained.

    Args:
        model: of transformers, frozen.
        tokenizer: its own.
        name: what the page calls it.
        short: whether it answers in a word or two, without being told to (the bundled one).
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str, short: bool = False) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self.short = short

    @property
    def dim(self) -> int:
        """Of an embedding."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that the model was never taught, each once; none where words can be spelled."""
        unknown = self.tokenizer.unk_token_id
        if unknown is None or not self.short:
            return []
        words = dict.fromkeys(text.lower().replace("?", " ").replace(",", " ").replace(".", " ").split())
        return [word for word in words if unknown in self.ids(word)]

    def prompt(self, question: str, evidence: str = "") -> str:
        """The text to ask with: the evidence in words, where there is any, and the question."""
        if self.short:
            return f"{evidence} question {question} answer".strip()
        text = f"{evidence}\n\nQuestion: {question}\nAnswer in one short sentence, from this evidence alone."
        if getattr(self.tokenizer, "chat_template", None):
            return self.tokenizer.apply_chat_template(
                [{"role": "user", "content": text.strip()}], tokenize=False, add_generation_prompt=True
            )
        return f"{text.strip()}\nAnswer:"

    def ids(self, text: str) -> list[int]:
        """Of its words, without marks of start and end."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return [i for i in ids if i != self.tokenizer.eos_token_id]

    def embed(self, prefix: Float[Tensor, "token dim"] | None, text: str) -> Float[Tensor, "position dim"]:
        """What is put into the model: a mark of the start where it has one, the prefix, and the text."""
        begin = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
        start, words = (asked(self.model, torch.tensor(ids, dtype=torch.long)) for ids in (begin, self.ids(text)))
        return torch.cat([start, *([] if prefix is None else [prefix.to(words)]), words])

    def answers(
        self, prefixes: Sequence[Float[Tensor, "token dim"] | None], texts: Sequence[str], *, most: int = 8
    ) -> list[str]:
        """Greedy answers to many questions at once.

        Args:
            prefixes: what stands before each text, or None.
            texts: as `prompt` returns them.
            most: tokens of an answer.
        """
        rows = [self.embed(prefix, text) for prefix, text in zip(prefixes, texts, strict=True)]
        longest = max(map(len, rows))
        inputs = rows[0].new_zeros(len(rows), longest, self.dim)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for k, row in enumerate(rows):  # on the left: answers begin at the same place
            inputs[k, longest - len(row) :] = row
            mask[k, longest - len(row) :] = 1
        found = self.model.generate(inputs_embeds=inputs, attention_mask=mask, **self._options(most))
        return [text.strip() for text in self.tokenizer.batch_decode(found, skip_special_tokens=True)]

    def _options(self, most: int, temperature: float = 0.0) -> dict[str, Any]:
        pad = self.tokenizer.pad_token_id
        options: dict[str, Any] = {
            "max_new_tokens": most,
            "pad_token_id": self.tokenizer.eos_token_id if pad is None else pad,
            "do_sample": temperature > 0,
        }
        return options | ({"temperature": temperature} if temperature > 0 else {})

    def stream(
        self,
        prefix: Float[Tensor, "token dim"] | None,
        text: str,
        *,
        most: int = MOST_TOKENS,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[str]:
        """The answer, growing; closing the generator stops the model after its present token.

        Args:
            prefix: what stands before the text, or None.
            text: as `prompt` returns it.
            most: tokens of an answer.
            temperature: 0 for the likeliest answer.
            seed: of an answer that is drawn.
        """
        from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

        stopped = threading.Event()

        class Stopped(StoppingCriteria):
            def __call__(self, ids: Tensor, scores: Tensor | None, **_: Any) -> Tensor:
                return torch.full((len(ids),), stopped.is_set(), dtype=torch.bool, device=ids.device)

        words = TextIteratorStreamer(self.tokenizer, skip_prompt=False, skip_special_tokens=True)
        inputs = self.embed(prefix, text)[None]
        failure: list[BaseException] = []

        def work() -> None:
            try:
                drawn = _seeded(seed) if temperature > 0 else contextlib.nullcontext()
                with drawn, torch.no_grad():
                    self.model.generate(
                        inputs_embeds=inputs,
                        attention_mask=torch.ones(inputs.shape[:2], dtype=torch.long),
                        streamer=words,
                        stopping_criteria=StoppingCriteriaList([Stopped()]),
                        **self._options(most, temperature),
                    )
            except BaseException as error:  # told to whoever reads
                failure.append(error)
                words.end()

        thread = threading.Thread(target=work, name="language-model", daemon=True)
        thread.start()
        said = ""
        try:
            for piece in words:
                said += piece
                yield said.strip()
        finally:
            stopped.set()
            thread.join()
        if failure:
            raise failure[0]


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The global generator, from which transformers draws, seeded for a while and left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@functools.lru_cache(maxsize=2)
def load_language_model(name: str = "bundled") -> LanguageModel:
    """The language model of that name, frozen, on the CPU.

    Raises:
        ValueError: if the name is unknown, or its files cannot be had, are pickles, or bring code of their own.
    """
    if name == "bundled":
        folder = weights_folder("language")
        load_card(folder)
        return _from_folder(folder, name="bundled", short=True)
    if name.startswith("local-dir:"):
        folder = pathlib.Path(name.removeprefix("local-dir:")).expanduser()
        if not folder.is_dir():
            raise ValueError(f"The folder of the language model, {folder.name!r}, does not exist; check its path.")
        return _from_folder(folder, name=f"local-dir:{folder.name}")
    if name.startswith("hf-hub:"):
        return _from_folder(_hub_folder(name.removeprefix("hf-hub:")), name=name)
    raise ValueError(
        f"{name[:80]!r} is not the name of a language model; use bundled, local-dir:FOLDER or hf-hub:OWNER/NAME."
    )


def _from_folder(folder: pathlib.Path, *, name: str, short: bool = False) -> LanguageModel:
    import json

    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not any((folder / file).is_file() for file in WEIGHTS):
        raise ValueError(
            f"The language model {name} has no {WEIGHTS[0]}; weights in pickle formats (.bin, .pt) are not read: save "
            "it again as safetensors."
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"The language model {name} has no readable config.json; save it again.") from error
    if "auto_map" in config:
        raise ValueError(
            f"The language model {name} brings code of its own, which is not run; choose one that transformers knows."
        )
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        with contextlib.redirect_stdout(None):
            tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32, **options)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError) as error:
        raise ValueError(
            f"The language model {name} could not be loaded ({type(error).__name__}): its config, weights and "
            "tokenizer do not fit each other, or transformers does not know it."
        ) from error
    if model.get_input_embeddings() is None:
        raise ValueError(f"{name} is no causal language model over words; choose another.")
    return LanguageModel(model, tokenizer, name=name, short=short)


def _hub_folder(repository: str) -> pathlib.Path:
    """A folder with config, tokenizer and safetensors weights of a hub repository, downloaded or cached before."""
    import json

    from huggingface_hub.errors import EntryNotFoundError

    weights = hub_first(repository, list(WEIGHTS))
    needed = ["config.json"]
    if weights.name.endswith(".json"):
        needed += sorted(set(json.loads(weights.read_text(encoding="utf-8"))["weight_map"].values()))
    for file in needed:
        if not file.endswith((".json", ".safetensors")) or "/" in file:
            raise ValueError(f"{repository} lists weights that are no safetensors file; choose another model.")
        hub_file(repository, file)
    for file in (*TEXTS, *MORE_TEXTS):
        with contextlib.suppress(EntryNotFoundError):
            hub_file(repository, file)
    return weights.parent
