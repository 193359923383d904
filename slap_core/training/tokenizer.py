"""A word-level tokenizer in the `tokenizers` format, for encoders with a small vocabulary.

Lower case, punctuation removed, one id a word. What is not in the vocabulary becomes <unk>, so that a person can be
told which of their words mean nothing to the encoder. <end> has the highest id, where open_clip's text tower looks.
"""

import json
import pathlib
from collections.abc import Iterable

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

__all__ = ["write_tokenizer"]


def write_tokenizer(folder: pathlib.Path, words: Iterable[str], *, context_length: int) -> int:
    """Write tokenizer.json and tokenizer_config.json into the folder; returns the size of the vocabulary.

    Args:
        folder: exists.
        words: lower-case words; order and repetition do not matter.
        context_length: tokens of a prompt, <start> and <end> included; longer prompts are cut.
    """
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<unk>", "<start>", *sorted(set(words)), "<end>"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(behavior="removed")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[(token, vocabulary[token]) for token in ("<start>", "<end>")]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "bos_token": "<start>",
        "eos_token": "<end>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return len(vocabulary)
