"""Frozen open_clip encoders: frames and words to unit latents, frames to patch tokens.

An open_clip model is loaded from a folder in open_clip's own layout (`open_clip_config.json`,
`open_clip_model.safetensors`, a tokenizer where the text tower needs one) or from an architecture's name and a
safetensors file. open_clip itself initialises a model at random when weights are missing and reads pickles when it
finds them; here both are errors.
"""

import contextlib
import copy
import functools
import hashlib
import logging
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import open_clip
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from torch import Tensor

from slap_core import sphere
from slap_core.machine import FULL, gpu_lost, out_of_memory
from slap_core.memory import Memory
from slap_core.types import Clip, Latents, Tokens

__all__ = ["OpenClipEncoder", "from_architecture", "from_folder", "preprocess", "quietly"]

WEIGHTS = ("open_clip_model.safetensors", "model.safetensors")
CONFIG = "open_clip_config.json"
LARGE = 30_000_000
"""Weights of an image tower from which half of their bits are left out on a CPU that multiplies bfloat16 itself: twice
as fast, at a cosine to float32 of more than 0.9999."""
FINEST_NEEDED = 8
"""Tokens a side that masks need."""


class OpenClipEncoder:
    """An open_clip model as an `Encoder`.

    Args:
        model: in evaluation mode, with open_clip's `preprocess_cfg` on its visual tower.
        tokenizer: open_clip's tokenizer of the text tower.
        name: what the page calls it.
        notes: sentences a person should read beside results (what it was trained on, what it does not know).
        batch: frames encoded at once.
    """

    def __init__(
        self, model: torch.nn.Module, tokenizer: Any, *, name: str, notes: Sequence[str] = (), batch: int = 16
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self.notes = tuple(notes)
        self.batch = batch
        self._memory: Memory | None = None

    def remembering(self, memory: Memory) -> "OpenClipEncoder":
        """The same encoder, which looks at a picture once while the memory lasts; it is known there by its name."""
        other = copy.copy(self)
        other._memory = memory
        return other

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device

    @functools.cached_property
    def dim(self) -> int:
        """The number of dimensions of the latent space."""
        return int(self.text(["a"]).shape[-1])

    def __call__(self, clip: Clip) -> Latents:
        """Unit latents of the clip's frames, in float32 on the CPU."""
        return self.encode(clip)[0]

    def encode(self, clip: Clip) -> tuple[Latents, Tokens]:
        """Unit latents and patch tokens of the clip's frames, in float32 on the CPU, from one pass.

        Raises:
            ValueError: if the clip has no frames.
        """
        return collect(list(self.encode_batches(clip)), clip, self.box(clip))

    def encode_batches(self, clip: Clip) -> Iterator[tuple[Tensor, Tensor]]:
        """Latents and tokens, batch by batch: what `encode` collects; stop iterating to cancel.

        Where a batch does not fit into the memory, it and those after it are halved.

        Raises:
            ValueError: if the clip has no frames, or not even one fits into the memory.
        """
        if not len(clip):
            raise ValueError("An encoder needs a clip of at least one frame, got none.")
        rest, batch = clip.frames, self.batch
        while len(rest):
            try:
                latents, tokens = self.images(rest[:batch].to(self.device))
                found = latents.float().cpu(), tokens.float().cpu()
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if batch == 1:
                    raise ValueError(FULL) from error
                found = None
            if found is None:  # out here the error, and with it the tensors that did not fit, is gone
                batch = (batch + 1) // 2
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()
                continue
            rest = rest[batch:]
            yield found

    def images(
        self, images: UInt8[Tensor, "time height width 3"]
    ) -> tuple[Float[Tensor, "time dim"], Float[Tensor, "time rows columns token"]]:
        """Unit latents and patch tokens of images that lie on the encoder's device.

        The tokens are those of the penultimate layer; where that is coarser than 8 x 8 (a small ResNet), those of the
        layer before it.
        """
        if self._memory is None:
            return self._looked_at(images)
        keys = [self._key(picture) for picture in images.cpu()]
        known = [self._memory.get(key) for key in keys]
        new = [i for i, pair in enumerate(known) if pair is None]
        if new:
            for i, *pair in zip(new, *self._looked_at(images[new]), strict=True):
                known[i] = tuple(part.cpu().clone() for part in pair)
                self._memory.put(keys[i], known[i])
        latents, tokens = (torch.stack(part).to(self.device) for part in zip(*known, strict=True))
        return latents, tokens

    def _key(self, picture: UInt8[Tensor, "height width 3"]) -> tuple[str, str, torch.Size, bytes]:
        return "picture", self.name, picture.shape, hashlib.sha256(picture.contiguous().numpy()).digest()

    @torch.no_grad()
    def _looked_at(
        self, images: UInt8[Tensor, "time height width 3"]
    ) -> tuple[Float[Tensor, "time dim"], Float[Tensor, "time rows columns token"]]:
        inputs = preprocess(images, self.model.visual.preprocess_cfg)
        inputs = inputs.to(next(self.model.visual.parameters()).dtype)
        # The last layer is asked for too: open_clip's ResNet would otherwise stop before it and pool the wrong one.
        output = self.model.forward_intermediates(image=inputs, image_indices=[-3, -2, -1])
        *earlier, penultimate, _ = output["image_intermediates"]
        fine = [layer for layer in (penultimate, *earlier) if min(layer.shape[-2:]) >= FINEST_NEEDED]
        tokens = (fine[0] if fine else penultimate).permute(0, 2, 3, 1)
        return sphere.normalize(output["image_features"].float()), tokens.float()

    @torch.no_grad()
    def text(self, prompts: Sequence[str]) -> Float[Tensor, "query dim"]:
        """Unit latents of the prompts, in float32 on the CPU."""
        tokens = self.tokenizer(list(prompts)).to(self.device)
        return sphere.normalize(self.model.encode_text(tokens).float()).cpu()

    def unknown_words(self, text: str) -> list[str]:
        """The words of `text` that the encoder was never taught, each once, in order of appearance.

        Subword tokenizers can spell every word, so that for them the list is empty.
        """
        unknown = getattr(getattr(self.tokenizer, "tokenizer", None), "unk_token_id", None)
        if unknown is None:
            return []
        words = dict.fromkeys(re.findall(r"\w+", text.lower()))
        return [word for word in words if bool((self.tokenizer([word]) == unknown).any())]

    def box(self, clip: Clip) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of what the encoder looks at, as fractions of the clip's frames."""
        height, width = clip.frames.shape[1:3]
        if self.model.visual.preprocess_cfg.get("resize_mode") != "shortest":
            return 0.0, 0.0, 1.0, 1.0
        x, y = (1 - min(1, height / width)) / 2, (1 - min(1, width / height)) / 2
        return x, y, 1 - x, 1 - y


def collect(batches: Sequence[tuple[Tensor, Tensor]], clip: Clip, box: tuple[float, ...]) -> tuple[Latents, Tokens]:
    """The batches of `encode_batches`, joined and given the clip's times."""
    latents, tokens = (torch.cat(part) for part in zip(*batches, strict=True))
    return Latents(latents, clip.times), Tokens(tokens, clip.times, tuple(box))


def preprocess(
    images: UInt8[Tensor, "time height width 3"], config: dict[str, Any]
) -> Float[Tensor, "time 3 height2 width2"]:
    """open_clip's preprocessing of a whole batch, on the batch's device.

    Antialiased bicubic (or bilinear) resampling to the model's input size, then mean and standard deviation. "shortest"
    crops the middle, "squash" changes the aspect ratio, "longest" pads.
    """
    size = config["size"]
    height, width = (size, size) if isinstance(size, int) else size
    x = images.permute(0, 3, 1, 2).float() / 255
    source = torch.tensor(x.shape[-2:])
    mode = config.get("resize_mode", "shortest")
    ratio = torch.tensor([height, width]) / source
    scale = {"shortest": ratio.max().expand(2), "longest": ratio.min().expand(2), "squash": ratio}[mode]
    inner = [max(1, round(float(n))) for n in source * scale]
    if mode == "squash":
        inner = [height, width]
    if inner != list(x.shape[-2:]):
        x = F.interpolate(x, inner, mode=config.get("interpolation", "bicubic"), antialias=True, align_corners=False)
        x = x.clamp(0, 1)
    # Negative padding crops: one line both for "shortest" and "longest".
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    x = F.pad(x, (left, width - inner[1] - left, top, height - inner[0] - top))
    mean, std = (torch.tensor(config[key], device=x.device)[:, None, None] for key in ("mean", "std"))
    return (x - mean) / std


def from_folder(folder: pathlib.Path, *, name: str, notes: Sequence[str] = (), device: str = "cpu") -> OpenClipEncoder:
    """The encoder in a folder of open_clip's own layout.

    Raises:
        ValueError: if the folder, its config or its safetensors weights are missing or do not fit each other.
    """
    if not folder.is_dir():
        raise ValueError(f"The encoder folder {folder.name!r} does not exist; give a folder that holds {CONFIG}.")
    if not (folder / CONFIG).is_file():
        raise ValueError(f"The encoder folder {folder.name!r} has no {CONFIG}; save the model in open_clip's layout.")
    weights = next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    if weights is None:
        raise ValueError(
            f"The encoder folder {folder.name!r} has no {WEIGHTS[0]}; weights in pickle formats (.bin, .pt) are not "
            "read: convert them to safetensors."
        )
    try:
        # Build first, then load strictly from the file found above: open_clip's own search would also take a pickle.
        with quietly():
            model = open_clip.create_model(
                f"local-dir:{folder}", load_weights=False, device=device, pretrained_text=False
            )
            tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
        open_clip.load_checkpoint(model, str(weights), strict=True)
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError, OSError) as error:
        if gpu_lost(error) or out_of_memory(error):  # not the folder's fault
            raise
        logging.getLogger(__name__).info("encoder folder %s: %s", folder, error)
        raise ValueError(
            f"The encoder folder {folder.name!r} could not be loaded ({type(error).__name__}): its config, weights and "
            "tokenizer do not fit each other. Export it again with open_clip."
        ) from error
    return OpenClipEncoder(_light(model, device), tokenizer, name=name, notes=notes)


