"""Encoders of the usual sizes with random weights, in a folder of open_clip's layout: for times, which are the same."""

import json
import pathlib

import open_clip
import safetensors.torch
import torch

from slap_core.encoders import CONFIG, WEIGHTS, quietly

__all__ = ["check_architecture", "write_untrained"]

CLIP = {
    "mean": open_clip.OPENAI_DATASET_MEAN,
    "std": open_clip.OPENAI_DATASET_STD,
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
"""How open_clip prepares pictures by default."""


def check_architecture(name: str) -> None:
    """Do nothing for an architecture that can be made without downloading anything.

    Raises:
        ValueError: for any other name.
    """
    config = open_clip.get_model_config(name)
    if config is None:
        raise ValueError(
            f"{name[:80]!r} is not an encoder to measure; give bundled, or an architecture of open_clip: ViT-B-32."
        )
    text = config["text_cfg"]
    if text.get("hf_model_name") or text.get("hf_tokenizer_name"):
        raise ValueError(f"{name} needs a tokenizer from the hub; give an architecture with open_clip's own: ViT-B-32.")


def write_untrained(folder: pathlib.Path, architecture: str, *, seed: int = 0) -> pathlib.Path:
    """The folder, filled; `pretrained.load_encoder` and open_clip itself read it.

    Args:
        folder: made if it is not there.
        architecture: one that `check_architecture` lets pass.
        seed: of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(), quietly():
        torch.manual_seed(seed)
        model = open_clip.create_model(architecture)
    config = {"model_cfg": open_clip.get_model_config(architecture), "preprocess_cfg": CLIP}
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    safetensors.torch.save_model(model, str(folder / WEIGHTS[0]))
    return folder
