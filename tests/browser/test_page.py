"""The main job, as a person does it: choose a clip, press Run, see every figure."""

import pathlib

import gradio
import pytest

from slap_core.views.titles import TITLES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WORLD = pathlib.Path(gradio.__file__).parent / "media_assets" / "videos" / "world.mp4"
METHODS = {"ZOH", "LERP", "SLERP", "Latent ODE", "SLAP"}
MAP = {*METHODS, *(f"{method} recovered" for method in METHODS), "true path", "anchors", "query", "axes"}


def state(page, name):
    return page.get_attribute(f"#view-{name}", "data-state")


def run(page):
    page.wait_for_selector("#button-run:not([disabled])")
    # The end of the run before is not the end of this one.
    page.evaluate("() => { document.querySelector('.slap-status').dataset.state = 'loading'; }")
    page.click("#button-run")
    page.wait_for_selector("#view-certificate[data-state=loading], #view-certificate[data-state=ready]")


def wait_for_all(page):
    """Wait for the end of the run, with every view ready."""
    page.wait_for_function(
        "() => document.querySelector('.slap-status').dataset.state !== 'loading'"
        " && !document.querySelector('#button-run').disabled"
    )
    sentence = page.inner_text(".slap-sentence")
    assert sentence.startswith("Done in"), sentence
    for name in TITLES:
        page.wait_for_selector(f"#view-{name}[data-state=ready]")


def traces(page, name):
    return page.evaluate(f"() => document.querySelector('#view-{name} .slap-plot').data.map((trace) => trace.name)")


def assert_whole(page):
    assert set(traces(page, "map")) == MAP
    assert {"drift", "alignment", "action"} <= set(traces(page, "resonance"))
    assert set(traces(page, "energies")) == METHODS | {f"{method} action" for method in METHODS}
    frames = page.locator("#view-strip .slap-frame").count()
    assert 0 < page.locator("#view-strip .slap-frame.is-dropped").count() < frames
    assert page.locator("#view-slots .slap-masks canvas").count() >= 1
    assert page.locator("#view-slots .slap-cell").count() == 16
    assert page.locator("#view-slots .slap-timeline span").count() >= 1
    assert "rad" in page.inner_text("#view-certificate .slap-headline")
    for name in TITLES:
        assert page.inner_text(f"#view-{name} .slap-headline").strip()


def assert_quiet(page):
    assert page.watch.elsewhere == []
    assert page.watch.errors == []


def test_bundled_example_in_two_clicks(page):
    page.click("#example-0")
    run(page)
    wait_for_all(page)
    assert_whole(page)
    assert page.inner_text("#view-map .slap-caption").startswith(("UMAP", "PCA"))

    # The x-ray outlines an object in every frame in which it is there; hiding it leaves the frames alone.
    xray = "() => [...document.querySelectorAll('#view-objects .slap-masks canvas')].map((c) => c.toDataURL())"
    outlined = page.evaluate(xray)
    assert len(outlined) == 12
    assert page.locator("#view-objects .slap-sighting .is-hidden").count() >= 1
    for key in page.locator("#view-objects .slap-key").all():
        key.click()
    page.wait_for_function(f"(before) => ({xray})().some((url, k) => url !== before[k])", arg=outlined)

    # A slot that is hidden leaves the pictures.
    canvas = "() => document.querySelector('#view-slots .slap-masks canvas').toDataURL()"
    before = page.evaluate(canvas)
    page.locator("#view-slots .slap-keys .slap-key-all").click()
    page.wait_for_function(f"(before) => ({canvas})() !== before", arg=before)

    # Pointing at an anchor on the map shows its frame at once and marks it in the strip.
    page.evaluate(
        "() => { const plot = document.querySelector('#view-map .slap-plot');"
        "const curve = plot.data.findIndex((trace) => trace.name === 'anchors');"
        "plot.emit('plotly_hover', {event: {clientX: 200, clientY: 200},"
        "points: [{customdata: plot.data[curve].customdata[0], data: plot.data[curve]}]}); }"
    )
    assert "frame 0" in page.inner_text(".slap-card")
    assert page.get_attribute("#view-strip .is-cursor", "data-frame") == "0"

    # The same page in the dark: the ink of the figures turns light.
    colour = "() => document.querySelector('#view-map .slap-plot').data.find((t) => t.name === 'anchors').marker.color"
    light = page.evaluate(colour)
    page.evaluate("() => document.body.classList.add('dark')")
    page.wait_for_function(f"(light) => ({colour})() !== light", arg=light)
    assert_quiet(page)


