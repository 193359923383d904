"""The page's jobs without a page.

python -m slap_core analyse VIDEO --query "a red car" --keep-every 4 --out DIR
python -m slap_core ask VIDEO --question "where is the red car halfway?" --keep-every 4
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from slap_core.stages import Progress, Settings

LISTS = {
    "concepts": "words to track beside the query, separated by commas, six at most",
    "kept": "exactly these frames are kept, counted from 0, for example 0, 5, 12-14",
}
"""The settings that are written with commas."""
ASKED = ("keep_every", "max_frames", "encoder", "seed", "concepts", "sampling", "kept")
"""The settings that matter to an answer."""


def parser() -> argparse.ArgumentParser:
    """The command line; its flags are the fields of `Settings`."""
    top = argparse.ArgumentParser(prog="python -m slap_core", description="Semantic least action for video.")
    commands = top.add_subparsers(dest="command", required=True)
    analyse = commands.add_parser("analyse", help="recover the dropped frames of a video in latent space")
    analyse.add_argument("video", help="a video file")
    analyse.add_argument("--query", default="", help="what to look for, in words")
    analyse.add_argument("--out", type=pathlib.Path, required=True, help="folder for the report and the numbers")
    _add_settings(analyse, [field.name for field in dataclasses.fields(Settings)])
    ask = commands.add_parser("ask", help="ask a question about a video of which most frames are dropped")
    ask.add_argument("video", help="a video file")
    ask.add_argument("--question", required=True, help="in words")
    ask.add_argument("--query", default="", help="what is looked for where the question names nothing")
    ask.add_argument("--language", default="bundled", help="who answers: bundled, hf-hub:..., local-dir:...")
    ask.add_argument("--json", action="store_true", help="print everything that is known of the answer as JSON")
    _add_settings(ask, ASKED)
    return top


def _add_settings(command: argparse.ArgumentParser, names: Sequence[str]) -> None:
    defaults = Settings()
    for name in names:
        value = getattr(defaults, name)
        flag: dict[str, Any] = {"type": type(value)}
        if name in LISTS:
            flag = {"type": str, "help": LISTS[name]}
        elif isinstance(value, tuple):
            flag = {"type": float, "nargs": "+", "metavar": name.upper()}
        command.add_argument(f"--{name.replace('_', '-')}", default=value, **flag)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 with a sentence on standard error for input that cannot be used."""
    options = vars(parser().parse_args(arguments))
    command = {"analyse": _analyse, "ask": _ask}[options.pop("command")]
    try:
        lines = command(options.pop("video"), options.pop("query"), **options)
    except (ValueError, OSError) as error:
        print(f"\nslap_core: {error}", file=sys.stderr)
        return 2
    for line in lines:
        print(line)
    return 0


def _analyse(video: str, query: str, *, out: pathlib.Path, couplings: Sequence[float], **options: Any) -> list[str]:
    """The files that were written."""
    from slap_core.analysis import Collector, analyse_steps  # after parsing: --help must not wait for torch
    from slap_core.report import write_report

    options["couplings"] = tuple(couplings)
    collector = Collector(Settings(**options))
    for stage in _shown(analyse_steps(video, query, **options)):
        collector.add(stage)
    return [str(file) for file in write_report(collector.analysis(), out)]


def _ask(video: str, query: str, *, question: str, language: str, json: bool, **options: Any) -> list[str]:
    """The answer, in lines or as JSON."""
    from slap_core.analysis import ask_steps
    from slap_core.telling import as_json, told

    *_, answer = _shown(ask_steps(video, question, query, language=language, **options))
    return [as_json(answer) if json else told(answer)]


def _shown(steps: Iterator[Any]) -> Iterator[Any]:
    """The steps without `Progress`, which goes to standard error."""
    for step in steps:
        if isinstance(step, Progress):
            if step.note:
                print(f"\r{step.note}", file=sys.stderr)
            print(f"\r{step.stage:<8}{step.fraction:4.0%}", end="", file=sys.stderr, flush=True)
        else:
            yield step
    print("\r", end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
