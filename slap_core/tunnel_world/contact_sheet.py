"""Contact sheets: the whole world on one picture, to look at after every change of how it is drawn.

    python -m slap_core.tunnel_world --sheet outcomes --out outcomes.jpg
    python -m slap_core.tunnel_world --sheet places   --out places.jpg

The first has a row for every outcome, along time; the second a row for every background, a column for every occluder.
"""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from slap_core.tunnel_world import names
from slap_core.tunnel_world.rendering import render
from slap_core.tunnel_world.sampling import sample

__all__ = ["SHEETS", "contact_sheet"]

SHEETS: Final = ("outcomes", "places")
_MOMENTS: Final = 8
_GAP: Final = 4
_LABEL: Final = (76, 20)
"""Width of the labels on the left, height of those above."""
_PAPER, _INK = (250, 249, 246), (60, 60, 66)


def contact_sheet(what: str, *, seed: int, size: int = 144) -> Image.Image:
    """The sheet as an RGB picture.

    Args:
        what: one of `SHEETS`.
        seed: of the first row's (or cell's) scene, the others follow; of a validation or test scene for "places", which
            show what is held out from training.
        size: pixels of a side of each picture.

    Raises:
        ValueError: if there is no such sheet, or the seed or size is out of range.
    """
    names.index_of(what, SHEETS, "sheet")
    if what == "outcomes":
        rows = [_strip(seed + i, outcome, size) for i, outcome in enumerate(names.OUTCOMES)]
        return _paste(rows, names.OUTCOMES, [""] * _MOMENTS)
    rows = []
    for i, background in enumerate(names.BACKGROUNDS):
        cells = [
            _cell(seed + i * len(names.OCCLUDERS) + j, background, occluder, size)
            for j, occluder in enumerate(names.OCCLUDERS)
        ]
        rows.append(torch.stack(cells))
    return _paste(rows, names.BACKGROUNDS, names.OCCLUDERS)


def _strip(seed: int, outcome: str, size: int) -> UInt8[Tensor, "time height width 3"]:
    scenes = sample(torch.tensor([seed]), outcome=outcome)
    moments = torch.linspace(0, scenes.frames - 1, _MOMENTS).round().long()
    return render(scenes, moments[None], size=size).observed[0]


def _cell(seed: int, background: str, occluder: str, size: int) -> UInt8[Tensor, "height width 3"]:
    scenes = sample(torch.tensor([seed]), outcome="through", background=background, occluder=occluder)
    return render(scenes, torch.tensor([[scenes.frames // 8]]), size=size).observed[0, 0]


def _paste(rows: Sequence[UInt8[Tensor, "_ height width 3"]], left: Sequence[str], above: Sequence[str]) -> Image.Image:
    size = rows[0].shape[1]
    margin, top = _LABEL[0], _LABEL[1] if any(above) else _GAP
    sheet = Image.new("RGB", (margin + len(rows[0]) * (size + _GAP), top + len(rows) * (size + _GAP)), _PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for column, label in enumerate(above):
        pen.text((margin + column * (size + _GAP) + size // 2, top // 2), label, fill=_INK, font=font, anchor="mm")
    for line, (row, label) in enumerate(zip(rows, left, strict=True)):
        y = top + line * (size + _GAP)
        pen.text((margin - 8, y + size // 2), label.replace("_", " "), fill=_INK, font=font, anchor="rm")
        for column, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture.numpy()), (margin + column * (size + _GAP), y))
    return sheet
