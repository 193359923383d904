"""The main job without a page: python -m slap_core analyse VIDEO --query "a red car" --keep-every 4 --out DIR."""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from slap_core.stages import Settings

LISTS = {
    "concepts": "words to track beside the query, separated by commas, six at most",
    "kept": "exactly these frames are kept, counted from 0, for example 0, 5, 12-14",
}
"""The settings that are written with commas."""


def parser() -> argparse.ArgumentParser:
    """The command line; its flags are the fields of `Settings`."""
    top = argparse.ArgumentParser(prog="python -m slap_core", description="Semantic least action for video.")
    commands = top.add_subparsers(dest="command", required=True)
    analyse = commands.add_parser("analyse", help="recover the dropped frames of a video in latent space")
    analyse.add_argument("video", help="a video file")
    analyse.add_argument("--query", default="", help="what to look for, in words")
    analyse.add_argument("--out", type=pathlib.Path, required=True, help="folder for the report and the numbers")
    defaults = Settings()
    for field in dataclasses.fields(Settings):
        value = getattr(defaults, field.name)
        flag: dict[str, Any] = {"type": type(value)}
        if field.name in LISTS:
            flag = {"type": str, "help": LISTS[field.name]}
        elif isinstance(value, tuple):
            flag = {"type": float, "nargs": "+", "metavar": field.name.upper()}
        analyse.add_argument(f"--{field.name.replace('_', '-')}", default=value, **flag)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 with a sentence on standard error for input that cannot be used."""
    options = vars(parser().parse_args(arguments))
    from slap_core.analysis import Collector, analyse_steps  # after parsing: --help must not wait for torch
    from slap_core.report import write_report
    from slap_core.stages import Progress

    out, video, query = options.pop("out"), options.pop("video"), options.pop("query")
    options.pop("command")
    options["couplings"] = tuple(options["couplings"])
    try:
        collector = Collector(Settings(**options))
        for step in analyse_steps(video, query, **options):
            if isinstance(step, Progress):
                if step.note:
                    print(f"\r{step.note}", file=sys.stderr)
                print(f"\r{step.stage:<8}{step.fraction:4.0%}", end="", file=sys.stderr, flush=True)
            else:
                collector.add(step)
        print("\r", end="", file=sys.stderr)
        files = write_report(collector.analysis(), out)
    except (ValueError, OSError) as error:
        print(f"\nslap_core: {error}", file=sys.stderr)
        return 2
    for file in files:
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
