"""Files that are there whole or not at all: whoever is killed while writing leaves the older one."""

import pathlib

__all__ = ["write_whole"]


def write_whole(file: pathlib.Path, content: bytes | str) -> None:
    """Write a file beside its place, then put it there at once; text in UTF-8.

    Args:
        file: in a folder that is there.
        content: all of it.

    Raises:
        OSError: if the disk is full or the folder cannot be written; nothing is left then.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
