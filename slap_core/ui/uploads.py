"""What comes from outside is a file that was uploaded here, is bounded, and goes again.

gradio fetches an address wherever a file's path is one, takes a thousand files in one request, keeps what was cut off
in the middle for ever, and reads request bodies of any size. None of that can be set; it is closed here.
"""

import contextlib
import getpass
import logging
import os
import pathlib
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, NoReturn

import anyio.to_thread
import gradio as gr
from gradio import processing_utils
from starlette.responses import PlainTextResponse

from slap_core.ui.limits import CACHE_MEGABYTES, CHECK_SECONDS, KEEP_SECONDS, UPLOAD_MEGABYTES

__all__ = ["Bounded", "make_room", "own_folder", "refuse_addresses", "sweep"]

log = logging.getLogger(__name__)

REQUEST_BYTES: Final = 1_000_000
"""Of a request that is no upload: settings and words."""
ENVELOPE_BYTES: Final = 10_000
"""What surrounds a file in an upload."""
RESERVE_BYTES: Final = 10_000_000
"""What stays free on the disk, for the files that a run writes."""
SAFE_SECONDS: Final = 300.0
"""A file younger than this is not deleted to make room."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def own_folder() -> pathlib.Path:
    """The folder of uploads: what `GRADIO_TEMP_DIR` says, or one of this program alone, made if need be.

    Raises:
        PermissionError: if somebody else made a folder of that name.
    """
    given = os.environ.get("GRADIO_TEMP_DIR")
    folder = pathlib.Path(given or pathlib.Path(tempfile.gettempdir()) / f"slap-explorer-{getpass.getuser()}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not given and (not stat.S_ISDIR(status.st_mode) or (os.name != "nt" and status.st_uid != os.getuid())):
        raise PermissionError(f"{folder} belongs to somebody else; set GRADIO_TEMP_DIR to a folder of your own.")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def refuse_addresses() -> None:
    """From now on no file of a request may be an address: gradio would fetch it."""

    async def refuse(url: str, *_: Any, **__: Any) -> NoReturn:
        raise gr.Error("That is an address, not a file. Download the video first and upload the file.")

    processing_utils.async_ssrf_protected_get = refuse


def make_room(folder: pathlib.Path, needed: int, *, most: int) -> bool:
    """Whether so many bytes fit into the folder, after what is too old was deleted, and, if need be, the oldest.

    Args:
        folder: of uploads and results.
        needed: bytes.
        most: bytes that the folder may hold.
    """
    now, files = time.time(), []
    for inside, _, names in os.walk(folder):  # which passes over folders that go meanwhile
        for path in (pathlib.Path(inside, name) for name in names):
            with contextlib.suppress(OSError):  # gone meanwhile
                status = path.lstat()
                files.append((status.st_ctime, status.st_size, path))
    files.sort(reverse=True)  # the oldest at the end
    held = sum(size for _, size, _ in files)

    def fits() -> bool:
        return held + needed <= most and shutil.disk_usage(folder).free >= needed + RESERVE_BYTES

    while files and (now - files[-1][0] > KEEP_SECONDS or (now - files[-1][0] > SAFE_SECONDS and not fits())):
        _, size, path = files.pop()
        with contextlib.suppress(OSError):  # another thread was faster, or a file has just come into that folder
            path.unlink(missing_ok=True)
            held -= size
            if path.parent != folder and not any(path.parent.iterdir()):
                path.parent.rmdir()
    return fits()


def sweep(folder: pathlib.Path) -> Callable[[], None]:
    """From now on what is too old is deleted, though nobody uploads; call what comes back to end that.

    gradio's own search ends for good when a file comes in while it goes on, and knows only what came in whole.

    Args:
        folder: of uploads and results.
    """
    over = threading.Event()

    def work() -> None:
        while not over.wait(CHECK_SECONDS):
            try:
                make_room(folder, 0, most=CACHE_MEGABYTES * 1_000_000)
            except Exception:
                log.exception("Old uploads could not be deleted")

    threading.Thread(target=work, name="sweep", daemon=True).start()
    return over.set


class Bounded:
    """Refuses requests that are too large, and uploads for which there is no room (ASGI middleware).

    Args:
        app: what answers the others.
        folder: of uploads.
        most: bytes that the folder may hold.
    """

    def __init__(self, app: Any, folder: pathlib.Path, most: int = CACHE_MEGABYTES * 1_000_000) -> None:
        self.app = app
        self.folder = folder
        self.most = most

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request."""
        refusal = None
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            refusal = await self._refusal(scope)
        await (refusal or self.app)(scope, receive, send)

    async def _refusal(self, scope: MutableMapping[str, Any]) -> PlainTextResponse | None:
        length = dict(scope["headers"]).get(b"content-length", b"").decode("latin-1")
        if not length.isascii() or not length.isdigit():
            return PlainTextResponse("The request does not say how long it is.", 411)
        upload = scope["path"].rstrip("/").endswith("/upload")
        limit = UPLOAD_MEGABYTES * 1_048_576 + ENVELOPE_BYTES if upload else REQUEST_BYTES
        if int(length) > limit:
            what = f"{int(length) / 1e6:.0f} MB are more than the {limit / 1e6:.0f} MB allowed."
            return PlainTextResponse(f"{what} Give a shorter or smaller video.", 413)
        if upload and not await anyio.to_thread.run_sync(self._room, int(length)):
            return PlainTextResponse("The server has no room for another video. Try again in a few minutes.", 507)
        return None

    def _room(self, needed: int) -> bool:
        return make_room(self.folder, needed, most=self.most)
