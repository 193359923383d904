"""The lesson, as a person takes it: guess, drag, relax, check; with the mouse and with keys alone."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STEPS = ("line", "ball", "race", "turn", "clip")


@pytest.fixture
def lesson(page):
    page.get_by_role("tab", name="Learn").click()
    page.wait_for_selector(".learn-sphere")
    page.wait_for_selector("#learn-line .node")
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
    assert numbers(lesson, "race")["gradient descent"] == "1 steps"
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
    wait_for_words(lesson, "turn", "one and the same path")
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


def test_explore_keeps_its_state_while_the_lesson_is_open(page):
    page.fill("#input-query textarea, #input-query input", "a red car")
    page.get_by_role("tab", name="Learn").click()
    page.wait_for_selector("#learn-line .node")
    page.get_by_role("tab", name="Explore").click()
    assert page.input_value("#input-query textarea, #input-query input") == "a red car"
    page.click("#button-run")
    page.wait_for_selector("#view-strip[data-state=failed]")  # there is no video, and the page says so
    assert_quiet(page)


def test_lesson_stands_still_where_motion_is_unwanted(lesson):
    lesson.emulate_media(reduced_motion="reduce")
    lesson.click("#learn-line button:has-text('Let it relax')")
    assert value(lesson, "line", "above the least") == 0


def test_lesson_on_a_narrow_screen_needs_no_sideways_scroll(lesson):
    lesson.set_viewport_size({"width": 390, "height": 844})
    lesson.wait_for_function("() => document.querySelector('.learn-sphere').clientWidth < 390")
    for step in STEPS:
        check(lesson, step, lesson.locator(f"#learn-{step} input[type=radio]").first.get_attribute("value"))
    assert lesson.evaluate("() => document.documentElement.scrollWidth") <= 390
    unnamed = lesson.evaluate(
        "() => [...document.querySelectorAll('#places button, #places input, #places [tabindex]')]"
        ".filter((e) => e.offsetParent || e.getBoundingClientRect().width)"
        ".filter((e) => e.getAttribute('tabindex') !== '-1' && e.type !== 'file')"
        ".filter((e) => !(e.textContent || e.getAttribute('aria-label') || e.title || e.labels?.length))"
        ".map((e) => e.outerHTML.slice(0, 120))"
    )
    assert unnamed == []
    assert_quiet(lesson)
