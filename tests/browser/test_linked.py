"""The figures are one instrument: one cursor and one lambda run through all of them, without asking the server."""

import pytest
from test_page import assert_quiet, run, wait_for_all

from slap_core.sampling import frame_list

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FOLLOWERS = (
    "#view-strip .slap-frame.is-cursor",
    "#view-map .slap-dot.is-true:not([hidden])",
    "#view-map .slap-dot.is-slap:not([hidden])",
    "#view-energies .slap-rule:not([hidden])",
    "#view-slots .slap-masks .is-cursor",
    "#view-slots .slap-timeline .slap-now:not([hidden])",
    "#view-objects .slap-masks .is-cursor",
    "#view-objects .slap-now:not([hidden])",
)
CURSOR = "() => Number(document.querySelector('#view-strip .is-cursor')?.dataset.frame ?? -1)"
SLAP = (
    "() => { const plot = document.querySelector('#view-map .slap-plot');"
    "return Array.from(plot._fullData.find((t) => t.name === 'SLAP recovered').x); }"
)
PULL = (
    "() => { const plot = document.querySelector('#view-energies .slap-plot');"
    "return Array.from(plot._fullData.filter((t) => t.name === 'SLAP')[1].y); }"
)


@pytest.fixture
def ready(page):
    page.click("#example-0")
    run(page)
    wait_for_all(page)
    page.evaluate("() => document.activeElement.blur()")
    return page


def following(page):
    return [name for name in FOLLOWERS if page.locator(name).count()]


def test_one_cursor_runs_through_every_figure(ready):
    page = ready
    assert following(page) == []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.evaluate(CURSOR) == 2
    assert following(page) == list(FOLLOWERS)
    assert page.inner_text(".slap-cursor").startswith("Frame 2, ")
    assert "drift: ZOH" in page.inner_text(".slap-cursor")
    # The video goes there.
    time = page.evaluate("() => slap.strip.times[2]")
    page.wait_for_function(f"() => Math.abs(document.querySelector('#input-video video').currentTime - {time}) < 0.02")

    # Pointing borrows the cursor, leaving gives it back, a click keeps it.
    strip = "#view-strip [data-frame='9']"
    page.hover(strip)
    assert page.evaluate(CURSOR) == 9
    page.hover("#view-strip .slap-title")
    assert page.evaluate(CURSOR) == 2
    page.click(strip)
    page.hover("#view-strip .slap-title")
    assert page.evaluate(CURSOR) == 9

    # The video takes it along, sought or playing.
    page.evaluate("() => { document.querySelector('#input-video video').currentTime = slap.strip.times[20] + 0.001; }")
    page.wait_for_function(f"({CURSOR})() === 20")
    page.keyboard.press("Space")
    page.wait_for_function(f"({CURSOR})() > 24")
    page.keyboard.press("Space")
    page.wait_for_function("() => document.querySelector('#input-video video').paused")

    page.keyboard.press("Escape")
    assert following(page) == []
    # In the query arrows move the caret, not the cursor. Focus may scroll what then lies below the pointer.
    page.mouse.move(0, 0)
    page.focus("#input-query textarea, #input-query input")
    page.keyboard.press("ArrowRight")
    assert following(page) == []

    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("?")
    assert "one frame back" in page.inner_text("dialog[open]")
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0

    sweep = "for (let k = 0; k < 60; k++) slap.point(k, '')"
    took = page.evaluate(f"() => {{ const start = performance.now(); {sweep}; return performance.now() - start; }}")
    assert took / 60 < 100  # milliseconds
    assert_quiet(page)


def test_a_lambda_that_is_turned_moves_path_and_energies_and_keeps_the_zoom(ready):
    page = ready
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    path, pull = page.evaluate(SLAP), page.evaluate(PULL)
    chosen = int(page.input_value(".slap-lambda input"))
    page.evaluate(
        "() => slap.plotly().then((Plotly) => Plotly.relayout(document.querySelector('#view-map .slap-plot'),"
        "{'xaxis.range': [0, 10], 'yaxis.range': [0, 10]}))"
    )
    zoom = "() => document.querySelector('#view-map .slap-plot')._fullLayout.xaxis.range.slice()"
    before = page.evaluate(zoom)
    page.locator(".slap-lambda input").fill("15")
    page.wait_for_function(f"(path) => ({SLAP})().some((x, i) => x !== path[i])", arg=path)
    page.wait_for_function(f"(pull) => ({PULL})().some((y, i) => y !== pull[i])", arg=pull)
    assert page.inner_text(".slap-lambda output").startswith("10 · drift ")
    assert page.locator("#view-resonance .slap-rule:not([hidden])").count() == 1
    assert page.evaluate(zoom) == before

    # Pointing at the curve borrows it too.
    emit = (
        "(name) => { const plot = document.querySelector('#view-resonance .slap-plot');"
        "plot.emit(name, {points: [{data: plot.data[0], pointNumber: 3}]}); }"
    )
    page.evaluate(emit, "plotly_hover")
    assert page.input_value(".slap-lambda input") == "3"
    page.evaluate(emit, "plotly_unhover")
    assert page.input_value(".slap-lambda input") == "15"
    page.evaluate(emit, "plotly_click")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("[")
    assert page.input_value(".slap-lambda input") == "2"

    # What was drawn first comes back as it was.
    page.locator(".slap-lambda input").fill(str(chosen))
    page.wait_for_function(f"(path) => ({SLAP})().every((x, i) => x === path[i])", arg=path)
    page.locator(".slap-lambda input").fill("11")
    page.click(".slap-lambda button")
    value = page.evaluate("() => slap.scan.couplings[11]")
    assert float(page.input_value("#input-coupling input[type=number]")) == value
    assert not [url for url in requests if "queue" in url or "run" in url]
    assert_quiet(page)


