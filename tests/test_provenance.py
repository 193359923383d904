import dataclasses
import gzip
import json
import shlex

import pytest

from slap_core import provenance
from slap_core.__main__ import parser
from slap_core.cards import sha256
from slap_core.pretrained import weights_folder
from slap_core.stages import Settings
from slap_core.ui import precomputed
from slap_core.views.titles import TITLES

SETTINGS = [
    Settings(),
    Settings(keep_every=7, coupling=0.3, potential="static", couplings=(0.0, 0.5, 2.0)),
    Settings(
        max_frames=12,
        encoder="ViT-B-32/laion2b_s34b_b79k",
        geometry="euclidean",
        seed=5,
        concepts=("a car", "a tunnel"),
    ),
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("query", ["", 'it\'s a "red" car; rm -rf *'])
def test_the_command_gives_the_same_settings_again(settings, query):
    line = provenance.command(settings, "my clip.mp4", query)
    assert line.startswith("python -m slap_core analyse ")
    options = vars(parser().parse_args(shlex.split(line)[3:]))
    assert options.pop("query") == query
    assert str(options.pop("video")) == "my clip.mp4"
    names = {field.name for field in dataclasses.fields(Settings)}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items() if name in names}
    assert Settings(**given) == settings


def test_networks_are_named_by_the_hash_of_their_weights():
    for name, digest in provenance.networks().items():
        assert digest in {sha256(file) for file in weights_folder(name).glob("*.safetensors")}


def test_the_sample_is_of_this_page_and_these_networks():
    """If this fails: python -m slap_core.ui.precomputed."""
    content = precomputed.SAMPLE.read_bytes()
    assert len(content) < 1e6
    views = json.loads(gzip.decompress(content))["views"]
    assert [view["name"] for view in views] == list(TITLES)
    assert {view["state"] for view in views} == {"ready"}
    networks = provenance.provenance(Settings(), "", "")["Shipped networks"]
    assert {view["provenance"]["Shipped networks"] for view in views} == {networks}


def test_packages_that_are_not_installed_are_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("torch", "no-such-package"))
    assert set(provenance.versions()) == {"python", "torch", "slap-core"}
