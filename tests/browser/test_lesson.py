"""The lesson, as a person takes it: guess, drag, relax, check; with the mouse and with keys alone."""

import json
import re

import pytest

from slap_core.ui import learn
from slap_core.ui.lesson_steps import STEPS as STEPS_SAID

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STEPS = tuple(step.name for step in STEPS_SAID)
CHOICES = {step.name: dict(step.choices) for step in STEPS_SAID}
RIGHT = {"line": "steady", "ball": "1.23", "race": "4", "turn": "same", "clip": "between"}


@pytest.fixture
def lesson(page, address):
    page.goto(f"{address}learn")
    page.wait_for_selector(".learn-sphere")
    page.wait_for_selector("#learn-line .node")
    page.wait_for_selector("#learn-clip .katex")
    return page


def numbers(page, step):
    """What the step shows, by its names."""
    rows = page.locator(f"#learn-{step} .learn-numbers > div").all()
    return {row.locator("dt").inner_text(): row.locator("dd").inner_text() for row in rows}


def value(page, step, name):
    return float(numbers(page, step)[name].split()[0].replace("−", "-").replace(",", ""))


def wait_for_words(page, step, words):
    page.wait_for_function(
        "([step, words]) => document.querySelector(`#learn-${step} .learn-says`).textContent.includes(words)",
        arg=[step, words],
    )


def check(page, step, choice):
    page.check(f"#learn-{step} input[value='{choice}']")
    page.click(f"#learn-{step} .learn-check button")
    return page.inner_text(f"#learn-{step} .learn-answer")


def slide(page, step, label, to):
    page.locator(f"#learn-{step} .learn-slider", has_text=label).locator("input").evaluate(
        "(input, to) => { input.value = to; input.dispatchEvent(new Event('input')); }", to
    )


def assert_quiet(page):
    assert page.watch.elsewhere == []
    assert page.watch.errors == []


def test_dragging_a_frame_changes_the_action_and_relaxing_finds_the_straight_line(lesson):
    step = "#learn-line"
    assert lesson.is_disabled(f"{step} .learn-check button")
    assert lesson.locator(f"{step} .straight").count() == 0  # not before the prediction
    before = value(lesson, "line", "S = T, yours")
    node = lesson.locator(f"{step} .node").nth(3)
    node.scroll_into_view_if_needed()
    box = node.locator(".dot").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    lesson.mouse.move(x, y)
    lesson.mouse.down()
    lesson.mouse.move(x, y + 60, steps=4)
    lesson.mouse.up()
    dragged = value(lesson, "line", "S = T, yours")
    assert dragged != before
    moved = node.locator(".dot").bounding_box()["y"] + box["height"] / 2
    assert moved == pytest.approx(y + 60, abs=2)

    lesson.click(f"{step} button:has-text('Let it relax')")
    wait_for_words(lesson, "line", "The path is straight")
    assert value(lesson, "line", "S = T, yours") == pytest.approx(0.7**2 / 2, abs=1e-3)
    answer = check(lesson, "line", "late")
    assert answer.startswith("Not as you predicted. Running ahead costs 0.325")
    assert check(lesson, "line", "steady").startswith("As you predicted.")
    assert lesson.locator(f"{step} .straight").count() == 1
    assert lesson.locator(".learn-contents .is-done").count() == 1
    assert_quiet(lesson)


def test_keys_alone_move_frames_and_take_the_step(lesson):
    step = "#learn-ball"
    node = lesson.locator(f"{step} .node").first
    node.focus()
    before, old = numbers(lesson, "ball"), node.get_attribute("aria-valuenow")
    lesson.keyboard.press("ArrowUp")
    lesson.keyboard.press("PageUp")
    assert float(node.get_attribute("aria-valuenow")) == pytest.approx(float(old) + 6 * 0.034, abs=0.01)
    assert numbers(lesson, "ball") != before
    lesson.keyboard.press("ArrowRight")
    assert lesson.evaluate("() => document.activeElement.getAttribute('aria-label')") == "moment 2 of 9"
    lesson.locator(f"{step} button:has-text('Let it relax')").press("Enter")
    wait_for_words(lesson, "ball", "The path is the parabola, highest at 1.23 m")
    lesson.locator(f"{step} input[value='1.23']").press("Space")
    lesson.locator(f"{step} .learn-check button").press("Enter")
    assert lesson.inner_text(f"{step} .learn-answer").startswith("As you predicted.")
    assert numbers(lesson, "ball")["S of the free flight"] == "−4.01 m²/s"
    assert_quiet(lesson)


