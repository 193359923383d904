"""Files of the Hugging Face hub, one by one, so that nothing but what is named is fetched: never a pickle."""

import contextlib
import pathlib
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["WEIGHTS", "hub_file", "hub_first", "network_folder"]

WEIGHTS = "model.safetensors"
"""Of our own networks."""


def network_folder(folder_or_hub_id: str | pathlib.Path, **options: Any) -> pathlib.Path:
    """A folder with the config and the safetensors weights of one of our own networks, and its card if it has one.

    Args:
        folder_or_hub_id: a folder, or "OWNER/NAME" on the hub.
        **options: of `huggingface_hub.hf_hub_download`.

    Raises:
        ValueError: if it is neither, or has no safetensors weights or no config.
    """
    folder = pathlib.Path(folder_or_hub_id).expanduser()
    if not folder.is_dir():
        name = str(folder_or_hub_id)
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise ValueError(f"{name[:80]!r} is neither a folder nor OWNER/NAME on the hub; check the path.")
        from huggingface_hub.errors import EntryNotFoundError

        folder = hub_first(name, [WEIGHTS], **options).parent
        hub_first(name, ["config.json"], **options)
        with contextlib.suppress(EntryNotFoundError):
            hub_file(name, "card.json", **options)
    for file in (WEIGHTS, "config.json"):
        if not (folder / file).is_file():
            raise ValueError(
                f"The folder {folder.name!r} has no {file}; weights in pickle formats are not read: save the network "
                "again with save_pretrained."
            )
    return folder


def hub_first(repository: str, files: Sequence[str], **options: Any) -> pathlib.Path:
    """The first of `files` that a repository of the hub has, downloaded or from the cache.

    Args:
        repository: "OWNER/NAME".
        files: names in order of preference; none of a pickle.
        **options: of `huggingface_hub.hf_hub_download`.

    Raises:
        ValueError: if it has none of them, or cannot be had.
    """
    from huggingface_hub.errors import EntryNotFoundError

    for file in dict.fromkeys(files):
        try:
            return hub_file(repository, file, **options)
        except EntryNotFoundError:
            continue
    raise ValueError(f"{repository} on the hub has no safetensors weights ({', '.join(files)}); choose another model.")


def hub_file(repository: str, file: str, **options: Any) -> pathlib.Path:
    """A file of a repository of the hub, downloaded or from the cache; arguments as for `hub_first`.

    Raises:
        ValueError: if the repository is not public, or there is neither a network nor a cached copy.
        EntryNotFoundError: if the repository is there and has no such file.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return pathlib.Path(hf_hub_download(repository, file, **options))
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise ValueError(f"{repository[:80]!r} is no public model on the Hugging Face hub; check its name.") from error
    except Exception as error:  # the client's HTTP library changes its errors between versions
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise  # the repository is there, this file is not
        raise ValueError(
            f"{repository} could not be fetched: there is no network and it was not downloaded before. The bundled "
            "encoder and its networks work without a network."
        ) from error
