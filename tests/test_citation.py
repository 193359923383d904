"""CITATION.cff is of its format, and says what the project says elsewhere."""

import pathlib
import re
import tomllib

import pytest
import yaml

import slap_core

ROOT = pathlib.Path(__file__).resolve().parent.parent
CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_required_fields_are_there():
    assert CITED["cff-version"] == "1.2.0"
    assert CITED["type"] == "software"
    assert CITED["authors"] == [{"name": "The SLAP Explorer founders"}]
    assert {"message", "title", "version", "license"} <= CITED.keys()


def test_version_and_licence_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert CITED["version"] == project["version"] == slap_core.__version__
    assert CITED["license"] == project["license"]


@pytest.mark.parametrize("work", CITED["references"], ids=lambda work: work["title"][:12])
def test_papers_are_those_of_readme(work):
    sources = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split("## Sources")[1].split())
    assert work["title"] in sources
    assert f"{work['conference']['name']}, arXiv {work['identifiers'][0]['value'].removeprefix('arXiv:')}" in sources
    assert str(work["year"]) in work["conference"]["name"]
    assert work["type"] == "conference-paper"
    for author in work["authors"]:
        for name in re.split(" and ", author.get("family-names") or author["name"]):
            assert name in sources
    # The format wants no author twice.
    assert len({str(author) for author in work["authors"]}) == len(work["authors"])