def test_race_is_counted_and_not_told(lesson):
    lesson.click("#learn-race button:has-text('One step')")
    assert numbers(lesson, "race")["gradient descent"] == "1 step"
    lesson.click("#learn-race button:has-text('Run both')")
    lesson.wait_for_function(
        "() => document.querySelector('#learn-race .learn-numbers').textContent.match(/at rest/g)?.length === 2"
    )
    assert value(lesson, "race", "gradient descent") > 20 * value(lesson, "race", "plucked string")
    assert check(lesson, "race", "4").startswith("As you predicted.")
    slide(lesson, "race", "Frames N", 5)
    assert lesson.locator("#learn-race .node").count() == 31
    assert_quiet(lesson)


def test_turning_lambda_shows_the_conjugate_point_and_the_saddle(lesson):
    slide(lesson, "turn", "λ", 9)
    assert numbers(lesson, "turn")["conjugate point"] == "none in the gap"
    assert lesson.locator("#learn-turn .conjugate").count() == 0
    slide(lesson, "turn", "λ", 20)
    assert numbers(lesson, "turn")["conjugate point"] == "t = 0.702"
    assert numbers(lesson, "turn")["Morse index of straight"] == "1"
    assert lesson.locator("#learn-turn .conjugate").count() == 1
    lesson.click("#learn-turn button:has-text('Nudge down')")
    wait_for_words(lesson, "turn", "Your path stands at −2.19 rad")
    assert value(lesson, "turn", "S, yours") < 0
    slide(lesson, "turn", "λ", 5)
    wait_for_words(lesson, "turn", "1 path obeys the equation, and 24 random starts end in one and the same: ballistic")
    assert abs(value(lesson, "turn", "S, yours")) < 1e-6
    assert check(lesson, "turn", "same").startswith("As you predicted.")
    assert_quiet(lesson)


def test_real_clip_bends_with_lambda_and_shows_its_frames(lesson):
    path = "() => document.querySelector('#learn-clip path.slap').getAttribute('d')"
    straight = lesson.evaluate(path)
    assert lesson.locator("#learn-clip path.truth").count() == 0
    slide(lesson, "clip", "λ, pull", 12)
    lesson.wait_for_function(f"(old) => ({path})() !== old", arg=straight)
    wait_for_words(lesson, "clip", "λ = 0.5")
    lesson.locator("#learn-clip .recovered").nth(4).dispatch_event("pointerenter")
    assert lesson.inner_text("#learn-clip .learn-frame p").startswith("Frame 5 of 16")
    turned = lesson.evaluate(path)
    lesson.locator(".learn-sphere").press("ArrowRight")
    assert lesson.evaluate(path) != turned
    answer = check(lesson, "clip", "between")
    assert "Mean drift: 0.081 for SLERP" in answer
    assert lesson.locator("#learn-clip path.truth").count() == 1
    assert_quiet(lesson)


def test_the_way_here_and_on_to_explore(page):
    page.get_by_role("link", name="Learn").click()
    page.wait_for_selector("#learn-line .node")
    page.locator("#learn-closing a", has_text="Tunnel test").click()
    page.wait_for_selector("#view-guess[data-state=empty]")
    page.go_back()
    page.wait_for_selector("#learn-closing")
    page.locator("#learn-clip a", has_text="Explore").click()
    page.wait_for_selector("#view-certificate[data-state=sample]")
    assert_quiet(page)


def test_contents_lead_to_the_steps(lesson):
    lesson.emulate_media(reduced_motion="reduce")
    lesson.click(".learn-contents [data-step=turn]")
    lesson.wait_for_function("() => Math.abs(document.querySelector('#learn-turn').getBoundingClientRect().top) < 60")
    assert lesson.evaluate("() => document.activeElement.name") == "learn-turn"
    assert_quiet(lesson)


def test_nodes_are_one_stop_of_the_tab_key(lesson):
    stops = lesson.locator("#learn-race .node[tabindex='0']")
    assert stops.count() == 1
    lesson.locator("#learn-race .node").nth(4).focus()
    lesson.keyboard.press("ArrowLeft")
    assert stops.count() == 1
    assert stops.get_attribute("aria-label") == "frame 4 of 15"
    slide(lesson, "race", "Frames N", 3)
    assert stops.count() == 1


