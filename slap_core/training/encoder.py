"""The bundled encoder: an open_clip model trained from scratch on Tunnel World.

    python -m slap_core.training.encoder --out runs/encoder

Every step draws new scenes, renders one moment of each (observed, or cut away so that hidden objects show), draws one
claim about each picture and writes it in words. Two losses align pictures and words (see
`alignment`):

- *contrastive*: each picture with its own claim against all others of the batch, and against the *lexicon*, every
  simple claim that training scenes can fulfil ("a red car on the left"), written anew at every step;
- *rivals*: within the lexicon, each picture's true claims against the false ones of the same form, so that kind, colour
  and place are each told apart, and not only what batches happen to mix.

Claims that happen to be true of a picture are no negatives of it, and those that are false of every training picture
like it, because of the colour-kind pairs that are held out, count as little (see `claims`): "a car" is never true of
what is blue, and would be learned to be false of it for its colour alone. Some pictures are shown in grey, with claims
that name no colour, so that shape is learned apart from colour.

The result is an ordinary open_clip folder: config, fp16 safetensors, tokenizer, card.

The image tower is CLIP's ResNet, small: a step of it costs a third of a small transformer's at this size, and two cores
draw few pictures. Its stage of stride 8 gives 12 x 12 patch tokens.
"""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Sequence

import open_clip
import safetensors.torch
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedTokenizerFast

from slap_core.encoders import preprocess
from slap_core.pretrained import write_card
from slap_core.training import command_line, loop
from slap_core.training.alignment import contrastive_loss, encode_text, rivals_loss
from slap_core.training.claims import OPEN, Facts, draw_claims, lexicon
from slap_core.training.pictures import draw_pictures
from slap_core.training.sentences import known_words, sentences
from slap_core.training.tokenizer import write_tokenizer
from slap_core.tunnel_world import seeds

__all__ = ["EncoderSettings", "main", "train"]

NOTES = (
    "The bundled encoder has seen drawn tunnel scenes only. On real video its latents still tell frames apart, but its "
    "idea of words is that of the drawn world.",
)


@dataclasses.dataclass(frozen=True)
class EncoderSettings(loop.LoopSettings):
    """Settings of the bundled encoder and its training."""

    out: pathlib.Path = pathlib.Path("runs/encoder")
    """Folder for the open_clip model, its card and the checkpoint."""
    steps: int = 2500
    """Steps of the optimiser."""
    batch: int = 160
    """Pictures per step, each with its caption."""
    learning_rate: float = 1.5e-3
    """The highest learning rate."""
    warmup: int = 100
    """Steps over which the learning rate rises."""
    weight_decay: float = 0.05
    """Of AdamW."""
    bf16: bool = True
    """Compute in bfloat16 where PyTorch's autocast deems it safe."""
    image_size: int = 96
    """Pixels of a side."""
    embed_dim: int = 256
    """Dimensions of the latent space."""
    vision_width: int = 24
    """Channels of the image tower's first stage; each of the three that follow doubles them."""
    vision_blocks: int = 2
    """Residual blocks in each of the four stages."""
    text_width: int = 128
    """Width of the text tower."""
    text_layers: int = 3
    """Layers of the text tower."""
    context_length: int = 32
    """Tokens of a prompt."""
    rivals: float = 2.0
    """Weight of the loss within the lexicon."""
    unheard_of: float = 0.1
    """How much a claim counts as a negative that no training scene could fulfil: above 0, at most 1."""
    grey: float = 0.25
    """The share of pictures that are shown in grey."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.unheard_of <= 1:
            raise ValueError(f"unheard_of must lie in (0, 1], got {self.unheard_of}.")
        if not 0 <= self.grey < 1:
            raise ValueError(f"grey must lie in [0, 1), got {self.grey}.")


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Pictures, captions (one for each picture, then the lexicon's), and what these say of them."""

    images: UInt8[Tensor, "image height width 3"]
    tokens: Int[Tensor, "caption token"]
    truth: Bool[Tensor, "image caption"]
    """Which captions are true of which pictures."""
    weight: Float[Tensor, "image caption"]
    """How much a caption counts as a negative of a picture, 0 to 1."""


def configuration(settings: EncoderSettings, vocabulary_size: int) -> dict[str, dict[str, object]]:
    """The content of open_clip_config.json."""
    return {
        "model_cfg": {
            "embed_dim": settings.embed_dim,
            "vision_cfg": {
                "image_size": settings.image_size,
                "patch_size": None,
                "width": settings.vision_width,
                "layers": [settings.vision_blocks] * 4,
                "head_width": 64,
            },
            "text_cfg": {
                "context_length": settings.context_length,
                "vocab_size": vocabulary_size,
                "width": settings.text_width,
                "heads": settings.text_width // 32,
                "layers": settings.text_layers,
                "hf_tokenizer_name": "tokenizer.json",
            },
        },
        "preprocess_cfg": {
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
            "interpolation": "bicubic",
            # Not the middle crop: a place in the picture must stay one, however wide the clip.
            "resize_mode": "squash",
        },
    }


