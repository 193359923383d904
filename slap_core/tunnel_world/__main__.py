"""Writes a clip of Tunnel World, its cut-away and the truth about it.

    python -m slap_core.tunnel_world --outcome stays --seed 7 --out clip.mp4

writes clip.mp4, clip.cut_away.mp4 and clip.json. With `--sheet` it draws a contact sheet of the whole world instead.
"""

import argparse
import json
from pathlib import Path

import torch

from slap_core.tunnel_world import names
from slap_core.tunnel_world.contact_sheet import SHEETS, contact_sheet
from slap_core.tunnel_world.filming import film, truth
from slap_core.tunnel_world.rendering import render
from slap_core.tunnel_world.sampling import sample
from slap_core.video import write_clip


def _sides(text: str) -> tuple[int, int]:
    """Width and height.

    Raises:
        ValueError: if the text is neither WIDTHxHEIGHT nor one number.
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise ValueError(f"--size is WIDTHxHEIGHT in pixels, such as 384x384, got {text!r}.")
    return int(sides[0]), int(sides[-1])


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m slap_core.tunnel_world", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the mp4 (or, of a sheet, jpg or png) file to write")
    parser.add_argument("--sheet", choices=SHEETS, help="a contact sheet as a picture file instead of a clip")
    parser.add_argument("--seed", type=int, default=0, help="0 to 2^32 - 1; below 2^31: a training scene")
    parser.add_argument("--outcome", choices=names.OUTCOMES)
    parser.add_argument("--kind", choices=names.KINDS, help="of the first object")
    parser.add_argument("--colour", choices=names.COLOURS, help="of the first object")
    parser.add_argument("--background", choices=names.BACKGROUNDS)
    parser.add_argument("--occluder", choices=names.OCCLUDERS)
    parser.add_argument("--extras", type=int, help="objects in front that have nothing to do with the outcome, 0 to 2")
    parser.add_argument("--objects-size", type=float, help="factor on the objects' size, 0.6 to 1.2")
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--fps", type=float, default=12.0)
    parser.add_argument("--size", default="384x384", help="WIDTHxHEIGHT in pixels, or one number for a square")
    parser.add_argument("--quality", type=int, default=20, help="x264's constant rate factor, 0 (best) to 51")
    parser.add_argument("--only-clip", action="store_true", help="leave out the cut-away and the JSON")
    flags = parser.parse_args(arguments)
    try:
        flags.out.parent.mkdir(parents=True, exist_ok=True)
        if flags.sheet:
            contact_sheet(flags.sheet, seed=flags.seed).save(flags.out, quality=90)
            print(flags.out)
            return
        width, height = _sides(flags.size)
        scenes = sample(
            torch.tensor([flags.seed]),
            outcome=flags.outcome,
            kind=flags.kind,
            colour=flags.colour,
            background=flags.background,
            occluder=flags.occluder,
            extras=flags.extras,
            size=flags.objects_size,
            frames=flags.frames,
        )
        layers = ("observed",) if flags.only_clip else ("observed", "cut_away")
        rendered = render(scenes, size=(height, width), layers=layers)
        write_clip(flags.out, film(rendered.observed[0], flags.fps), fps=flags.fps, quality=flags.quality)
        print(flags.out)
        if not flags.only_clip:
            cut_away, facts = flags.out.with_suffix(".cut_away.mp4"), flags.out.with_suffix(".json")
            write_clip(cut_away, film(rendered.cut_away[0], flags.fps), fps=flags.fps, quality=flags.quality)
            record = truth(scenes, rendered, fps=flags.fps, aspect=width / height)
            facts.write_text(json.dumps(record, indent=1), encoding="utf-8")
            print(cut_away, facts, sep="\n")
    except (ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