def test_check_ends_the_motion_that_it_speaks_of(lesson):
    lesson.click("#learn-line button:has-text('Let it relax')")
    assert "Your path stands at 0.245." in check(lesson, "line", "steady")
    assert value(lesson, "line", "above the least") == 0


PICTURE_WORDS = """() => [...document.querySelectorAll('.learn-stage')].map((svg) => ({
    role: svg.getAttribute('role'), name: svg.getAttribute('aria-label'),
    words: document.getElementById(svg.getAttribute('aria-describedby')).textContent}))"""


def test_every_picture_has_words_that_change_with_it(lesson):
    before = lesson.evaluate(PICTURE_WORDS)
    assert len(before) == 7
    assert len({picture["name"] for picture in before}) == 7
    assert all(picture["words"].endswith(".") for picture in before)
    for step in ("line", "ball", "race", "turn"):
        node = lesson.locator(f"#learn-{step} .node").first
        node.focus()
        lesson.keyboard.press("PageUp")
    lesson.click("#learn-race button:has-text('One step')")
    slide(lesson, "turn", "λ", 20)
    slide(lesson, "clip", "λ, pull", 12)
    lesson.wait_for_function("() => document.querySelector('.learn-sphere desc').textContent.includes('λ = 0.5')")
    after = lesson.evaluate(PICTURE_WORDS)
    assert [a["words"] != b["words"] for a, b in zip(before, after, strict=True)] == [True] * 7
    assert "meet it again at t = 0.702" in after[4]["words"]
    fieldsets = lesson.locator(".learn-step fieldset")
    assert fieldsets.count() == 5
    assert all(fieldset.locator("legend").inner_text() for fieldset in fieldsets.all())
    for step in STEPS:
        assert lesson.locator(f"#learn-{step} [aria-live=polite]").count() == 2