def test_zoom_cursor_and_selection_survive_another_run_with_another_lambda(ready):
    page = ready
    figures = ("map", "resonance", "energies")
    axis = "(name) => document.querySelector(`#view-${name} .slap-plot`)._fullLayout.xaxis.range.slice()"
    truth = page.evaluate(PLACES, "true path")
    for name in figures:  # panned by hand
        before = page.evaluate(axis, name)
        area = page.locator(f"#view-{name} .nsewdrag").first
        area.scroll_into_view_if_needed()
        box = area.bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 30)
        page.mouse.down()
        page.mouse.move(box["x"] + 240, box["y"] + 50, steps=4)
        page.mouse.up()
        page.wait_for_function(f"([name, before]) => ({axis})(name)[0] < before[0]", arg=[name, before])
    page.evaluate("() => { slap.seek(7, ''); slap.showSelected([3, 4]); }")
    zooms = [page.evaluate(axis, name) for name in figures]
    page.locator("#input-coupling input[type=number]").fill("0.3")
    page.keyboard.press("Tab")
    run(page)
    wait_for_all(page)
    assert page.evaluate("() => slap.scan.couplings[slap.scan.chosen]") == pytest.approx(0.3)
    assert page.evaluate(PLACES, "true path") == truth  # the map is where it was
    for name, zoom in zip(figures, zooms, strict=True):
        assert page.evaluate(axis, name) == pytest.approx(zoom)
    assert page.evaluate(CURSOR) == 7
    assert page.locator(".slap-chosen [data-frame]").count() == 2
    # So they do when the page turns dark; another clip begins afresh.
    page.evaluate("() => document.body.classList.add('dark')")
    page.wait_for_timeout(500)
    assert [page.evaluate(axis, name) for name in figures] == [pytest.approx(zoom) for zoom in zooms]
    assert page.evaluate(CURSOR) == 7
    before = page.evaluate("() => slap.strip.sprite.src")
    page.click("#example-5")
    page.wait_for_selector("#button-run:not([disabled])")
    run(page)
    page.wait_for_function("(before) => slap.strip.sprite.src !== before", arg=before)
    wait_for_all(page)
    assert page.evaluate(CURSOR) == -1
    assert page.locator(".slap-chosen [data-frame]").count() == 0
    assert_quiet(page)


def test_a_lasso_fills_the_gallery_with_exactly_those_frames(ready):
    page = ready
    select = (
        "(frames) => { const plot = document.querySelector('#view-map .slap-plot');"
        "const points = plot.data.flatMap((t) => frames.filter((f) => Array.from(t.customdata ?? []).includes(f))"
        ".map((f) => ({customdata: f, data: t})));"
        "plot.emit(frames.length ? 'plotly_selected' : 'plotly_deselect', {points}); return points.length; }"
    )
    assert page.evaluate(select, [7, 3, 4]) > 3  # of several traces
    shown = "() => [...document.querySelectorAll('.slap-chosen [data-frame]')].map((e) => Number(e.dataset.frame))"
    assert page.evaluate(shown) == [3, 4, 7]
    page.click(".slap-chosen [data-frame='4']")
    assert page.evaluate(CURSOR) == 4
    assert page.locator("#view-map .slap-dot:not([hidden])").count() == 2
    page.evaluate(select, [])
    assert page.evaluate(shown) == []
    # The tools for it are on the map, and on no other figure.
    assert page.locator("#view-map [data-title='Lasso Select']").count() == 1
    assert page.locator("#view-energies [data-title='Lasso Select']").count() == 0
    assert_quiet(page)


