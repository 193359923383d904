"""What comes from outside: room for uploads, requests that are too large, addresses, and whose folder it is."""

import concurrent.futures
import os
import pathlib
import shutil
import stat
import threading
import time
import types

import gradio as gr
import pytest
from servers import until

from slap_core.ui import limits, serving, uploads
from slap_core.ui.uploads import Bounded, make_room, own_folder, refuse_addresses

ROOT = pathlib.Path(serving.__file__).parents[2]


@pytest.fixture
def clock(monkeypatch):
    """Moves time on; a file's age cannot be set."""
    start, passed = uploads.time.time(), [0.0]
    monkeypatch.setattr(uploads, "time", types.SimpleNamespace(time=lambda: start + passed[0]))
    return lambda seconds: passed.__setitem__(0, passed[0] + seconds)


def put(folder, name, size=100):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(bytes(size))


def held(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_too_old_goes_with_its_folder(tmp_path, clock):
    put(tmp_path, "hash/old.mp4")
    clock(limits.KEEP_SECONDS - 5)
    assert make_room(tmp_path, 1, most=1000)
    assert held(tmp_path) == ["hash/old.mp4"]
    clock(10)
    assert make_room(tmp_path, 1, most=1000)
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_make_room_but_not_the_youngest(tmp_path, clock, monkeypatch):
    sizes = {"a/1": 400, "b/2": 300, "c/3": 200}
    for name, size in sizes.items():
        put(tmp_path, name, size)
        time.sleep(0.02)
    clock(uploads.SAFE_SECONDS - 5)
    assert not make_room(tmp_path, 500, most=1000)
    assert len(held(tmp_path)) == 3
    clock(10)
    assert make_room(tmp_path, 500, most=1000)
    assert held(tmp_path) == ["b/2", "c/3"]


def test_what_is_too_old_goes_though_nobody_uploads_and_one_search_fails(tmp_path, clock, monkeypatch, caplog):
    put(tmp_path, "hash/old.mp4")
    search, fails = uploads.make_room, [OSError("gone meanwhile")]

    def make_room(*arguments, **options):
        if fails:
            raise fails.pop()
        return search(*arguments, **options)

    monkeypatch.setattr(uploads, "make_room", make_room)
    monkeypatch.setattr(uploads, "CHECK_SECONDS", 0.01)
    stop = uploads.sweep(tmp_path)
    try:
        until(lambda: not fails, seconds=20)
        assert held(tmp_path) == ["hash/old.mp4"]
        clock(limits.KEEP_SECONDS + 5)
        until(lambda: not list(tmp_path.iterdir()), seconds=20)
    finally:
        stop()
    assert "Old uploads could not be deleted" in caplog.text


def test_a_folder_that_fills_while_it_is_emptied_stays(tmp_path, clock, monkeypatch):
    put(tmp_path, "hash/old.mp4")
    clock(limits.KEEP_SECONDS + 5)
    monkeypatch.setattr(pathlib.Path, "rmdir", lambda _: (_ for _ in ()).throw(OSError("Directory not empty")))
    assert make_room(tmp_path, 1, most=1000)
    assert held(tmp_path) == []


def test_two_who_make_room_at_once_are_not_in_each_others_way(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "KEEP_SECONDS", 0.0)
    over = threading.Event()

    def search():
        searches = 0
        while not over.is_set():
            assert make_room(tmp_path, 1, most=1_000_000)
            searches += 1
        return searches

    with concurrent.futures.ThreadPoolExecutor() as pool:
        both = [pool.submit(search) for _ in range(2)]
        for i in range(1000):  # folders come and go while the other looks into them
            put(tmp_path, f"hash{i}/a.mp4", 1)
        over.set()
        assert all(one.result() for one in both)


def test_a_full_disk_has_no_room(tmp_path, monkeypatch):
    free = types.SimpleNamespace(free=uploads.RESERVE_BYTES + 99)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    assert make_room(tmp_path, 99, most=1000)
    assert not make_room(tmp_path, 100, most=1000)


@pytest.fixture
def answer(awaited):
    """Status and text of a request of which only the head is looked at."""

    def answer(bounded, path, length, *, method="POST"):
        sent = []

        async def receive():
            raise AssertionError("the body is read")

        async def send(message):
            sent.append(message)

        headers = [] if length is None else [(b"content-length", str(length).encode())]
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        awaited(bounded(scope, receive, send))
        return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:]).decode()

    return answer


