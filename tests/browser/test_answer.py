"""A question in the real page: the answer comes, names what it rests on, and marks it in the figures of a run."""

import pytest
from test_page import assert_quiet, run, wait_for_all

pytestmark = [pytest.mark.browser, pytest.mark.slow]

QUESTION = "#input-question :is(textarea, input)"
TEXT = ".slap-answer-text"
MARKS = ".is-rest, .slap-rests:not([hidden])"
CURSOR = "() => Number(document.querySelector('#view-strip .is-cursor')?.dataset.frame ?? -1)"


def choose(page, example=0):
    page.click(f"#example-{example}")
    page.wait_for_selector("#input-video video")
    page.wait_for_selector("#button-run:not([disabled])")


def wait_for_answer(page):
    page.wait_for_selector(".slap-answer[data-state=ready], .slap-answer[data-state=failed]")
    assert page.get_attribute(".slap-answer", "data-state") == "ready", page.inner_text(".slap-answer-status")
    assert page.is_enabled("#button-ask")
    assert page.is_disabled("#button-ask-stop")


def ask(page, question):
    page.fill(QUESTION, question)
    page.click("#button-ask")
    wait_for_answer(page)


def test_an_answer_comes_and_its_evidence_is_marked_after_a_run(page):
    choose(page)
    assert page.locator(".slap-answer-empty button").count() == 4
    words = page.locator(".slap-answer-empty button").nth(1)
    words.click()
    assert page.input_value(QUESTION) == words.text_content()
    assert page.evaluate(f"() => document.activeElement.matches('{QUESTION}')")
    page.click("#button-ask")
    wait_for_answer(page)
    assert page.inner_text(TEXT)
    said = page.inner_text(".slap-answer-facts")
    assert "bundled. From the slots of the kept frames and the recovered path" in said
    assert "a red car" in said
    assert page.locator(".slap-answer-facts dd").nth(2).locator("button").count() == 4
    assert "question=where+is+the+red+car" in page.url

    # The figures still show another clip: nothing is marked there, and the frames' buttons move the video.
    assert page.locator(MARKS).count() == 0
    assert "press Run" in page.inner_text(".slap-answer .slap-turn")
    second = page.locator(".slap-answer-facts dd").nth(2).locator("button", has_text="1.25 s")
    second.click()
    page.wait_for_function("() => Math.abs(document.querySelector('#input-video video').currentTime - 1.25) < 0.02")

    run(page)
    wait_for_all(page)
    strip = "() => [...document.querySelectorAll('#view-strip .is-rest')].map((e) => Number(e.dataset.frame))"
    assert page.evaluate(strip) == page.evaluate("() => slap.strip.kept")
    assert "the answer rests on it" in page.get_attribute("#view-strip .is-rest", "aria-label")
    for place in ("#view-energies .slap-plot", "#view-slots .slap-timeline", "#view-concepts .slap-area"):
        assert page.locator(f"{place} > .slap-rests:not([hidden])").count() >= 1
    assert page.locator("#view-slots .slap-key.is-rest").count() >= 1
    assert page.locator("#view-slots .slap-masks .is-rest").count() >= 1

    second.click()
    assert page.evaluate(CURSOR) == page.evaluate("() => slap.strip.times.findIndex((t) => Math.abs(t - 1.25) < 0.01)")
    page.click("#button-rests")
    assert page.locator(MARKS).count() == 0
    page.click("#button-rests")
    assert page.locator(MARKS).count() >= 8

    # A new run takes them away, and they do not come back by themselves.
    page.locator("#input-coupling input[type=number]").fill("0.1")
    run(page)
    assert page.locator(MARKS).count() == 0
    wait_for_all(page)
    assert page.locator(MARKS).count() == 0
    assert page.inner_text("#button-rests") == "Mark it in the figures"

    # The address asks the same again; the run is not asked for again by it.
    page.reload()
    page.wait_for_selector(".slap-sentence:has-text('last run')")
    page.wait_for_function(
        "(selector) => document.querySelector(selector)?.value === 'where is the red car halfway?'", arg=QUESTION
    )
    page.wait_for_function("() => document.querySelector('#input-coupling input[type=number]')?.value === '0.1'")
    assert_quiet(page)


def test_markup_in_a_question_is_text_and_unknown_words_are_named(page):
    choose(page)
    ask(page, "where is the <img src=x onerror=alert(1)> quark halfway?")
    assert "<img src=x" in page.inner_text(".slap-answer-question")
    assert "quark" in page.inner_text(".slap-answer-facts")
    assert page.locator("img[src=x]").count() == 0
    assert_quiet(page)


def test_what_cannot_be_asked_is_one_sentence(page):
    page.click("#button-ask")
    page.wait_for_selector(".slap-answer[data-state=failed]")
    assert page.inner_text(".slap-answer-status").startswith("There is no video yet")
    choose(page)
    page.click("#button-ask")
    page.wait_for_function(
        "() => document.querySelector('.slap-answer-status').textContent.startsWith('There is no q')"
    )
    page.click("#ask-language button")
    page.fill("#input-language :is(textarea, input)", "the cleverest")
    page.fill(QUESTION, "where is the car?")
    page.click("#button-ask")
    page.wait_for_function(
        "() => document.querySelector('.slap-answer-status').textContent.includes('is not the name of a language')"
    )
    assert page.is_enabled("#button-ask")
    assert_quiet(page)


def test_a_question_by_keyboard_alone(page):
    choose(page)
    page.focus(QUESTION)
    page.keyboard.type("how many objects are there at last?")
    page.keyboard.press("Enter")
    wait_for_answer(page)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.matches('.slap-answer-facts .slap-chip')"):
            break
    else:
        pytest.fail("no frame can be reached by Tab")
    page.keyboard.press("Tab")
    time = float(page.evaluate("() => document.activeElement.textContent").removesuffix(" s"))
    page.keyboard.press("Enter")
    page.wait_for_function(
        "(t) => Math.abs(document.querySelector('#input-video video').currentTime - t) < 0.02", arg=time
    )
    assert_quiet(page)


def test_stop_ends_an_answer_and_frees_the_box(page):
    choose(page, 4)
    page.fill("#input-keep-every input[type=number]", "2")
    page.fill(QUESTION, "where is the green boat halfway?")
    page.click("#button-ask")
    page.click("#button-ask-stop:not([disabled])")
    assert page.inner_text(".slap-answer-status") == "Stopped."
    assert page.is_enabled("#button-ask")
    ask(page, "where is the green boat at last?")
    assert "at last" in page.inner_text(".slap-answer-question")
    assert_quiet(page)


def test_an_answer_on_a_narrow_screen_needs_no_sideways_scroll(page):
    page.set_viewport_size({"width": 390, "height": 844})
    choose(page)
    page.fill("#input-keep-every input[type=number]", "4")
    ask(page, "where is the red car " + "x" * 150)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert_quiet(page)
