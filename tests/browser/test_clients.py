"""The public endpoints as another program calls them, by README's own example, on a real server."""

import pathlib
import re

import pytest
from gradio_client import Client

from slap_core.benchmarks.tunnel.accounts import SHOWN

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_readme_s_client_calls_both_endpoints(server, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if "gradio_client" in block)
    own = "http://127.0.0.1:7860/"
    assert own in code
    names: dict[str, object] = {}
    exec(code.replace(own, server.url), names)

    numbers = names["numbers"]
    assert numbers["scene"]["outcome"] == "through"
    assert set(numbers["methods"]) == set(SHOWN)
    first, last = numbers["scene"]["hidden"]
    assert last - first + 1 <= 10
    assert all(first <= frame <= last for frame in numbers["asked"])
    assert numbers["methods"]["oracle"]["drift"] == pytest.approx(0, abs=1e-4)

    summary = names["summary"]
    assert summary["settings"]["keep_every"] == 16
    assert set(summary["drift"]) == {"ZOH", "LERP", "SLERP", "Latent ODE", "SLAP"}
    assert str(numbers["truth"][0]) in capsys.readouterr().out


def test_a_choice_that_there_is_not_is_an_error_in_words(server):
    client = Client(server.url, verbose=False)
    with pytest.raises(Exception, match="no outcome 'vanishes' to choose"):
        client.predict(seed=30, outcome="vanishes", api_name="/tunnel_test")
