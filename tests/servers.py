"""`python app.py` in a process of its own, on a free port, and visitors of it."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator

import httpx

ROOT = pathlib.Path(__file__).resolve().parents[1]
START_SECONDS = 600
"""On a busy machine; who does not come up at all has mostly ended by then."""


class Server:
    """A running page.

    Args:
        folder: for its log and the uploads.
        prelude: Python to run first, after `import app`; to make something fail that does not fail by itself.
        environment: variables beside those of this process.
    """

    def __init__(self, folder: pathlib.Path, *, prelude: str = "", environment: dict[str, str] | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.folder = folder
        self.uploads = folder / "uploads"
        self._log = folder / "log.txt"
        self.prelude = prelude
        self._environment = (
            os.environ | {"HF_HUB_OFFLINE": "1", "GRADIO_TEMP_DIR": str(self.uploads)} | (environment or {})
        )
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        code = ["-c", f"import app\n{self.prelude}\napp.main()"] if self.prelude else ["app.py"]
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, *code, "--host", "127.0.0.1", "--port", str(self.port)],
                cwd=ROOT, env=self._environment, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            if self.answers():
                return
            time.sleep(0.25)
        self.stop()
        raise RuntimeError(f"The page did not come up:\n{self.log[-3000:]}")

    def answers(self) -> bool:
        """Whether the page can be fetched."""
        try:
            with urllib.request.urlopen(self.url, timeout=5):
                return self._process.poll() is None
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Ask it to end, then make it."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without asking."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def megabytes(self) -> float:
        """The memory that is resident."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def decoders(self) -> set[int]:
        """Its living decoders; libraries start other short processes of their own (`uname`, `lscpu`)."""
        found = set()
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent = entry.read_text().rpartition(")")[2].split()[:2]
                command = entry.with_name("cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == str(self.pid) and state != "Z" and command[1:4] == [b"-I", b"-S", b"-B"]:
                found.add(int(entry.parent.name))
        return found


def gone(pid: int) -> bool:
    """Whether the process has ended; who its new parent is decides for how long its zombie stays."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(happens, *, seconds: float) -> float:
    """How many seconds it took until `happens()`; raises TimeoutError where it did not."""
    start = time.monotonic()
    while not happens():
        if time.monotonic() - start > seconds:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.05)
    return time.monotonic() - start


class Visitor:
    """A tab of a browser, as the server sees it: it uploads, presses Run, and listens; or goes away."""

    def __init__(self, server: Server) -> None:
        self.http = httpx.Client(base_url=server.url, timeout=120)
        self.session = uuid.uuid4().hex
        config = self.http.get("config").json()
        self._components = {c["id"]: c for c in config["components"]}
        by_name = {c["props"].get("elem_id"): c["id"] for c in config["components"]}
        self._run = next(
            d for d in config["dependencies"] if [by_name["button-run"], "click"] in map(list, d["targets"])
        )
        self._names = {by_name[name]: name for name in by_name if name}
        self.event = ""

    def upload(self, path: pathlib.Path, name: str | None = None) -> httpx.Response:
        """Send a file."""
        return self.http.post("gradio_api/upload", files={"files": (name or path.name, path.read_bytes())})

    def press_run(self, upload: str | None, **values: object) -> None:
        """Ask for a run; other values by the controls' ids, "_" for "-"."""
        given = {f"input-{name.replace('_', '-')}": value for name, value in values.items()}
        data = []
        for at in self._run["inputs"]:
            name = self._names.get(at)
            value = self._components[at]["props"].get("value")
            if name == "input-video":
                value = upload and {"path": upload, "meta": {"_type": "gradio.FileData"}}
            data.append(given.get(name, value))
        asked = {"data": data, "fn_index": self._run["id"], "session_hash": self.session, "trigger_id": None}
        answer = self.http.post("gradio_api/queue/join", json=asked)
        answer.raise_for_status()
        self.event = answer.json()["event_id"]

    def messages(self) -> Iterator[dict]:
        """What the server says; closing the iterator is closing the tab."""
        with self.http.stream("GET", "gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:"):
                    message = json.loads(line[5:])
                    yield message
                    if message["msg"] in ("process_completed", "close_stream"):
                        return

    def cancel(self) -> None:
        """Press Stop."""
        asked = {"session_hash": self.session, "fn_index": self._run["id"], "event_id": self.event}
        self.http.post("gradio_api/cancel", json=asked).raise_for_status()
