"""Drawn interviews in a folder, a .safetensors file for each hundred scenes; several processes draw what is missing."""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import pathlib
from collections.abc import Callable, Mapping, Sequence

import safetensors
import safetensors.torch
import torch
from jaxtyping import Int64
from torch import Tensor

from slap_core.evidence import Evidence, together
from slap_core.training.interviews import Asked, Interviews

__all__ = ["gathered", "joined", "load", "save"]

PART = 100
"""Scenes of a file."""


def save(interviews: Interviews, path: pathlib.Path, made_from: Mapping[str, str]) -> None:
    """Write them into one .safetensors file, with what they were made from."""
    tensors = {}
    for part in ("slots", "paths"):
        for kind, table in zip(("vectors", "places", "held"), getattr(interviews, part).tables(), strict=True):
            tensors |= {f"{part}.{kind}.{name}": value.contiguous() for name, value in table.items()}
    told = {"asked": [dataclasses.asdict(one) for one in interviews.asked], "clauses": interviews.clauses}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    safetensors.torch.save_file(tensors, partial, {**made_from, "told": json.dumps(told)})
    partial.replace(path)


def gathered(
    folder: pathlib.Path,
    made_from: Mapping[str, str],
    scene_seeds: Int64[Tensor, "scene"],
    draw: Callable[[Int64[Tensor, "scene"]], Interviews],
    *,
    workers: int,
) -> Interviews:
    """The interviews of these scenes: those that the folder has, and those that are drawn and put there.

    Args:
        folder: of the files.
        made_from: what they are drawn with, as words.
        scene_seeds: of the scenes; a part of them does not depend on how many follow.
        draw: draws some of them; a function that another process can be sent.
        workers: processes that draw.

    Raises:
        ValueError: if a file was made from something else.
    """
    parts = {folder / f"scenes_{int(some[0])}_{int(some[-1])}.safetensors": some for some in scene_seeds.split(PART)}
    known = {path: load(path, made_from) for path in parts}
    missing = [(path, made_from, some, draw) for path, some in parts.items() if known[path] is None]
    if missing and workers > 1:
        alone = multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)
        with concurrent.futures.ProcessPoolExecutor(workers, *alone) as pool:
            for done in concurrent.futures.as_completed([pool.submit(_draw_part, *one) for one in missing]):
                done.result()
    else:
        for one in missing:
            _draw_part(*one)
    found = [load(path, made_from) if part is None else part for path, part in known.items()]
    return joined([part for part in found if part is not None])


def _draw_part(
    path: pathlib.Path,
    made_from: Mapping[str, str],
    some: Int64[Tensor, "scene"],
    draw: Callable[[Int64[Tensor, "scene"]], Interviews],
) -> None:
    save(draw(some), path, made_from)


def load(path: pathlib.Path, made_from: Mapping[str, str]) -> Interviews | None:
    """What `save` wrote; None where there is no such file.

    Raises:
        ValueError: if it was made from something else.
    """
    if not path.is_file():
        return None
    with safetensors.safe_open(path, "pt") as file:
        drawn_with = dict(file.metadata())
        told = json.loads(drawn_with.pop("told", "{}"))
        if drawn_with != dict(made_from):
            raise ValueError(f"{path} was drawn with other settings ({drawn_with}); name another place, or delete it.")
        tables: dict[str, dict[str, dict[str, Tensor]]] = {"slots": {}, "paths": {}}
        for key in file.keys():  # noqa: SIM118  not a dictionary
            part, kind, name = key.split(".")
            tables[part].setdefault(kind, {})[name] = file.get_tensor(key)
    parts = {part: Evidence(kinds["vectors"], kinds["places"], kinds["held"]) for part, kinds in tables.items()}
    clauses = {name: tuple(map(tuple, said)) for name, said in told["clauses"].items()}
    return Interviews(parts["slots"], parts["paths"], tuple(Asked(**one) for one in told["asked"]), clauses)


def joined(parts: Sequence[Interviews]) -> Interviews:
    """One out of several."""
    asked: list[Asked] = []
    clips = paths = 0
    for part in parts:
        for one in part.asked:
            moved = {name: index + paths for name, index in one.paths.items()}
            asked.append(dataclasses.replace(one, clip=one.clip + clips, paths=moved))
        clips, paths = clips + len(part.slots), paths + len(part.paths)
    clauses = {name: sum((part.clauses[name] for part in parts), ()) for name in parts[0].clauses}
    return Interviews(together([p.slots for p in parts]), together([p.paths for p in parts]), tuple(asked), clauses)
