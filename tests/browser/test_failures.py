"""What the server refuses before a run begins, and a connection that is lost: a sentence, and all stays as it was."""

import pathlib

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLIP = pathlib.Path(__file__).resolve().parents[2] / "assets" / "clips" / "car_stays.mp4"
QUERY = "#input-query textarea, #input-query input"


@pytest.fixture
def filled(page):
    """The page with an example and words of one's own."""
    page.click("#example-0")
    page.wait_for_selector("#input-video video")
    page.fill(QUERY, "a blue bus")
    return page


def stays(page):
    """Whether all is as it was: the words, the example's views, and a button that may be pressed."""
    page.wait_for_selector("#button-run:not([disabled])")
    assert page.input_value(QUERY) == "a blue bus"
    assert page.locator("#view-map .slap-plot").count() == 1
    assert page.locator("[data-state=loading]").count() == 0


def sentence(page, words):
    page.wait_for_function(
        "(words) => document.querySelector('.slap-sentence')?.textContent.includes(words)", arg=words
    )


def test_a_full_queue_says_so(filled):
    full = '{"detail": "Queue is full. Max size is 20 and size is 20."}'
    filled.route("**/queue/join*", lambda route: route.fulfill(status=503, body=full, content_type="application/json"))
    filled.click("#button-run")
    sentence(filled, "The server could not take this run: too many are waiting")
    stays(filled)


def test_a_lost_connection_leaves_video_and_settings(filled):
    """gradio loads the page again as soon as the server answers; the address holds what had been chosen."""
    filled.route("**/queue/join*", lambda route: route.abort(), times=1)
    with filled.expect_event("load"):
        filled.click("#button-run")
    filled.wait_for_selector("#input-video video")
    filled.wait_for_function("(query) => document.querySelector(query)?.value === 'a blue bus'", arg=QUERY)
    filled.click("#button-run:not([disabled])")
    sentence(filled, "Done in")


def test_no_room_for_an_upload_says_so(page):
    words = "The server has no room for another video. Try again in a few minutes."
    page.fill(QUERY, "a blue bus")
    page.route("**/upload?*", lambda route: route.fulfill(status=507, body=words, content_type="text/plain"))
    page.set_input_files("#input-video input[type=file]", CLIP)
    page.wait_for_function("(words) => document.body.innerText.includes(words)", arg=words)
    page.unroute("**/upload?*")
    stays(page)
    page.click("#example-0")
    page.wait_for_selector("#input-video video")
