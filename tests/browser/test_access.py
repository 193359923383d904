"""The page for everybody: by keyboard alone, enlarged, in the dark, at rest, and to those who cannot see it."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_page import assert_quiet, wait_for_all

from slap_core.views.glossary import TERMS
from slap_core.views.titles import TITLES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLACES = ["", "tunnel-test", "learn", "about"]
BY_ITSELF = "() => !!document.activeElement && document.activeElement.matches(':focus-visible')"
SIDEWAYS = "() => document.documentElement.scrollWidth - innerWidth"


def visit(page, address, place, theme="light"):
    page.emulate_media(color_scheme=theme)
    page.goto(f"{address}{place}?__theme={theme}")
    page.wait_for_selector("nav, .nav-holder")
    if not place:
        page.wait_for_selector("#view-certificate[data-state=sample]")
    page.wait_for_load_state("networkidle")


def serious(page):
    page.evaluate("() => document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_no_serious_violation(page, address, place, theme):
    visit(page, address, place, theme)
    assert serious(page) == []


def test_the_check_finds_what_is_wrong(page):
    page.evaluate("() => document.body.append(document.createElement('button'))")
    assert "button-name" in [name for name, _ in serious(page)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width", [390, 640])  # a phone; twice the size on a small screen
def test_no_sideways_scroll(page, address, place, width):
    page.set_viewport_size({"width": width, "height": 800})
    visit(page, address, place)
    assert page.evaluate(SIDEWAYS) <= 0


def test_an_example_by_keyboard_alone(page):
    def tab_to(selector):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                assert page.evaluate(BY_ITSELF)
                outline = (
                    "() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + s.boxShadow; }"
                )
                assert page.evaluate(outline) != "nonenone"
                return
        pytest.fail(f"{selector} cannot be reached by Tab")

    tab_to("#example-1")
    page.keyboard.press("Enter")
    page.wait_for_selector("#input-video video")
    page.wait_for_selector("#button-run:not([disabled])")
    tab_to("#button-run")
    page.keyboard.press("Enter")
    page.wait_for_selector("#view-certificate[data-state=ready]")
    wait_for_all(page)
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("End")
    assert page.locator("#view-strip .is-cursor").count() == 1
    page.keyboard.press("?")
    assert page.locator("dialog.slap-help").is_visible()
    assert serious(page) == []
    page.keyboard.press("Escape")
    assert not page.locator("dialog.slap-help").is_visible()
    assert_quiet(page)


def named(text):
    """The terms that stand in a text."""
    forms = {form: name for name, (_, _, forms) in TERMS.items() for form in forms}
    longest = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return {forms[form] for form in re.findall(rf"(?<![^\W_])(?<!\*)({longest})(?![^\W_])(?!\*)", text)}


def test_every_term_of_a_figure_can_be_asked_what_it_means(page):
    """In its headline, caption and table, once each; and in what stands on the page from the start."""
    look = (
        "() => { const text = (e) => e.textContent; const all = (e, selector) => [...e.querySelectorAll(selector)];"
        "const told = (texts) => [texts.map(text).join(' | '),"
        " texts.flatMap((one) => all(one, '.slap-term').map(text))];"
        "const views = all(document, '#views .slap-view');"
        "return [all(document, '.lead, #terms dd'), ...views.map((view) => all(view, '.slap-headline, .slap-caption,"
        " thead th, .slap-table-title'))].map(told); }"
    )
    found = page.evaluate(look)
    assert len(found) >= len(TITLES) + 1
    assert sum(len(terms) for _, terms in found) > 40
    for text, terms in found:
        asked = [name for term in terms for name in named(term)]
        assert len(asked) == len(set(asked))
        assert named(text) == set(asked), text


def test_nothing_moves_for_those_who_asked_for_rest(page, address):
    page.emulate_media(reduced_motion="reduce")
    page.goto(address)
    page.wait_for_selector("#view-map[data-state=sample]")
    moving = "() => document.getAnimations().filter((a) => a.playState === 'running').length"
    turning = "() => document.querySelector('#view-map .slap-plot').layout.transition.duration"
    assert page.evaluate(turning) == 0
    page.evaluate("() => { slap.views.forEach((v, h) => slap.render(h, {...v, state: 'loading', sample: false})); }")
    page.wait_for_selector("#view-map[data-state=loading]")
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
    page.wait_for_function(f"({moving})() > 0")  # the sketches of what is awaited
