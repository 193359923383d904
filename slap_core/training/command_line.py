"""A trainer's command line, made from its dataclass of settings: one flag a field, the field's docstring its help."""

import argparse
import ast
import dataclasses
import inspect
import itertools
import pathlib
import shlex
import sys
import textwrap
import types
import typing
from collections.abc import Sequence
from typing import Any

from slap_core.cards import load_card

__all__ = ["command", "parse"]

Settings = typing.TypeVar("Settings")


def parse(kind: type[Settings], description: str, arguments: Sequence[str] | None = None) -> Settings:
    """The settings that a command line gives: one flag for each field, its help the field's docstring.

    Args:
        kind: a dataclass whose fields are int, float, str, bool, Path, Literal, a tuple of one of these, or None.
        description: the first line of the help.
        arguments: of the command line; None for the real ones.

    Raises:
        ValueError: from the settings themselves, for values out of range.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    hints, helps = typing.get_type_hints(kind), _field_docstrings(kind)
    for field in dataclasses.fields(kind):
        flag = f"--{field.name.replace('_', '-')}"
        options: dict[str, Any] = {"help": helps.get(field.name, " ").replace("%", "%%")}
        if field.default is dataclasses.MISSING:
            options["required"] = True
        else:
            options["default"] = field.default
        hint = hints[field.name]
        if isinstance(hint, types.UnionType):
            hint = next(part for part in typing.get_args(hint) if part is not type(None))
        if hint is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
        elif typing.get_origin(hint) is typing.Literal:
            parser.add_argument(flag, choices=typing.get_args(hint), **options)
        elif typing.get_origin(hint) is tuple:
            parser.add_argument(flag, type=typing.get_args(hint)[0], nargs="+", **options)
        else:
            parser.add_argument(flag, type=hint, **options)
    values = vars(parser.parse_args(arguments))
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def command(module: str, arguments: Sequence[str] | None, *, start: pathlib.Path | None = None) -> str:
    """The command line that a card records: all but where the output went, behind those that it goes on from.

    Args:
        module: such as "slap_core.training.slots".
        arguments: of the command line; None for the real ones.
        start: folder of what it goes on from, with a card.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--out" in words:
        place = words.index("--out")
        del words[place : place + 2]
    line = shlex.join(["python", "-m", module, *words])
    return line if start is None else f"{load_card(start)['command']} && {line}"


def _field_docstrings(kind: type) -> dict[str, str]:
    """The string below each field, which Python itself does not keep."""
    found: dict[str, str] = {}
    for cls in reversed(kind.__mro__[:-1]):
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[field.target.id] = str(text.value.value)
    return found
