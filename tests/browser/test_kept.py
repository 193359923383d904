"""What the page shows before a run, keeps after a reload, gives to take away, and puts side by side."""

import json

import pytest
from test_page import assert_quiet, run, state, wait_for_all

from slap_core.views.titles import TITLES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HEADLINES = (
    "() => [...document.querySelectorAll('#views .slap-headline:not(.slap-answer-text)')].map((e) => e.textContent)"
)
PLOTLY_IN_PAGE = "(id) => document.querySelector(`#${id} .slap-plot`).data.find((t) => t.name === 'SLAP').x"


def finished(page):
    wait_for_all(page)
    page.wait_for_selector(".slap-takeaway[data-state=ready]")


def test_an_example_is_there_before_anything_is_run(page):
    for name in TITLES:
        page.wait_for_selector(f"#view-{name}[data-state=sample]")
    assert "computed beforehand" in page.inner_text(".slap-sentence")
    assert all(page.evaluate(HEADLINES))
    # The controls stay in sight beside the figures.
    page.evaluate("() => document.querySelector('#view-slots').scrollIntoView()")
    assert 0 <= page.evaluate("() => document.querySelector('#controls').getBoundingClientRect().top") < 40
    # Its figures are linked as those of a run are.
    page.keyboard.press("End")
    assert "kept" in page.inner_text("#view-strip .slap-cursor") or "dropped" in page.inner_text(".slap-cursor")
    # Its terms say what they mean, to the pointer and to who comes by with Tab.
    term = page.locator("#view-map .slap-term", has_text="anchors")
    term.hover()
    assert "kept frame" in page.inner_text(".slap-term-card")
    page.mouse.move(0, 0)
    page.wait_for_selector(".slap-term-card", state="hidden")
    term.focus()
    page.wait_for_selector(".slap-term-card", state="visible")
    # It says where it comes from, and gives way to what a person runs.
    source = page.locator("#view-map details", has_text="Where this figure comes from")
    source.locator("summary").click()
    assert "python -m slap_core analyse bus_through.mp4" in source.inner_text()
    page.click("#button-run")
    page.wait_for_selector("#view-strip[data-state=failed]")
    assert state(page, "map") == "failed"
    assert_quiet(page)


def test_a_run_is_taken_away_kept_through_a_reload_and_compared(page, tmp_path):
    page.click("#example-1")
    run(page)
    finished(page)

    saved = {}
    for link in page.locator(".slap-takeaway li a").all():
        with page.expect_download() as download:
            link.click()
        name = download.value.suggested_filename
        saved[name] = tmp_path / name
        download.value.save_as(saved[name])
    assert set(saved) == {"report.html", "paths.npz", "paths.csv", "summary.json"}
    numbers = json.loads(saved["summary.json"].read_text())
    assert numbers["query"] == "a yellow bus"
    assert saved["report.html"].stat().st_size < 5e6
    report = page.context.new_page()
    asked = []
    report.route("**/*", lambda r: r.continue_() if r.request.url.startswith("file:") else (asked.append(1), r.abort()))
    report.goto(saved["report.html"].as_uri())
    for name in TITLES:
        report.wait_for_selector(f"#view-{name}[data-state=ready]")
    assert asked == []
    report.close()

    headlines = page.evaluate(HEADLINES)
    page.reload()
    page.wait_for_selector("#view-certificate[data-state=ready]")
    page.wait_for_selector("#input-video video")
    assert page.evaluate(HEADLINES) == headlines
    assert "your last run" in page.inner_text(".slap-sentence")
    assert page.input_value("#input-query textarea, #input-query input") == "a yellow bus"
    assert page.input_value("#input-keep-every input[type=number]") == "16"

    page.click("#button-compare")
    page.wait_for_selector("#compare-this-energies[data-state=ready]")
    kept = page.evaluate(PLOTLY_IN_PAGE, "compare-kept-map")
    assert page.evaluate(PLOTLY_IN_PAGE, "compare-this-map") == kept
    page.fill("#input-query textarea, #input-query input", "a red ball")
    run(page)
    finished(page)
    page.wait_for_function("() => document.querySelector('#compare').innerText.includes('a red ball')")
    assert page.evaluate(PLOTLY_IN_PAGE, "compare-kept-map") == kept
    assert page.evaluate(PLOTLY_IN_PAGE, "compare-this-map") == page.evaluate(PLOTLY_IN_PAGE, "view-map") != kept
    rows = page.locator("#compare-numbers tbody tr").all_inner_texts()
    assert {row.split("\t")[0].strip() for row in rows} == {"ZOH", "LERP", "SLERP", "Latent ODE", "SLAP"}
    own = json.loads(saved["summary.json"].read_text())["drift"]["SLAP"]
    shown = next(row for row in rows if row.startswith("SLAP")).split()
    assert float(shown[1]) == pytest.approx(own, rel=5e-3)
    # Both are there again after a reload; another tab has nothing of them.
    page.reload()
    page.wait_for_selector("#compare-kept-map[data-state=ready]")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("#view-certificate[data-state=sample]", timeout=180_000)
    assert not other.locator("#compare .slap-pair").count()
    other.close()
    assert_quiet(page)


def test_who_leaves_before_the_files_are_written_finds_the_figures_again(page):
    page.evaluate(
        "() => { const done = slap.keep.done; slap.keep.done = (files) => files.state === 'ready' || done(files); }"
    )
    page.click("#example-1")
    run(page)
    wait_for_all(page)
    page.wait_for_function("() => slap.keep.get('last').then((kept) => Boolean(kept))")
    headlines = page.evaluate(HEADLINES)
    page.reload()
    page.wait_for_selector("#view-certificate[data-state=ready]")
    assert page.evaluate(HEADLINES) == headlines
    page.wait_for_selector(".slap-takeaway[data-state=early]")
    assert "press Run to have them" in page.inner_text(".slap-takeaway")
    assert_quiet(page)


def inputs(page):
    names = [
        "#input-query textarea, #input-query input",
        *(f"#input-{n} input[type=number]" for n in ("keep-every", "coupling")),
    ]
    return [page.input_value(name) for name in names]


def test_a_link_fills_in_the_settings_and_a_run_writes_them(page, address):
    page.goto(f"{address}?example=1&query=a%20red%20ball&keep_every=8&coupling=0.3&max_frames=16&mass=99&utm=x")
    page.wait_for_selector("#input-video video")
    page.wait_for_selector("#view-certificate[data-state=sample]")
    assert "settings are filled in" in page.inner_text(".slap-sentence")
    assert inputs(page) == ["a red ball", "8", "0.3"]  # the mass is out of range: it stays as it is
    page.fill("#input-query textarea, #input-query input", "a dog & a cat")
    run(page)
    finished(page)
    assert "query=a+dog+%26+a+cat&keep_every=8&coupling=0.3&max_frames=16" in page.url
    assert "example=1" in page.url
    assert "mass" not in page.url
    assert page.inner_text("#view-strip .slap-headline").startswith("2 of 16 frames are kept")
    # Another link in the same tab goes before what was kept; the same one does not.
    page.reload()
    page.wait_for_selector("#view-certificate[data-state=ready]")
    page.goto(f"{address}?query=something")
    page.wait_for_selector("#view-certificate[data-state=sample]")
    assert inputs(page)[0] == "something"
    assert_quiet(page)
