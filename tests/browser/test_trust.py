"""What a stranger writes is shown as text, and what fails says so in one sentence and leaves the page as it was."""

import pytest
import uploads

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(2)>",
    '"><script>alert(3)</script>',
    "'-alert(4)-'",
    "<a href='javascript:alert(5)'>a</a>",
    "{{constructor.constructor('alert(6)')()}}",
    "${alert(7)}",
)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return uploads.Workshop(tmp_path_factory.mktemp("uploads"))


def kind(slug):
    return next(kind for kind in uploads.KINDS if kind.slug == slug)


def upload(page, path):
    page.set_input_files("#input-video input[type=file]", path)
    page.wait_for_selector("#input-video video")


def ended(page):
    page.wait_for_function(
        "() => document.querySelector('.slap-status').dataset.state !== 'loading'"
        " && !document.querySelector('#button-run').disabled"
    )
    return page.inner_text(".slap-sentence")


def run(page):
    page.wait_for_selector("#button-run:not([disabled])")
    # The end of the run before is not the end of this one.
    page.evaluate("() => { document.querySelector('.slap-status').dataset.state = 'loading'; }")
    page.click("#button-run")
    page.wait_for_selector("#view-certificate[data-state=loading], #view-certificate[data-state=ready]")
    return ended(page)


def refused(page, words):
    page.click("#button-run:not([disabled])")
    page.wait_for_function("(words) => document.querySelector('.slap-sentence').textContent.includes(words)", arg=words)
    return ended(page)


def test_markup_is_text_everywhere(page, server, workshop, tmp_path):
    """In the file's name and metadata, the query, the concepts, and the address; pictures and scripts would open a
    dialog, which the page's watch records.
    """
    path = tmp_path / "<img src=x onerror=alert(8)>'&.mp4"
    path.write_bytes(workshop.file(kind("markup_inside.mp4")).read_bytes())
    upload(page, path)
    page.fill("#input-query textarea, #input-query input", " ".join(PAYLOADS)[:200])
    page.fill("#input-concepts textarea, #input-concepts input", ", ".join(p[:60] for p in PAYLOADS[:6]))
    assert run(page).startswith("Done in")
    for name in ("map", "concepts", "sees"):
        page.wait_for_selector(f"#view-{name}[data-state=ready]")
    page.evaluate("() => document.querySelectorAll('#views details').forEach((one) => { one.open = true; })")
    page.evaluate(
        "() => { const plot = document.querySelector('#view-map .slap-plot'); const at = plot.data.findIndex("
        "(t) => t.name === 'query'); Plotly.Fx.hover(plot, [{curveNumber: at, pointNumber: 0}]); }"
    )
    assert "onerror" in page.inner_text("#views")  # it is there, as text
    foreign = page.evaluate(
        "() => [...document.querySelectorAll('img[src=x], svg[onload], [onerror], a[href^=javascript]')]"
        ".map((e) => e.outerHTML.slice(0, 100))"
    )
    assert foreign == []
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert not [one for one in ids if "alert" in one or "<" in one]
    page.wait_for_timeout(500)
    assert [error for error in page.watch.errors if "dialog" in error] == []
    assert page.watch.elsewhere == []
    # Nor does the server's log, in which somebody may read them, or a terminal obey them, hold a stranger's words.
    assert not [line for line in server.log.splitlines() if "alert" in line or "onerror" in line]


def test_markup_in_the_address_is_text(page, address):
    page.goto(f"{address}?query=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&concepts=%3Csvg%2Fonload%3Dalert(2)%3E")
    page.wait_for_selector("#view-certificate[data-state=sample]")
    page.wait_for_timeout(500)
    assert page.locator("img[src=x]").count() == 0
    assert [error for error in page.watch.errors if "dialog" in error] == []


REFUSED = {
    "playlist_away.mp4": "is not a video that can be read here",
    "sound_only.mp4": "holds no moving picture",
    "16k.mkv": "more than the 36 megapixels allowed",
    "cut_without_index.mp4": "its index (the 'moov' box) is missing",
}


def test_each_failure_is_one_sentence_and_the_rest_of_the_page_stays(page, workshop):
    page.fill("#input-query textarea, #input-query input", "a blue bus")
    page.locator("#input-keep-every input[type=number]").fill("7")
    for slug, words in REFUSED.items():
        page.set_input_files("#input-video input[type=file]", workshop.file(kind(slug)))
        page.wait_for_selector("#input-video button[aria-label=Clear]")
        sentence = refused(page, words)
        assert sentence.count(". ") <= 2
        assert sentence.endswith(".")
        assert words in page.inner_text("#view-strip .slap-waiting")
        assert page.input_value("#input-query textarea, #input-query input") == "a blue bus"
        assert page.locator("#input-keep-every input[type=number]").input_value() == "7"
        assert page.is_enabled("#button-run")
        assert "Traceback" not in page.content()
        page.click("#input-video button[aria-label=Clear]")
    # What was only damaged is shown, with a warning; and the page still runs.
    page.set_input_files("#input-video input[type=file]", workshop.file(kind("cut_at_half.mp4")))
    page.wait_for_selector("#input-video button[aria-label=Clear]")
    assert run(page).startswith("Done in")
    page.wait_for_selector("#view-strip[data-state=ready]")
    assert "The file is incomplete" in page.inner_text("#view-strip")
    assert page.input_value("#input-query textarea, #input-query input") == "a blue bus"


def test_a_file_that_the_browser_cannot_play_is_named_beside_the_video_and_can_be_cleared(page, workshop):
    page.set_input_files("#input-video input[type=file]", workshop.file(kind("cut_without_index.mp4")))
    page.wait_for_selector("#upload-said p")
    assert "This browser cannot play the file. Press Run" in page.inner_text("#upload-said")
    page.wait_for_timeout(1000)  # in which gradio would lay its own words over the video
    assert page.locator("#input-video .error, .toast-body").count() == 0
    page.click("#input-video button[aria-label=Clear]")
    page.wait_for_selector("#input-video input[type=file]", state="attached")
    assert page.inner_text("#upload-said") == ""


def test_an_upload_that_is_too_large_says_so(page, tmp_path):
    path = tmp_path / "large.mp4"
    with path.open("wb") as file:
        file.truncate(120 << 20)
    page.set_input_files("#input-video input[type=file]", path)
    page.wait_for_selector("#upload-said p")
    assert "“large.mp4” has 120 MB, more than the 100 MB allowed" in page.inner_text("#upload-said")
    assert page.is_enabled("#button-run")
    page.click("#example-0")
    page.wait_for_selector("#input-video video")