async def passed(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"passed"})


@pytest.mark.parametrize(
    ("path", "length", "expected", "words"),
    [
        ("/gradio_api/queue/join", 1000, 200, "passed"),
        ("/gradio_api/queue/join", 1_000_001, 413, "more than the 1 MB allowed"),
        ("/gradio_api/upload", 99_000_000, 200, "passed"),
        ("/gradio_api/upload/", 106_000_000, 413, "more than the 105 MB allowed"),
        ("/gradio_api/upload", None, 411, "how long"),
        ("/gradio_api/upload", "-5", 411, "how long"),
        ("/gradio_api/upload", "٣", 411, "how long"),
    ],
)
def test_a_request_is_judged_by_its_head(answer, tmp_path, path, length, expected, words):
    status, text = answer(Bounded(passed, tmp_path), path, length)
    assert status == expected
    assert words in text


def test_an_upload_without_room_is_refused_and_a_visit_is_not(answer, tmp_path):
    bounded = Bounded(passed, tmp_path, most=10)
    assert answer(bounded, "/gradio_api/upload", 100) == (
        507,
        "The server has no room for another video. Try again in a few minutes.",
    )
    assert answer(bounded, "/", None, method="GET")[0] == 200


def test_what_gradio_would_fetch_is_refused(monkeypatch, awaited):
    from gradio import processing_utils

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_get", processing_utils.async_ssrf_protected_get)
    refuse_addresses()
    with pytest.raises(gr.Error, match="is an address, not a file"):
        awaited(processing_utils.async_ssrf_protected_get("https://example.org/a.mp4"))
    with pytest.raises(gr.Error, match="is an address, not a file"):
        awaited(gr.Video().async_move_resource_to_block_cache("https://example.org/a.mp4"))


def test_the_folder_of_uploads_is_one_s_own(tmp_path, monkeypatch):
    monkeypatch.delenv("GRADIO_TEMP_DIR", raising=False)
    monkeypatch.setattr(uploads.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = own_folder()
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    folder.rmdir()
    folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(PermissionError, match="belongs to somebody else; set GRADIO_TEMP_DIR"):
        own_folder()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "given"))
    assert own_folder() == tmp_path / "given"


def test_launch_settings_are_those_of_the_design(monkeypatch, tmp_path):
    """Design 06, in full."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    from gradio import processing_utils

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_get", processing_utils.async_ssrf_protected_get)
    settings = serving.launch_settings(ROOT / "assets" / "clips", ROOT / "assets" / "figures", private=ROOT)
    expected = {
        "max_file_size": "100mb", "show_error": False, "ssr_mode": False, "enable_monitoring": False,
        "strict_cors": True, "share": False,
    }  # fmt: skip
    assert expected.items() <= settings.items()
    (middleware,) = settings["app_kwargs"]["middleware"]
    assert middleware.cls is Bounded
    assert middleware.kwargs == {"folder": tmp_path}
    requirements = (ROOT / "requirements.txt").read_text().splitlines()
    assert "gradio>=6.22,<7" in requirements
    assert "torch>=2.10" in requirements
    from slap_core.ui.layout import build_page

    page = build_page(steps=iter, examples=tmp_path, figures=tmp_path)
    assert page.delete_cache == (300, 1800)
    assert page._queue.max_size == 20
    assert page._queue.default_concurrency_limit == 1
    assert page.analytics_enabled is False
    videos = [block for block in page.blocks.values() if isinstance(block, gr.Video)]
    assert videos
    assert all(video.format is None and video.include_audio is not False for video in videos)
