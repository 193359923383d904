"""The page as its visitors share it: a real server, twenty at once, one after the other, and those who pry."""

import concurrent.futures
import json
import pathlib
import re
import socket
import sys

import gradio_client
import numpy as np
import pytest
import torch
from canaries import Canary
from gradio_client import Client, handle_file
from servers import ROOT, Visitor

from slap_core.types import Clip
from slap_core.video import write_clip

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at processes by /proc")]

CLIENTS = 20


def clip(path: pathlib.Path, frames: int, *, shade: int = 120) -> pathlib.Path:
    """A small video of so many frames, at ten a second."""
    pictures = np.full((frames, 48, 64, 3), shade, np.uint8)
    for i in range(frames):
        pictures[i, 10:30, 2 * i % 50 : 2 * i % 50 + 12] = (200, 40, 30)
    return write_clip(path, Clip(torch.from_numpy(pictures), torch.arange(frames) / 10))


def analyse(client: Client, path: pathlib.Path, query: object = "a red car", **more: object):
    """What the endpoint answers."""
    return client.predict(handle_file(path), query, api_name="/analyse", **more)


def test_twenty_at_once_are_served_or_told_that_the_queue_is_full(server, tmp_path):
    paths = [clip(tmp_path / f"visitor_{i}.mp4", 6 + i, shade=60 + 6 * i) for i in range(CLIENTS)]
    clients = [Client(server.url, verbose=False) for _ in paths]

    def call(i):
        try:
            return analyse(clients[i], paths[i], f"a red car number {i}", keep_every=2 + i % 3)
        except gradio_client.exceptions.AppError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(call, range(CLIENTS)))
    served = [i for i, answer in enumerate(answers) if isinstance(answer, dict)]
    assert len(served) >= 10, answers
    for i in served:
        answer = answers[i]
        assert answer["video"]["name"] == f"visitor_{i}.mp4"
        assert answer["video"]["frames"] == 6 + i
        assert answer["video"]["last_seconds"] == pytest.approx((5 + i) / 10, abs=1e-3)
        assert answer["query"] == f"a red car number {i}"
        assert answer["settings"]["keep_every"] == 2 + i % 3
    assert all("queue is full" in answer.lower() for answer in answers if isinstance(answer, str))
    # Asked again, alone, and from a file of another name, so that it is computed anew, it has the same answer.
    copy = tmp_path / "alone.mp4"
    copy.write_bytes(paths[served[-1]].read_bytes())
    again = analyse(clients[served[-1]], copy, answers[served[-1]]["query"],
                    keep_every=answers[served[-1]]["settings"]["keep_every"])  # fmt: skip
    assert again["drift"] == pytest.approx(answers[served[-1]]["drift"])


def finished(visitor: Visitor) -> dict:
    """The message with which the run ends."""
    *_, message = visitor.messages()
    assert message["msg"] == "process_completed"
    return message


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("x" * 100_000, "100,000 characters long, at most 200"),
        ("🚗" * 201, "201 characters long, at most 200"),
    ],
)
def test_prompts_are_limited_by_the_server(server, tmp_path, query, words):
    client = Client(server.url, verbose=False)
    with pytest.raises(Exception, match=words) as caught:
        analyse(client, clip(tmp_path / "a.mp4", 6), query)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("query", [["a", "b"], {"a": 1}, 7])
def test_what_is_no_text_is_read_as_text(server, tmp_path, query):
    answer = analyse(Client(server.url, verbose=False), clip(tmp_path / "a.mp4", 6), query)
    assert answer["query"] == str(query)


@pytest.mark.parametrize(
    ("concepts", "words"),
    [
        ("x" * 100_000, "concepts cannot be used|characters long, at most 60"),
        (",".join(f"word {i}" for i in range(100)), "100 concepts were given, at most 6"),
    ],
)
def test_concepts_are_limited_by_the_server(server, tmp_path, concepts, words):
    with pytest.raises(Exception, match=words):
        analyse(Client(server.url, verbose=False), clip(tmp_path / "a.mp4", 6), concepts=concepts)


def test_words_in_any_script_are_words_and_come_back_without_tricks(server, tmp_path):
    query = "🚗 \u202eder\u202c una voiture rouge\x00\x1b[31m 红色"
    answer = analyse(Client(server.url, verbose=False), clip(tmp_path / "a.mp4", 6), query)
    assert answer["query"] == "🚗 der una voiture rouge[31m 红色"
    assert "\u202e" not in json.dumps(answer, ensure_ascii=False)


@pytest.mark.parametrize("address", ["http://{home}/a.mp4", "https://example.org/a.mp4", "http://[::1]:{port}/a.mp4"])
@pytest.mark.parametrize("where", ["video", "query"])
def test_addresses_are_refused_wherever_they_stand(server, canary, address, where):
    path = address.format(home=f"127.0.0.1:{canary.port}", port=canary.port)
    data = {"path": path, "url": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "a.mp4"}
    visitor, before = Visitor(server), canary.calls
    visitor.press_run(None, **{where: data})
    message = finished(visitor)
    assert canary.calls == before
    assert not message["success"]
    assert "is an address, not a file" in message["output"]["error"]


@pytest.mark.parametrize("path", ["/etc/hostname", str(ROOT / "assets" / "weights"), "../../../etc/hostname", "\0"])
def test_files_of_the_server_are_no_uploads(server, path):
    visitor = Visitor(server)
    visitor.press_run(path)
    message = finished(visitor)
    assert not message["success"]
    assert str(ROOT) not in json.dumps(message).replace(path, "")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "{root}/app.py", "{root}/slap_core/ui/serving.py", "{root}/.git/config", "{uploads}",
     "{uploads}/..", "{uploads}/../log.txt", "{root}/assets/clips/../../app.py", "{uploads}/%2e%2e/log.txt",
     "file:///etc/passwd", "{root}/assets/weights/encoder/card.json"],
)  # fmt: skip
def test_only_uploads_and_figures_can_be_fetched(server, path):
    asked = path.format(root=ROOT, uploads=server.uploads)
    answer = Visitor(server).http.get(f"gradio_api/file={asked}")
    assert answer.status_code in (400, 403, 404)
    assert "root:" not in answer.text


def test_one_visitor_does_not_see_another_s_video(server, tmp_path):
    first, second = Visitor(server), Visitor(server)
    path = first.upload(clip(tmp_path / "mine.mp4", 6)).json()[0]
    content, name = pathlib.Path(path).parts[-2:]
    assert re.fullmatch(r"[0-9a-f]{64}", content), "an address that cannot be guessed"
    for guess in (path.replace(content, "0" * 64), str(server.uploads), f"{server.uploads}/{name}"):
        assert second.http.get(f"gradio_api/file={guess}").status_code in (403, 404)
    first.press_run(path, query="a red car")
    said = list(first.messages())
    assert said[-1]["success"]
    second.press_run(None)
    assert "mine.mp4" not in json.dumps(list(second.messages()))


def test_requests_that_are_too_large_are_refused_unread(server):
    http = Visitor(server).http
    assert http.post("gradio_api/queue/join", content=b"[" * 1_500_000).status_code == 413
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        # Only the length is told; nothing of it is sent.
        connection.sendall(b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000000\r\n\r\n")
        answer = ""
        while "allowed" not in answer and (some := connection.recv(65536)):
            answer += some.decode()
    assert answer.startswith("HTTP/1.1 413")
    assert "3000 MB are more than the" in answer
    assert http.post("gradio_api/upload", content=iter([b"x"])).status_code == 411
    assert server.answers()


@pytest.fixture(scope="module")
def canary():
    return Canary()