CONTRASTS = """() => {
    const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const colour = (text) => text.match(/[\\d.]+/g).map(Number);
    const paper = (e) => {
        for (; e; e = e.parentElement) {
            const found = colour(getComputedStyle(e).backgroundColor);
            if (found.length === 3 || found[3] > 0.99) return found;
        }
        return [255, 255, 255];
    };
    const texts = document.evaluate("//main//text()[normalize-space()]", document, null, 7);
    const found = new Map();
    for (let i = 0; i < texts.snapshotLength; i += 1) {
        const e = texts.snapshotItem(i).parentElement;
        if (!e.getClientRects().length || e.closest("desc, script, template, .katex-mathml")) continue;
        const ink = colour(getComputedStyle(e)[e.closest("svg") ? "fill" : "color"]);
        const [a, b] = [light(ink), light(paper(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < (found.get(e.tagName + "." + e.getAttribute("class"))?.[0] ?? 99))
            found.set(e.tagName + "." + e.getAttribute("class"), [ratio, e.textContent.slice(0, 40)]);
    }
    return [...found];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_stand_out_from_the_paper(lesson, address, theme):
    lesson.goto(f"{address}learn?__theme={theme}")
    lesson.wait_for_selector("#learn-clip .katex")
    lesson.wait_for_selector(".learn-sphere")
    for step in STEPS:
        check(lesson, step, lesson.locator(f"#learn-{step} input[type=radio]").first.get_attribute("value"))
    ratios = lesson.evaluate(CONTRASTS)
    assert len(ratios) > 10
    assert [(name, worst) for name, worst in ratios if worst[0] < 4.5] == []


MOTION = """() => {
    window.drawn = 0;
    const ask = window.requestAnimationFrame;
    window.requestAnimationFrame = (f) => { window.drawn += /advance|going/.test(`${f}`); return ask(f); };
}"""


def test_lesson_stands_still_where_motion_is_unwanted(lesson):
    lesson.emulate_media(reduced_motion="reduce")
    lesson.evaluate(MOTION)
    lesson.click("#learn-line button:has-text('Let it relax')")
    assert value(lesson, "line", "above the least") == 0
    lesson.click("#learn-race button:has-text('Run both')")
    assert list(numbers(lesson, "race").values())[:2] == ["492 steps, at rest", "5 steps, at rest"]
    check(lesson, "turn", "same")
    assert value(lesson, "turn", "S, yours") == pytest.approx(-6.04, abs=0.01)
    path = "() => document.querySelector('#learn-clip path.slap').getAttribute('d')"
    slide(lesson, "clip", "λ, pull", 12)
    at_once = lesson.evaluate(path)
    lesson.wait_for_timeout(300)
    assert lesson.evaluate(path) == at_once
    assert lesson.evaluate("() => window.drawn") == 0
    lesson.emulate_media(reduced_motion="no-preference")  # the counter does count
    lesson.click("#learn-line button:has-text('Reset')")
    lesson.click("#learn-line button:has-text('Let it relax')")
    wait_for_words(lesson, "line", "The path is straight")
    assert lesson.evaluate("() => window.drawn") > 0


@pytest.mark.parametrize("width", [390, 640])
def test_lesson_on_a_narrow_screen_needs_no_sideways_scroll(lesson, width):
    lesson.set_viewport_size({"width": width, "height": 844})
    lesson.wait_for_function(f"() => document.querySelector('.learn-sphere').clientWidth < {width}")
    for step in STEPS:
        check(lesson, step, lesson.locator(f"#learn-{step} input[type=radio]").first.get_attribute("value"))
    assert lesson.evaluate("() => document.documentElement.scrollWidth") <= width
    unnamed = lesson.evaluate(
        "() => [...document.querySelectorAll('main button, main input, main [tabindex]')]"
        ".filter((e) => e.offsetParent || e.getBoundingClientRect().width)"
        ".filter((e) => e.getAttribute('tabindex') !== '-1' && e.type !== 'file')"
        ".filter((e) => !(e.textContent || e.getAttribute('aria-label') || e.title || e.labels?.length))"
        ".map((e) => e.outerHTML.slice(0, 120))"
    )
    assert unnamed == []
    assert lesson.locator("main .node[tabindex='0']").count() == 4
    assert_quiet(lesson)


def test_worksheet_is_three_printed_pages_with_computed_answers(lesson):
    asked = []
    lesson.context.on("request", lambda request: asked.append(request.url))
    with lesson.expect_popup() as opened:
        lesson.click(".learn-sheet button")
    sheet = opened.value
    sheet.wait_for_selector("#teacher")
    assert sheet.url.startswith("blob:")
    assert [url for url in asked if not url.startswith("blob:")] == []
    titles = [step.title for step in STEPS_SAID]
    assert sheet.locator(".questions h2").all_inner_texts() == [f"{i}. {title}" for i, title in enumerate(titles, 1)]
    assert sheet.locator(".questions .choices li").count() == 15
    assert sheet.locator(".questions .line").count() == 10
    assert all(sheet.locator(".formula").all_inner_texts())
    blanks = sheet.locator(".blank td")
    assert blanks.count() == 6 * 3 + 4 * 5
    assert not any(blanks.all_inner_texts())
    answers = sheet.locator(".answers > li").all_inner_texts()
    for step, answer in zip(STEPS, answers, strict=True):
        (right,) = (words for value, words in CHOICES[step].items() if value == RIGHT[step])
        assert answer.startswith(f"{right}.")
        assert answer.removeprefix(f"{right}. ") in check(lesson, step, RIGHT[step])  # the page says the same
    rows = [row.locator("th, td").all_inner_texts() for row in sheet.locator("#lesson-values tbody tr").all()]
    kept = json.loads(learn.CLIP.read_text("utf-8"))
    assert [float(row[0]) for row in rows] == [0, 0.2, 0.5, 1, 1.5]
    for row in rows:
        i = kept["couplings"].index(float(row[0]))
        assert float(row[1]) == pytest.approx(kept["drift"][i], rel=6e-3)
        assert float(row[2].replace("−", "-")) == pytest.approx(kept["action"][i], rel=6e-3)
    falls = [float(row[3]) for row in rows[1:]]
    assert falls == sorted(falls)  # S* is concave in lambda
    assert "± 10 %" in sheet.inner_text("#teacher")
    assert sheet.is_visible(".on-screen")
    sheet.emulate_media(media="print")
    assert not sheet.is_visible(".on-screen")
    colours = sheet.evaluate(
        "() => { const s = getComputedStyle(document.documentElement); return [s.color, s.backgroundColor]; }"
    )
    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    printed = sheet.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 3
    left, low, right, high = map(float, re.search(rb"/MediaBox\s*\[([^\]]*)\]", printed)[1].split())
    assert (right - left, high - low) == (pytest.approx(595, abs=1), pytest.approx(842, abs=1))  # A4 in points
    assert_quiet(lesson)