def _light(model: torch.nn.Module, device: str) -> torch.nn.Module:
    """The model, a large image tower in bfloat16 where the CPU has instructions for it."""
    size = sum(weight.numel() for weight in model.visual.parameters())
    if torch.device(device).type == "cpu" and size >= LARGE and _multiplies_bfloat16():
        model.visual.to(torch.bfloat16)
    return model


def _multiplies_bfloat16() -> bool:
    has = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch before 2.8 cannot tell
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without open_clip's warning that a model built without weights is random: it is known, or they come next."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def from_architecture(
    architecture: str, weights: pathlib.Path, tag_config: dict[str, Any], *, name: str, device: str = "cpu"
) -> OpenClipEncoder:
    """A built-in open_clip architecture with weights from a safetensors file.

    Args:
        architecture: one of `open_clip.list_models()`.
        weights: a `.safetensors` file.
        tag_config: the pretrained tag's own settings (mean, std, interpolation, resize_mode, quick_gelu).
        name: what the page calls it.
        device: where it computes.

    Raises:
        ValueError: if the file is no safetensors file or does not fit the architecture.
    """
    if weights.suffix != ".safetensors":
        raise ValueError(f"Weights must be a .safetensors file, got {weights.name}; pickles are not read.")
    keys = ("mean", "std", "interpolation", "resize_mode")
    try:
        model = open_clip.create_model(
            architecture,
            pretrained=str(weights),
            device=device,
            force_quick_gelu=bool(tag_config.get("quick_gelu", False)),
            force_preprocess_cfg={key: tag_config[key] for key in keys if key in tag_config},
            require_pretrained=True,
        )
    except (SafetensorError, RuntimeError) as error:
        if gpu_lost(error) or out_of_memory(error):
            raise
        raise ValueError(f"The weights {weights.name} do not fit the architecture {architecture}.") from error
    return OpenClipEncoder(_light(model, device), open_clip.get_tokenizer(architecture), name=name)
