"""The tunnel test, as a person does it: choose a scene, guess, reveal, read what the methods believe."""

import pytest
from gradio_client import Client

pytestmark = [pytest.mark.browser, pytest.mark.slow]

METHODS = 8


@pytest.fixture
def place(page, address):
    page.goto(f"{address}tunnel-test")
    page.wait_for_selector("#view-guess[data-state=empty]")
    return page


def run(place, seed):
    place.fill("#tunnel-seed input", str(seed))
    place.press("#tunnel-seed input", "Tab")
    place.click("#button-tunnel-run")
    place.wait_for_selector("#view-guess[data-state=ready]")


def assert_quiet(place):
    assert place.watch.elsewhere == []
    assert place.watch.errors == []


def assert_revealed(place):
    place.wait_for_selector("#view-beliefs[data-state=ready]")
    place.wait_for_selector("#view-scan[data-state=ready]")
    assert place.locator(".slap-beliefs th[scope=row]").count() >= METHODS + 1
    names = place.evaluate("() => document.querySelector('#view-scan .slap-plot').data.map((trace) => trace.name)")
    assert sum("SLAP" in str(name) for name in names) >= 2


def test_guess_then_reveal(place):
    run(place, 30)
    assert not place.is_visible("#view-beliefs")
    assert place.is_disabled("#button-reveal")
    place.locator("input[name=what]").first.check()
    assert place.is_disabled("#button-reveal")
    place.locator("input[name=where]").nth(1).check()
    place.click("#button-reveal")
    assert_revealed(place)
    verdict = place.inner_text(".slap-verdict")
    assert verdict.startswith("You guessed a")
    assert ("✓ right" in verdict) or ("✗ wrong" in verdict)
    assert "You" in [text.split("\n")[0] for text in place.locator(".slap-beliefs th[scope=row]").all_inner_texts()]
    cells = place.locator(".slap-beliefs td[data-words]")
    assert cells.count() % (place.locator(".slap-numbers th[scope=col]").count()) == 1  # one cell is the person's own
    place.hover(".slap-beliefs td[data-words]")
    place.mouse.move(2, 2)
    place.focus(".slap-beliefs")
    assert place.inner_text(".slap-readout").startswith("Truth. Frame")
    place.keyboard.press("ArrowRight")
    place.keyboard.press("ArrowDown")
    place.keyboard.press("ArrowDown")
    assert place.inner_text(".slap-readout").startswith(("ZOH. Frame", "LERP. Frame"))
    assert_quiet(place)


def test_guess_of_nothing_needs_no_place_and_a_new_scene_is_sealed(place):
    run(place, 8)
    place.locator("input[name=what][value='-1']").check()
    assert place.locator("input[name=where]").first.is_disabled()
    place.click("#button-reveal")
    assert_revealed(place)
    assert "You guessed nothing" in place.inner_text(".slap-verdict")
    before = place.inner_text("#view-guess .slap-headline")
    place.click("#button-surprise")
    place.wait_for_function(
        "(before) => document.querySelector('#view-guess').dataset.state === 'ready'"
        " && document.querySelector('#view-guess .slap-headline').textContent !== before",
        arg=before,
    )
    assert not place.is_visible("#view-beliefs")
    place.click(".slap-skip")
    assert_revealed(place)
    assert place.inner_text(".slap-verdict").startswith("You did not guess.")
    assert_quiet(place)


def test_a_seed_that_there_is_not_is_a_sentence(place):
    place.fill("#tunnel-seed input", "5000000000")
    place.press("#tunnel-seed input", "Tab")
    place.click("#button-tunnel-run")
    place.wait_for_selector("#view-guess[data-state=failed]")
    assert "The seed must be a whole number from 0" in place.inner_text("#view-guess .slap-waiting")
    assert_quiet(place)


def test_little_motion_on_a_narrow_screen(browser, place, address):
    place.set_viewport_size({"width": 390, "height": 844})
    place.emulate_media(reduced_motion="reduce")
    run(place, 30)
    assert place.inner_text(".slap-play") == "Play"
    place.click(".slap-skip")
    assert_revealed(place)
    assert place.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert_quiet(place)


def test_the_way_here_and_back(page):
    page.get_by_role("link", name="Tunnel test").click()
    page.wait_for_selector("#view-guess[data-state=empty]")
    page.get_by_role("link", name="Explore").click()
    page.wait_for_selector("#view-certificate[data-state=empty]")


def test_the_endpoint(address):
    client = Client(address, verbose=False)
    numbers = client.predict(seed=30, outcome="through", api_name="/tunnel_test")
    assert numbers["scene"]["outcome"] == "through"
    assert len(numbers["methods"]) == METHODS
    with pytest.raises(Exception, match="no outcome 'vanishes' to choose"):
        client.predict(seed=30, outcome="vanishes", api_name="/tunnel_test")