def batches(
    settings: EncoderSettings, tokenizer: PreTrainedTokenizerFast, device: torch.device, first: int
) -> Iterator[Batch]:
    """New pictures and captions for every step from `first` on; a function of seed and step."""
    shape = {"padding": "longest", "truncation": True, "max_length": settings.context_length, "return_tensors": "pt"}
    simple = lexicon().claims
    simple = dataclasses.replace(simple, **{name: value.to(device) for name, value in vars(simple).items()})
    for step in range(first, settings.steps):
        start = (settings.seed * settings.steps + step) * settings.batch
        images, facts = draw_pictures(
            seeds("train", settings.batch, start=start, device=device), size=settings.image_size
        )
        generator = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + step)
        images, facts = _without_colour(images, facts, share=settings.grey, generator=generator)
        said = [draw_claims(facts, generator=generator), simple]
        texts = [text for i, claims in enumerate(said) for text in sentences(claims, seed=start + i)]
        truth, unheard_of, open_ = (
            torch.cat([getattr(claims, name)(facts) for claims in said], dim=1)
            for name in ("true_of", "unheard_of", "undecided")
        )
        weight = torch.where(unheard_of, settings.unheard_of, 1.0).masked_fill(truth | open_, 0)
        yield Batch(images, tokenizer(texts, **shape).input_ids.to(device), truth, weight)


def _without_colour(
    images: UInt8[Tensor, "image height width 3"], facts: Facts, *, share: float, generator: torch.Generator
) -> tuple[UInt8[Tensor, "image height width 3"], Facts]:
    """The pictures, a random share of them in grey, and the facts that these still show."""
    grey = torch.rand(len(images), generator=generator, device=images.device) < share
    luma = (images.float() @ images.new_tensor([0.299, 0.587, 0.114], dtype=torch.float32)).round().to(torch.uint8)
    images = torch.where(grey[:, None, None, None], luma[..., None], images)
    return images, dataclasses.replace(facts, colour=facts.colour.masked_fill(grey[:, None], OPEN))


def train(settings: EncoderSettings) -> list[loop.Row]:
    """Train the encoder and write its open_clip folder; returns the log."""
    device = loop.resolve_device(settings.device)
    settings.out.mkdir(parents=True, exist_ok=True)
    size = write_tokenizer(settings.out, known_words(), context_length=settings.context_length)
    config = configuration(settings, size)
    (settings.out / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    model = loop.initialise(lambda: open_clip.CLIP(**_towers(config["model_cfg"])), seed=settings.seed)
    model = model.to(device, memory_format=torch.channels_last)
    # Not open_clip's wrapper: it cleans each text of web debris, which ours have none of, for most of a step's time.
    tokenizer = PreTrainedTokenizerFast.from_pretrained(settings.out)
    preprocessing = {**config["preprocess_cfg"], "size": settings.image_size}
    rivals = lexicon().rivals.to(device)

    def objective(batch: Batch, _: torch.Generator) -> dict[str, Tensor]:
        # On the CPU the fused attention's backward pass in bfloat16 takes ten times as long as the plain one's.
        with sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else contextlib.nullcontext():
            return losses(batch)

    def losses(batch: Batch) -> dict[str, Tensor]:
        images = model.encode_image(preprocess(batch.images, preprocessing), normalize=True)
        texts = encode_text(model, batch.tokens)
        scale = model.logit_scale.exp().clamp(max=100)
        contrast = contrastive_loss(images, texts, scale, batch.weight)
        own = len(images)
        among = rivals_loss(images, texts[own:], scale, batch.truth[:, own:], batch.weight[:, own:], rivals)
        hit = (images.float() @ texts[:own].float().T).argmax(1)
        right = batch.truth.gather(1, hit[:, None]).float().mean()
        loss = contrast + settings.rivals * among
        return {"loss": loss, "contrast": contrast, "rivals": among, "retrieved": right, "scale": scale}

    log = loop.fit(
        model, objective, lambda first: loop.prefetched(batches(settings, tokenizer, device, first)), settings
    )
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in model.state_dict().items()
    }
    safetensors.torch.save_file(state, settings.out / "open_clip_model.safetensors")
    return log


def _towers(config: dict[str, object]) -> dict[str, object]:
    """A model_cfg as arguments of open_clip's CLIP."""
    return {
        "embed_dim": config["embed_dim"],
        "vision_cfg": open_clip.CLIPVisionCfg(**config["vision_cfg"]),
        "text_cfg": open_clip.CLIPTextCfg(**config["text_cfg"]),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    settings = command_line.parse(EncoderSettings, "Train the bundled encoder on Tunnel World.", arguments)
    log = train(settings)
    write_card(
        settings.out,
        {
            "title": "The bundled encoder",
            "what": "An open_clip model (small ResNet image tower, word-level text tower) trained from scratch on "
            "drawn scenes.",
            "notes": NOTES,
            "trained_on": f"Tunnel World training scenes, {settings.steps * settings.batch:,} pictures with one "
            f"caption each, in {loop.minutes(log):.0f} minutes on {_device_name(settings)}",
            "command": command_line.command("slap_core.training.encoder", arguments),
            "seed": settings.seed,
            "scores": {f"train {name}": round(log[-1][name], 4) for name in ("loss", "retrieved")},
            "licence": "Apache-2.0",
        },
    )


def _device_name(settings: EncoderSettings) -> str:
    device = loop.resolve_device(settings.device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU {'thread' if threads == 1 else 'threads'} (and one that draws)"


if __name__ == "__main__":
    main()
