"""A tiny random open_clip model in open_clip's own folder layout, made in milliseconds."""

import json
import logging
import pathlib

import open_clip
import safetensors.torch
import torch

from slap_core.training.tokenizer import write_tokenizer

WORDS = ("a", "ball", "car", "left", "on", "red", "the")


def write_encoder(folder: pathlib.Path, *, resize_mode: str = "squash", seed: int = 0) -> pathlib.Path:
    """The folder, filled: 32 px, 4 x 4 tokens of 16 dimensions, latents of 12 dimensions, seven words."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = write_tokenizer(folder, WORDS, context_length=8)
    config = {
        "model_cfg": {
            "embed_dim": 12,
            "vision_cfg": {"image_size": 32, "patch_size": 8, "layers": 3, "width": 16, "head_width": 8},
            "text_cfg": {
                "context_length": 8,
                "vocab_size": vocabulary,
                "width": 16,
                "heads": 2,
                "layers": 1,
                "hf_tokenizer_name": "tokenizer.json",
            },
        },
        "preprocess_cfg": {
            "mean": [0.5] * 3,
            "std": [0.25] * 3,
            "interpolation": "bicubic",
            "resize_mode": resize_mode,
        },
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    logging.disable(logging.WARNING)  # open_clip warns that the weights are random: here they are meant to be
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
    logging.disable(logging.NOTSET)
    safetensors.torch.save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder
