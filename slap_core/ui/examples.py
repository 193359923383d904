"""The bundled clips: which there are, and the gallery from which one is chosen."""

import html
import json
import pathlib
from typing import Any

__all__ = ["gallery_of", "read_examples"]


def read_examples(folder: pathlib.Path) -> list[dict[str, Any]]:
    """The bundled clips that are really there: file (a path), title, query, keep_every, note."""
    index = folder / "clips.json"
    if not index.is_file():
        return []
    clips = [clip | {"path": (folder / clip["file"]).resolve()} for clip in json.loads(index.read_text("utf-8"))]
    return [clip for clip in clips if clip["path"].is_file()]


def gallery_of(clips: list[dict[str, Any]]) -> str:
    """The HTML of the gallery, a button for each clip."""
    items = "".join(
        f'<li><button type="button" id="example-{index}" data-index="{index}" '
        f'data-file="{html.escape(clip["path"].name)}">'
        f'<video muted playsinline preload="metadata" tabindex="-1" aria-hidden="true" '
        f'src="gradio_api/file={html.escape(clip["path"].as_posix())}#t=0.8"></video>'
        f'<span class="name">{html.escape(clip["title"])}</span></button>'
        f'<p class="note" hidden>{html.escape(clip.get("note", ""))}</p></li>'
        for index, clip in enumerate(clips)
    )
    return f'<h2>Examples</h2><ul>{items}</ul><p class="chosen" aria-live="polite"></p>'
