"""The terms: each of README's words and of the figures' can be asked what it means."""

import pathlib
import re

import pytest

from slap_core.views.glossary import TERMS

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
FORMS = {form: name for name, (_, _, forms) in TERMS.items() for form in forms}


def test_every_word_that_readme_explains_is_explained_on_the_page():
    words = re.findall(r"^\| (.+?) \|", README.split("| word | meaning |")[1].split("\n\n")[0], re.MULTILINE)[1:]
    assert len(words) > 15
    assert [word for word in words if re.sub(r" \(.*\)", "", word) not in FORMS] == []


@pytest.mark.parametrize("name", TERMS)
def test_a_definition_is_one_line_and_says_something_new(name):
    definition, formula, forms = TERMS[name]
    assert 10 < len(definition) <= 120
    assert not definition.endswith(".")
    assert len(formula) <= 80
    assert forms
    assert all(FORMS[form] == name for form in forms), "two terms share a form"
