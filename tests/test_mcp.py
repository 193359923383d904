"""The flag --mcp: what it says where it cannot be, and the tools that it serves where it can."""

import importlib.util
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture
def app(monkeypatch):
    spec = importlib.util.spec_from_file_location("slap_app", ROOT / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["app.py", "--mcp"])
    return module


def test_without_the_package_the_flag_names_the_remedy(app, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # whatever is installed here
    with pytest.raises(SystemExit, match="2"):
        app.main()
    assert '--mcp needs the package mcp; get it with: pip install "gradio[mcp]"' in capsys.readouterr().err


class Page:
    """A page that is only told how to launch."""

    def __init__(self, error):
        self.mcp_error, self.launched, self.closed = error, {}, False

    def launch(self, **settings):
        self.launched = settings

    def close(self):
        self.closed = True

    def block_thread(self):
        pass


def launch(app, monkeypatch, page):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: name == "mcp" or find(name, *more))
    monkeypatch.setattr(app, "build_page", lambda **_: page)
    monkeypatch.setattr(app, "borrowed", lambda: None)
    monkeypatch.setattr(app, "warm_up", lambda: None)
    app.main()


@pytest.mark.parametrize("asked", [True, False])
def test_tools_are_served_where_they_are_asked_for(app, monkeypatch, asked):
    monkeypatch.setattr(sys, "argv", ["app.py", *["--mcp"] * asked])
    page = Page(None)
    launch(app, monkeypatch, page)
    assert page.launched["mcp_server"] is (True if asked else None)


def test_package_of_another_version_is_not_passed_over(app, monkeypatch, capsys):
    page = Page("Error launching MCP server: no module mcp.server")
    with pytest.raises(SystemExit, match="2"):
        launch(app, monkeypatch, page)
    assert page.closed
    assert 'no module mcp.server. Another version of the package mcp may be needed: pip install "gradio[mcp]"' in (
        capsys.readouterr().err
    )


async def _tools(address):
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    async with streamablehttp_client(address) as (read, write, _), ClientSession(read, write) as session:
        await session.initialize()
        return (await session.list_tools()).tools


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mcp") is None, reason="the package mcp is not installed")
def test_real_client_is_offered_the_two_endpoints(tmp_path, awaited):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "log.txt"
    with log.open("wb") as out:
        command = [sys.executable, "app.py", "--mcp", "--host", "127.0.0.1", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ.copy(), stdout=out, stderr=subprocess.STDOUT)
        try:
            end = time.monotonic() + 180
            while b"Streamable HTTP URL" not in log.read_bytes():
                assert server.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < end, log.read_text()[-2000:]
                time.sleep(0.25)
            asked = _tools(f"http://127.0.0.1:{port}/gradio_api/mcp/")
            tools = awaited(asked)
        finally:
            server.kill()
            server.wait(20)
    by_name = {tool.name: tool for tool in tools}
    assert set(by_name) == {"analyse", "tunnel_test"}
    assert {"seed", "outcome", "query"} <= by_name["tunnel_test"].inputSchema["properties"].keys()
    assert "Everything but the seed may be 'any'" in by_name["tunnel_test"].description
    assert {"video", "query", "keep_every", "coupling"} <= by_name["analyse"].inputSchema["properties"].keys()