def test_uploaded_video_after_a_broken_one(page, tmp_path):
    broken = tmp_path / "holiday.mp4"
    broken.write_bytes(WORLD.read_bytes()[:2000])
    page.set_input_files("#input-video input[type=file]", broken)
    page.wait_for_selector("#input-video video")
    page.click("#button-run:not([disabled])")
    page.wait_for_selector("#view-strip[data-state=failed]")
    sentence = page.inner_text("#view-strip .slap-waiting")
    assert "holiday.mp4" in sentence
    assert "Traceback" not in page.content()
    assert state(page, "map") == "failed"
    page.watch.errors.clear()  # the browser's own player complains about the broken file

    page.click("#input-video button[aria-label=Clear]")
    page.set_input_files("#input-video input[type=file]", WORLD)
    page.wait_for_selector("#input-video video")
    page.fill("#input-query textarea, #input-query input", "<img src=x onerror=alert(1)> a blue planet")
    run(page)
    wait_for_all(page)
    assert_whole(page)
    assert_quiet(page)


def test_without_a_video_a_sentence_says_so(page):
    page.click("#button-run")
    page.wait_for_selector("#view-strip[data-state=failed]")
    assert "There is no video yet" in page.inner_text("#view-strip .slap-waiting")
    assert_quiet(page)


def test_stop_ends_the_run_and_frees_the_page(page):
    page.click("#example-0")
    page.wait_for_selector("#button-run:not([disabled])")
    page.fill("#input-query textarea, #input-query input", "a bird that nobody has asked for")  # nothing remembered
    page.click("#button-run")
    page.wait_for_function(
        "() => { const stop = document.querySelector('#button-stop');"
        "const strip = document.querySelector('#view-strip').dataset.state;"
        "if (stop.disabled || !['loading', 'ready'].includes(strip)) return false;"
        "stop.click(); return true; }"
    )
    page.wait_for_function("() => document.querySelector('.slap-sentence').textContent === 'Stopped.'")
    # What has come stays, and nothing waits for more: how far the run gets before the click depends on the machine.
    assert {state(page, name) for name in TITLES} <= {"ready", "empty"}
    run(page)
    wait_for_all(page)
    assert_quiet(page)


def test_findings_are_told_with_their_figures(page):
    page.get_by_role("button", name="What has been measured").click()
    pictures = page.locator("#findings img")
    pictures.nth(1).wait_for(state="attached")  # the fold fills after the click
    assert pictures.count() == 2
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        page.wait_for_function("image => image.complete && image.naturalWidth > 300", arg=picture.element_handle())
    assert "oracle" in page.locator("#findings").inner_text()


def test_narrow_screen_needs_no_sideways_scroll(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.click("#example-0")
    run(page)
    wait_for_all(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert_quiet(page)


def test_controls_have_names_for_those_who_cannot_see_them(page):
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('button, input, textarea, summary')]"
        ".filter((e) => e.offsetParent && e.type !== 'file')"
        ".filter((e) => !(e.innerText || e.getAttribute('aria-label') || e.title || e.labels?.length))"
        ".map((e) => e.outerHTML.slice(0, 120))"
    )
    assert unnamed == []
    assert page.locator("[aria-live]").count() >= 1
