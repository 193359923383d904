"""Concept timeline and what the path sees: what is at the cursor, in the browser, without asking the server."""

import pytest
from test_page import assert_quiet, run, wait_for_all

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CONCEPTS = "#input-concepts textarea, #input-concepts input"
TOLD = "#view-concepts .slap-told"
AREA = "#view-concepts .slap-area"
WORDS = "#view-sees .slap-sees-column[data-method='{}'] .slap-sees-words li span:first-child"


@pytest.fixture
def ready(page):
    page.click("#example-0")
    page.wait_for_selector("#button-run:not([disabled])")
    page.fill(CONCEPTS, "a blue bus, nothing to see")
    run(page)
    wait_for_all(page)
    page.evaluate("() => document.activeElement.blur()")
    return page


def view(page, name):
    """The view's data, as the browser has it."""
    return page.evaluate("(name) => [...slap.views.values()].find((view) => view.name === name).data", name)


def whole(page, text):
    return page.evaluate("(text) => [...slap.wholes(text)]", text)


def test_the_timeline_tells_the_scores_at_the_cursor(ready):
    page = ready
    data = view(page, "concepts")
    assert data["words"] == ["a red car", "a blue bus", "nothing to see"]
    assert page.locator("#view-concepts .slap-subtitle").all_inner_texts() == data["words"]
    scores, count = whole(page, data["scores"]), len(data["times"])
    radius = whole(page, data["radius"])

    def score(method, row, frame):
        return f"{scores[(method * 3 + row) * count + frame] * data['step']:.2f}".replace("-", "−")

    requests = []
    page.on("request", lambda request: requests.append(request.url))
    missing = data["dropped"][7]
    page.evaluate("(frame) => slap.seek(frame, '')", missing)
    page.keyboard.press("ArrowRight")
    missing += 1
    assert missing in data["dropped"]
    for row, told in enumerate(page.locator(TOLD).all_inner_texts()):
        assert f"true {score(0, row, missing)} · SLAP {score(1, row, missing)} ± " in told
        assert f"± {radius[row * count + missing] * data['step']:.2f} · SLERP {score(2, row, missing)}" in told
    page.evaluate("(frame) => slap.seek(frame, '')", data["kept"][1])
    assert page.locator(TOLD).first.inner_text().endswith(f"kept: {score(0, 0, data['kept'][1])}")

    # Pointing at a moment of the strips takes the cursor there, in every figure, and leaving gives it back.
    page.locator(AREA).first.scroll_into_view_if_needed()
    box = page.locator(AREA).first.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
    times = data["times"]
    middle = min(range(count), key=lambda i: abs(times[i] - (times[0] + times[-1]) / 2))
    assert abs(int(page.get_attribute("#view-strip .is-cursor", "data-frame")) - middle) <= 1
    assert page.locator("#view-energies .slap-rule:not([hidden])").count() == 1
    assert page.locator(f"{AREA} .slap-now:not([hidden])").count() == 3
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] - 200)
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 20)
    held = int(page.get_attribute("#view-strip .is-cursor", "data-frame"))
    assert held > middle
    assert not [url for url in requests if "queue" in url or "run" in url]
    assert_quiet(page)


def test_colours_run_from_least_to_largest_and_recovered_frames_are_lower(ready):
    page = ready
    data = view(page, "concepts")
    scores, count = whole(page, data["scores"]), len(data["times"])
    row, frame = divmod(max(range(3 * count), key=lambda i: scores[i]), count)  # of the true frames
    read = (
        "([row, frame, method, drop]) => { const canvas = document.querySelectorAll('#view-concepts canvas')[row];"
        "const scale = canvas.width / canvas.clientWidth; const marks = canvas.clientHeight - 57;"
        "const data = [...slap.views.values()].find((view) => view.name === 'concepts').data;"
        "const share = (data.times[frame] - data.times[0]) / (data.times.at(-1) - data.times[0]);"
        "const x = Math.min(Math.max(share * canvas.width, 1), canvas.width - 2);"
        "return [...canvas.getContext('2d').getImageData(x, scale * (marks + 19 * method + drop), 1, 1).data]; }"
    )
    red, green, blue, alpha = page.evaluate(read, [row, frame, 0, 8])
    assert alpha == 255
    assert red > 200
    assert green > 180
    assert blue < 120  # near the yellow end
    missing, kept = data["dropped"][7], data["kept"][1]
    # Two pixels below the top of SLAP's strip: nothing where it was recovered, colour where it was observed.
    assert page.evaluate(read, [0, missing, 1, 2])[3] == 0
    assert page.evaluate(read, [0, missing, 1, 8])[3] == 255
    assert page.evaluate(read, [0, kept, 1, 2])[3] == 255
    # And by their marks.
    assert page.locator(f"{AREA} .is-anchor").count() == 3 * len(data["kept"])


