"""The place About: what it tells is what is so, from the files and from the constants that the server keeps to."""

import hashlib
import html
import importlib.metadata
import json
import pathlib
import re

import pytest

from slap_core.ui import about, layout, limits

ROOT = pathlib.Path(about.__file__).parents[2]
WEIGHTS = ROOT / "assets" / "weights"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    return layout.build_page(steps=iter, examples=empty, figures=empty)


def section(page, name):
    return next(block.value for block in page.blocks.values() if block.elem_id == f"about-{name}")


def article(page, name):
    return re.search(rf'<article id="model-{name}">.*?</article>', section(page, "models")).group()


@pytest.mark.parametrize("folder", sorted(WEIGHTS.iterdir()), ids=lambda folder: folder.name)
def test_every_network_is_told_as_its_files_are(page, folder):
    told, card = html.unescape(article(page, folder.name)), json.loads((folder / "card.json").read_text())
    (weights,) = folder.glob("*.safetensors")
    assert hashlib.sha256(weights.read_bytes()).hexdigest()[:12] in told
    size = sum(file.stat().st_size for file in folder.iterdir() if file.name not in ("card.json", "README.md"))
    assert f"<dd>{size / 1e6:.2g} MB</dd>" in told
    for name in ("title", "what", "trained_on", "command", "licence"):
        assert card[name] in told
    for note in card.get("notes", ()):
        assert note in told
    shown = dict(re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td>', told))
    assert shown.keys() == card["scores"].keys()
    for name, value in card["scores"].items():
        assert float(shown[name].replace(",", "")) == pytest.approx(value, rel=0.006)


def test_networks_of_the_page_come_first_and_the_sum_is_theirs(page):
    told = section(page, "models")
    order = re.findall(r'id="model-(\w+)"', told)
    assert order[: len(about.FIRST)] == list(about.FIRST)
    assert len(order) == len(list(WEIGHTS.iterdir()))
    total = sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.suffix == ".safetensors")
    assert float(re.search(r"([\d.]+) MB together", told).group(1)) >= total // 1e5 / 10


def test_card_cannot_write_html(tmp_path):
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "model.safetensors").write_bytes(b"12345")
    words = dict.fromkeys(("title", "what", "trained_on", "command", "licence"), "<b>")
    card = {**words, "seed": 0, "scores": {"<i>": 1}, "notes": ["<u>"], "sha256": {"model.safetensors": "ab" * 32}}
    (tmp_path / "odd" / "card.json").write_text(json.dumps(card))
    (found,) = about.cards(tmp_path)
    assert (found["name"], found["bytes"]) == ("odd", 5)
    assert not re.search("<[biu]>", about._model(found))


def test_privacy_is_what_the_server_keeps_to(page):
    every, age = page.delete_cache
    # A file is looked at every so often, and may be just too young when it is.
    assert f"within {(every + age) / 60:.0f} minutes" in section(page, "privacy")
    assert limits.PRIVACY in "".join(str(getattr(block, "value", "")) for block in page.blocks.values())


def test_limits_and_versions_are_read_where_they_are_defined(monkeypatch):
    monkeypatch.setattr("slap_core.video.limits.MAX_DURATION_SECONDS", 1800.0)
    monkeypatch.setattr("slap_core.ui.callbacks.DEADLINE_SECONDS", 120.0)
    monkeypatch.setattr(about, "LIBRARIES", ("torch", "no-such-library"))
    told, versions = about._facts()
    for words in (f"<dd>{limits.UPLOAD_MEGABYTES} MB</dd>", "<dd>0.5 hours</dd>", "<dd>2 minutes</dd>"):
        assert words in told
    assert f"<dt>torch</dt><dd>{importlib.metadata.version('torch')}</dd>" in versions
    assert "no-such-library" not in versions


def test_libraries_are_those_that_the_program_needs():
    needed = re.findall(r"^[\w-]+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert set(about.LIBRARIES) <= set(needed)


def test_endpoints_are_the_public_ones(page):
    names = [f"/{name}" for name, _, _ in about.endpoints(page)]
    assert names == list(page.get_api_info()["named_endpoints"])
    links = dict(re.findall(r'href="\./([^"]*)"><code>([^<]*)</code>', section(page, "endpoints")))
    assert links == {"#api": "/analyse", "tunnel-test#api": "/tunnel_test"}


def test_claims_name_both_papers_and_citing_repeats_them(page):
    for paper in ("SLAP", "Slot-VLM"):
        assert paper in section(page, "claims")
    told = section(page, "citing")
    assert "Fang and Fang: <cite>The Semantic Least Action Principle" in told
    assert "Xu, Lan, Xie, Chen and Lu: <cite>Slot-VLM</cite>, NeurIPS 2024" in told


def test_without_a_citation_there_is_no_section(tmp_path):
    import gradio as gr

    with gr.Blocks() as page:
        pass
    about.about_place(page, citation=tmp_path / "none.cff")
    ids = {block.elem_id for block in page.blocks.values()}
    assert "about-citing" not in ids
    assert "about-models" in ids