PLACES = (
    "(name) => { const trace = document.querySelector('#view-map .slap-plot')._fullData.find((t) => t.name === name);"
    "return [Array.from(trace.x), Array.from(trace.y)]; }"
)


def test_the_map_turns_in_three_dimensions_and_everything_goes_with_it(ready):
    page = ready
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    flat = page.evaluate(PLACES, "true path")
    page.click(".slap-space button:has-text('3D')")
    page.wait_for_function(f"(x) => ({PLACES})('true path')[0].some((y, i) => y !== x[i])", arg=flat[0])
    assert "% of the variance" in page.inner_text(".slap-space output")
    assert len(page.evaluate(PLACES, "axes")[0]) == 6

    # Turned by a quarter, what was to the right is in the depth, and heights stay as they are.
    slider = page.locator(".slap-space input[type=range]")
    slider.fill("0")
    page.wait_for_function("() => slap.view3d.around === 0")
    heights = []
    for angle in ("-90", "0", "90"):
        slider.fill(angle)
        page.wait_for_timeout(300)
        heights.append(page.evaluate(PLACES, "anchors"))
    assert heights[0][0] == pytest.approx([-x for x in heights[2][0]], abs=1e-9)
    assert heights[0][0] != pytest.approx(heights[1][0], abs=1e-3)

    # Dragging turns it too, the wheel of lambda moves SLAP, and both dots are on their paths.
    plot = page.locator("#view-map .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 190, steps=5)
    page.mouse.up()
    page.wait_for_function("() => slap.view3d.around === 60 && slap.view3d.above === 45")
    path = page.evaluate(SLAP)
    page.locator(".slap-lambda input").fill("15")
    page.wait_for_function(f"(path) => ({SLAP})().some((x, i) => x !== path[i])", arg=path)
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("End")
    off = page.evaluate(
        "() => { const plot = document.querySelector('#view-map .slap-plot'); const { xaxis } = plot._fullLayout;"
        "const x = plot._fullData.find((t) => t.name === 'SLAP').x; const dot = plot.querySelector('.is-slap');"
        "return Math.abs(xaxis._offset + xaxis.d2p(x[x.length - 1]) - parseFloat(dot.style.left)); }"
    )
    assert off < 0.1

    # Back in two dimensions everything is where it was, lambda as it is now.
    page.click(".slap-space button:has-text('3D')")
    page.wait_for_function(f"(x) => ({PLACES})('true path')[0].every((y, i) => y === x[i])", arg=flat[0])
    assert page.evaluate(PLACES, "true path") == flat
    assert not [url for url in requests if "queue" in url or "run" in url]
    assert_quiet(page)


def test_a_run_along_the_path_takes_the_cursor_to_its_end(page):
    run_it = page.locator(".slap-space button").first  # the example that is shown before anything is run
    run_it.click()
    page.wait_for_function(f"() => ({CURSOR})() > 2")
    assert "pause" in run_it.inner_text()
    run_it.click()
    here = page.evaluate(CURSOR)
    page.wait_for_timeout(300)
    assert page.evaluate(CURSOR) == here
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("Space")  # there is no video to play
    page.wait_for_function(f"() => ({CURSOR})() === slap.strip.times.length - 1")
    assert "run along" in run_it.inner_text()
    assert_quiet(page)


def test_frames_that_stay_are_chosen_on_the_film_strip(page):
    ghosts = "() => [...document.querySelectorAll('#view-strip .is-dropped')].map((e) => Number(e.dataset.frame))"
    written = "() => slap.namedKept()"
    count = page.evaluate("() => slap.strip.times.length")
    page.click("#example-0")
    page.wait_for_function("() => !document.querySelector('#button-run').disabled")
    before = page.evaluate(ghosts)
    choose = page.locator("#view-strip button", has_text="choose the frames")
    choose.click()
    page.click("#view-strip [data-frame='1']")
    page.click("#view-strip [data-frame='0']")
    assert 0 in page.evaluate(ghosts)
    assert 1 not in page.evaluate(ghosts)
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("End")
    page.keyboard.press("k")
    stay = sorted(set(range(count)) - set(page.evaluate(ghosts)))
    assert frame_list(page.evaluate(written)) == tuple(stay)
    assert f"{len(stay)} of {count} frames stay" in page.inner_text("#view-strip .slap-turn")

    # What was clicked is what is run, and it stays chosen until it is given up.
    run(page)
    wait_for_all(page)
    assert page.evaluate("() => slap.strip.kept") == stay
    assert choose.get_attribute("aria-pressed") == "true"
    choose.click()
    assert page.evaluate(written) == ""
    choose.click()
    choose.click()
    assert page.evaluate(ghosts) != before
    assert_quiet(page)