def test_lines_carry_a_band_which_a_turned_lambda_hides(ready):
    page = ready
    page.click("#view-concepts .slap-key-all:text-is('lines')")
    assert page.locator(f"{AREA} .slap-band").count() == 3
    assert "90 % probability" in page.inner_text("#view-concepts .slap-about-band")
    line = (
        "() => document.querySelectorAll('#view-concepts .slap-line')[4].getAttribute('d')"  # SLAP's of the second word
    )
    before = page.evaluate(line)
    page.locator(".slap-lambda input").fill("14")
    page.wait_for_function(f"(before) => ({line})() !== before", arg=before)
    assert page.locator(f"{AREA} .slap-band").count() == 0
    assert not page.locator("#view-concepts .slap-about-band").is_visible()
    page.locator(".slap-lambda input").fill(str(view(page, "concepts")["chosen"]))
    page.wait_for_function(f"(before) => ({line})() === before", arg=before)
    page.click("#view-concepts .slap-key-all:text-is('colours')")
    assert page.locator(f"{AREA} .slap-band").count() == 0
    assert_quiet(page)


def test_what_the_path_sees_follows_the_cursor(ready):
    page = ready
    data, strip = view(page, "sees"), view(page, "strip")
    index = whole(page, data["words"]["index"])
    frames = whole(page, data["frames"]["index"])
    count, ranks = len(strip["times"]), data["words"]["count"]
    assert "No frame is pointed at" in page.inner_text("#view-sees .slap-sees-line")
    missing = next(i for i in range(count) if i not in strip["kept"])
    page.evaluate("(frame) => slap.seek(frame, '')", missing)
    for reader, name in enumerate(data["readers"]):
        at = (reader * count + missing) * ranks
        expected = [data["phrases"][i] for i in index[at : at + ranks]]
        assert page.locator(WORDS.format(name)).all_inner_texts() == expected
        times = [f"{strip['times'][i]:.2f} s" for i in frames[at : at + ranks]]
        pictures = page.locator(f"#view-sees .slap-sees-column[data-method='{name}'] .slap-sees-frames li")
        assert [text.split("\n")[0] for text in pictures.all_inner_texts()] == times
    assert page.inner_text("#view-sees .slap-sees-column[data-method='SLAP'] .slap-told").startswith(
        "to the true one: 0."
    )

    # A kept frame says so, and the page below does not jump.
    height = "() => document.querySelector('#view-sees').offsetHeight"
    before = page.evaluate(height)
    page.evaluate("(frame) => slap.seek(frame, '')", strip["kept"][1])
    assert "is kept: every path goes through it" in page.inner_text("#view-sees .slap-sees-line")
    assert not page.locator("#view-sees .slap-sees-column[data-method='SLAP'] .slap-told").is_visible()
    assert page.evaluate(height) == before

    sweep = "for (let k = 0; k < 60; k++) slap.point(k, '')"
    took = page.evaluate(f"() => {{ const start = performance.now(); {sweep}; return performance.now() - start; }}")
    assert took / 60 < 100  # milliseconds
    assert_quiet(page)


def test_too_many_concepts_are_told_with_the_remedy(page):
    page.click("#example-0")
    page.wait_for_selector("#button-run:not([disabled])")
    page.fill(CONCEPTS, "a, b, c, d, e, f, g")
    page.click("#button-run:not([disabled])")
    page.wait_for_selector("#view-strip[data-state=failed]")
    assert "7 concepts were given, at most 6 are tracked; leave some out." in page.inner_text("#view-strip")
    assert_quiet(page)


def test_on_a_phone_both_fit_and_lines_are_redrawn_when_it_is_turned(ready):
    page = ready
    page.set_viewport_size({"width": 390, "height": 844})
    area = "() => [document.querySelector('#view-concepts .slap-area svg').getAttribute('width'),"
    area += " document.querySelector('#view-concepts .slap-area').clientWidth].map(Number)"
    page.wait_for_function(f"() => {{ const [drawn, there] = ({area})(); return there < 340 && drawn === there; }}")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    assert_quiet(page)
