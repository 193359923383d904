"""The place About, as a person reads it: by the bar, with the keyboard, on a phone, in the dark."""

import importlib.metadata

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def about(page):
    page.get_by_role("link", name="About", exact=True).click()
    page.wait_for_selector("#about-versions dl")
    return page


def test_models_limits_and_versions_are_told(about):
    assert about.url.endswith("/about")
    assert about.locator("#about-models article").count() >= 11
    assert "100 MB" in about.inner_text("#about-limits")
    assert importlib.metadata.version("gradio") in about.inner_text("#about-versions")
    fold = about.locator("#model-encoder details")
    assert not fold.locator("table").is_visible()
    fold.locator("summary").focus()
    about.keyboard.press("Enter")
    assert fold.locator("td").first.is_visible()
    assert about.watch.elsewhere == []
    assert about.watch.errors == []


@pytest.mark.parametrize(
    ("link", "shows"),
    [
        ("The lesson", "#learn-opening"),
        ("tunnel test", "#tunnel-opening"),
        ("/analyse", "h3:has-text('/analyse')"),
        ("/tunnel_test", "h3:has-text('/tunnel_test')"),
    ],
)
def test_links_lead_on(about, link, shows):
    about.locator(".about a", has_text=link).click()
    about.wait_for_selector(shows)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_needs_no_sideways_scroll_and_text_is_readable(about, scheme):
    about.set_viewport_size({"width": 390, "height": 844})
    about.emulate_media(color_scheme=scheme)
    about.goto(about.url.split("?")[0] + f"?__theme={scheme}")
    about.wait_for_selector("#about-versions dl")
    about.locator("#about-models details").first.evaluate("fold => { fold.open = true; }")
    assert about.evaluate("document.documentElement.scrollWidth") <= 390
    tops = about.evaluate("[...document.querySelectorAll('nav a')].map(link => link.getBoundingClientRect().top)")
    assert len(set(tops)) == 1  # the bar fits on one line
    # Every text is darker than the paper in the light, brighter in the dark, and by far.
    levels = about.evaluate(
        """() => {
          const parts = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
          const level = (colour) => parts(colour).reduce((sum, part) => sum + part, 0) / 3;
          const paper = level(getComputedStyle(document.querySelector('.gradio-container')).backgroundColor);
          const texts = [...document.querySelectorAll('.about :is(h2, h3, p, dt, dd, th, td, pre, a, summary, li)')];
          return texts.map((text) => level(getComputedStyle(text).color) - paper);
        }"""
    )
    assert len(levels) > 100
    assert max(levels) < -80 if scheme == "light" else min(levels) > 80
