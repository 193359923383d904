"""The tunnel test, as a person does it: choose a scene, guess, reveal, read what the methods believe."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

METHODS = 9


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


def test_the_place_is_worth_reading_before_anything_is_run(place):
    assert "oracle" in place.inner_text("#tunnel-findings")
    assert place.locator("#tunnel-findings img[alt*='95 % intervals']").count() == 1


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
    source = place.locator("#view-beliefs details", has_text="Where this figure comes from")
    source.locator("summary").click()
    assert 'tunnel_test(seed=30, query="generic")' in source.inner_text()
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
    page.wait_for_selector("#view-certificate[data-state=sample]")


def test_stop_ends_the_run_and_what_came_stays(place):
    place.fill("#tunnel-seed input", "30")
    place.press("#tunnel-seed input", "Tab")
    assert place.is_disabled("#button-tunnel-stop")
    place.click("#button-tunnel-run")
    place.wait_for_function(
        "() => { if (document.querySelector('#view-guess').dataset.state !== 'ready') return false;"
        "document.querySelector('#button-tunnel-stop').click(); return true; }"
    )
    assert place.inner_text(".slap-sentence") == "Stopped."
    place.wait_for_timeout(2000)  # late news is not shown
    assert place.inner_text(".slap-sentence") == "Stopped."
    assert place.is_disabled("#button-tunnel-stop")
    assert place.is_enabled("#button-tunnel-run")
    assert place.get_attribute("#view-guess", "data-state") == "ready"
    place.locator("input[name=what][value='-1']").check()
    place.click("#button-reveal")
    assert place.inner_text("#view-scan .slap-waiting").startswith("Stopped before this was computed.")
    assert "You guessed nothing: ✗ wrong" in place.inner_text("#view-beliefs")
    # The server is free again, and nothing of the stopped run comes into the next.
    run(place, 8)
    place.click(".slap-skip")
    assert_revealed(place)
    assert place.inner_text(".slap-sentence").startswith("Done")
    assert place.is_disabled("#button-tunnel-stop")
    assert_quiet(place)


def test_the_address_holds_the_choices(page, address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}tunnel-test?seed=12&outcome=stays&colour=pink&hidden=eternal&other=kept&kind=bus")
    page.wait_for_function("() => document.querySelector('#tunnel-seed input')?.value === '12'")
    shown = {name: page.input_value(f"#tunnel-{name} input") for name in ("outcome", "object", "colour", "hidden")}
    assert shown == {"outcome": "stays", "object": "bus", "colour": "any", "hidden": "any"}
    page.fill("#tunnel-seed input", "13")
    page.press("#tunnel-seed input", "Tab")
    page.click("#button-tunnel-run")
    page.wait_for_selector("#view-guess[data-state=ready]")
    assert page.url == f"{address}tunnel-test?seed=13&outcome=stays&other=kept&kind=bus"
    page.fill("#tunnel-seed input", "14")
    page.press("#tunnel-seed input", "Tab")
    page.click("#button-tunnel-link")
    page.wait_for_function("() => document.querySelector('#tunnel-copied p')?.textContent")
    assert page.inner_text("#tunnel-copied p") == "The link is copied."
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.url == f"{address}tunnel-test?seed=14&outcome=stays&other=kept&kind=bus"
    page.wait_for_function("() => document.querySelector('.slap-sentence').textContent.startsWith('Done')")
    assert_quiet(page)
    page.goto(copied)
    page.wait_for_function("() => document.querySelector('#tunnel-seed input')?.value === '14'")


def test_an_address_is_read_by_its_table(page):
    words, whole, fine = {"values": ["a", "b"]}, {"low": 0, "high": 10}, {"low": 0, "high": 10, "step": 0.01}
    allowed = [(words, "b", "b"), (whole, "7", 7), (fine, "0.07", 0.07), ({"longest": 5}, "a <b>", "a <b>")]
    refused = [(words, "c"), (words, "toString"), (whole, "7.5"), (whole, "11"), (whole, "-1"), (whole, "")]
    refused += [(whole, "1e1"), (fine, "0.075"), ({"longest": 5}, "a <b>c")]
    read = "([table, text]) => slap.links.read(table, new URLSearchParams({x: text}).toString())"
    write = "([table, value]) => new URL(slap.links.address(table, [value])).search"
    for row, text, value in [*allowed, *((*one, None) for one in refused)]:
        table = [{"name": "x", "initial": "initial", **row}]
        assert page.evaluate(read, [table, text]) == ["initial" if value is None else value], (row, text)
        said = page.evaluate("(text) => '?' + new URLSearchParams({x: text})", text)
        assert page.evaluate(write, [table, value]) == ("" if value is None else said), (row, text)
    assert page.evaluate("() => slap.links.read([{name: 'x', initial: 3, low: 0, high: 5}], '')") == [3]


def test_the_whole_game_by_keyboard(place):
    press = place.keyboard.press

    def focused(look):
        return place.evaluate(f"() => document.activeElement.{look}")

    def tab_to(look, wanted, most=12):
        for _ in range(most):
            press("Tab")
            if focused(look) == wanted:
                assert place.evaluate(
                    "() => { let e = document.activeElement; e = e.closest('.slap-option') || e;"
                    "const s = getComputedStyle(e); return s.outlineStyle !== 'none' || s.boxShadow !== 'none'; }"
                ), f"the focus on {wanted} does not show"
                return
        pytest.fail(f"{wanted} is not reached by {most} tabs")

    place.focus("#tunnel-seed input")
    tab_to("id", "button-tunnel-run")
    press("Enter")
    place.wait_for_selector("#view-guess[data-state=ready]")
    assert focused("id") == "view-guess"
    tab_to("name", "what", 5)
    press("ArrowDown")
    assert place.locator("input[name=what]:checked").count() == 1
    tab_to("name", "where", 2)
    press("Space")
    tab_to("id", "button-reveal", 2)
    press("Enter")
    place.wait_for_selector("#view-beliefs[data-state=ready]")
    assert focused("className") == "slap-verdict"
    assert place.inner_text(".slap-verdict").startswith("You guessed a")
    tab_to("className", "slap-beliefs", 5)
    press("ArrowRight")
    assert place.inner_text(".slap-readout").startswith("Truth. Frame")
    assert_revealed(place)
    assert_quiet(place)
