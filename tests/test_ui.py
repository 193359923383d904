"""The callbacks and the page's build, on made-up stages; the real page is driven in tests/browser."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import fakes
import pytest
from gradio.utils import get_function_description

from slap_core.stages import Progress, Settings
from slap_core.ui import callbacks, layout, serving
from slap_core.views import browser
from slap_core.views.titles import TITLES


def steps(video, query=None, **settings):
    made_up = fakes.stages(12, query=query or "", settings=Settings(**settings))
    for name, stage in zip(callbacks.STAGES, made_up, strict=True):
        yield Progress(name, 0.5)
        yield stage


def started(*arguments, **settings):
    return callbacks.run(*arguments, publish=lambda path: f"/kept/{path.name}", **settings)


def states(changes):
    return {name: json.loads(value)["state"] for name, value in changes.items()}


def settle(updates):
    """What the page shows after all updates, by name."""
    shown = {}
    for changes in updates:
        shown |= {name: json.loads(value) for name, value in changes.items()}
    return shown


def test_run_fills_in_stage_by_stage():
    updates = list(started("clip.mp4", "a red ball", steps=steps, keep_every=4.0, coupling=0.5))
    assert states(updates[0]) == dict.fromkeys([*TITLES, "status", "takeaway"], "loading")
    order = [name for changes in updates[1:] for name in changes if name != "status"]
    first = ["strip", "strip", "energies", "certificate", "map", "resonance"]
    assert order == [*first, "concepts", "sees", "slots", "objects", "map", "takeaway"]
    assert {view["state"] for view in settle(updates).values()} == {"ready"}


def test_status_tells_the_stage_and_its_share():
    updates = list(started("clip.mp4", "a red ball", steps=steps))
    statuses = [json.loads(changes["status"]) for changes in updates if "status" in changes]
    assert statuses[1]["sentence"] == "Reading the frames: 50 % …"
    assert [s["state"] for s in statuses[3]["stages"]] == ["done", "active", *["waiting"] * 7]
    assert re.fullmatch(r"Done in [\d.e-]+ s\.", statuses[-1]["sentence"])
    assert {s["state"] for s in statuses[-1]["stages"]} == {"done"}


def test_status_tells_what_is_left(monkeypatch):
    now = iter(range(0, 1000, 4))  # each look at the clock is four seconds later
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(callbacks, "USUAL_SECONDS", (1.0,) * 9)
    monkeypatch.setattr(callbacks, "DEADLINE_SECONDS", 1e6)
    said = [json.loads(c["status"])["sentence"] for c in started("clip.mp4", "", steps=steps) if "status" in c]
    left = [int(found[1]) for found in (re.search(r"about (\d+) s left", sentence) for sentence in said) if found]
    assert "left" not in said[1]  # nothing is known before the first stages are done
    assert left
    assert all(value % 5 == 0 for value in left if value >= 10)
    # After 2.5 of 9 equal stages what is left is 6.5 / 2.5 of what it took.
    third = next(sentence for sentence in said if sentence.startswith(callbacks.DOING[2] + ": 50 %"))
    taken = 4 * (said.index(third) * 2 - 2)
    assert abs(int(re.search(r"about (\d+) s", third)[1]) - 6.5 / 2.5 * taken) <= 0.35 * 6.5 / 2.5 * taken


def test_files_to_take_away_come_last():
    found = json.loads(list(started("clip.mp4", "a red ball", steps=steps))[-1]["takeaway"])
    assert [file["name"] for file in found["files"]] == ["report.html", "paths.npz", "paths.csv", "summary.json"]
    assert all(file["bytes"] > 100 and file["path"] == f"/kept/{file['name']}" for file in found["files"])


def test_a_full_disk_takes_the_files_and_not_the_figures(monkeypatch):
    def full(analysis, publish, *, run):
        raise OSError("No space left on device")

    monkeypatch.setattr(callbacks.takeaway, "offer", full)
    shown = settle(started("clip.mp4", "a red ball", steps=steps))
    assert shown["takeaway"]["state"] == "failed"
    assert {shown[name]["state"] for name in TITLES} == {"ready"}
    assert shown["status"]["state"] == "ready"


def test_views_say_where_they_come_from():
    shown = settle(started("clip.mp4", "a red ball", steps=steps, keep_every=3.0))
    for name in TITLES:
        assert "--keep-every 3" in shown[name]["provenance"]["Command"]
        assert "torch" in shown[name]["provenance"]["Versions"]


def test_status_says_to_the_end_where_it_computes():
    def job(*_, **settings):
        for index, step in enumerate(steps("clip.mp4", **settings)):
            yield step
            if index == 2:
                yield Progress("encode", 0.0, "No GPU could be borrowed.")

    updates = list(started("clip.mp4", "a red ball", steps=job))
    sentences = [json.loads(changes["status"])["sentence"] for changes in updates if "status" in changes]
    told = [sentence.endswith(" No GPU could be borrowed.") for sentence in sentences]
    assert told == sorted(told)
    assert [told[3], told[4], told[-1]] == [False, True, True]


def test_two_runs_with_equal_results_differ_for_the_browser():
    first, second = (settle(started(None, "", steps=steps))["strip"] for _ in range(2))
    assert first["message"] == second["message"]
    assert first != second


def test_no_video_is_a_sentence():
    shown = settle(started(None, "a red ball", steps=steps))
    assert shown["strip"]["state"] == "failed"
    assert shown["strip"]["message"] == "There is no video yet: upload one, or choose an example."
    assert shown["status"]["sentence"] == shown["strip"]["message"]
    assert shown["map"]["message"] == callbacks.NOT_COMPUTED


def test_error_of_the_library_leaves_what_had_come():
    def broken(video, query=None, **settings):
        yield fakes.stages(12)[0]
        raise ValueError("The encoder cannot be had; choose another.")

    shown = settle(started("clip.mp4", "", steps=broken))
    assert shown["strip"]["state"] == "ready"
    assert shown["map"] == shown["map"] | {"state": "failed", "message": "The encoder cannot be had; choose another."}
    assert shown["certificate"]["state"] == "failed"


def test_unexpected_error_tells_nothing_of_the_server(caplog):
    def broken(video, query=None, **settings):
        raise RuntimeError("/srv/secret/path")
        yield

    updates = list(started("clip.mp4", "", steps=broken))
    assert settle(updates)["strip"]["message"] == callbacks.UNEXPECTED
    assert "secret" not in json.dumps(updates)
    assert "/srv/secret/path" in caplog.text


def test_stopping_a_run_closes_the_job():
    closed = []

    def job(video, query=None, **settings):
        try:
            yield from steps(video, query)
        finally:
            closed.append(True)

    run = started("clip.mp4", "", steps=job)
    next(run), next(run)
    assert not closed
    run.close()
    assert closed


def test_run_ends_at_its_deadline(monkeypatch):
    monkeypatch.setattr(callbacks, "DEADLINE_SECONDS", -1.0)
    shown = settle(started("clip.mp4", "", steps=steps))
    assert "given up" in shown["strip"]["message"]
    with pytest.raises(ValueError, match="given up"):
        callbacks.summarise("clip.mp4", "", steps=steps)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("keep_every", "four"), ("coupling", None), ("mass", True), ("encoder", 3), ("encoder", "x" * 301),
        ("coupling", float("nan")), ("keep_every", 1e300), ("concepts", ["a car"]),
    ],
)  # fmt: skip
def test_settings_of_the_wrong_kind_are_refused(setting, value):
    shown = settle(started("clip.mp4", "", steps=steps, **{setting: value}))
    assert shown["strip"]["message"].startswith(f"{setting} cannot be used")


def test_settings_arrive_typed():
    arrived = {}

    def job(video, query=None, **settings):
        arrived.update(settings)
        return iter(())

    list(started("c.mp4", "", steps=job, keep_every=4.0, max_frames=64.0, coupling=1.0, encoder=" "))
    assert arrived == {"keep_every": 4, "max_frames": 64, "coupling": 1.0, "encoder": "bundled"}
    assert isinstance(arrived["keep_every"], int)
    assert isinstance(arrived["coupling"], float)


def test_long_query_is_refused_by_the_library_itself():
    from slap_core.analysis import analyse_steps

    shown = settle(started("clip.mp4", "x" * 10_000, steps=analyse_steps))
    assert "10,000 characters" in shown["strip"]["message"]


def test_too_many_concepts_are_refused_before_anything_is_computed():
    shown = settle(started("clip.mp4", "", steps=steps, concepts="a, b, c, d, e, f, g"))
    assert shown["strip"]["message"] == "7 concepts were given, at most 6 are tracked; leave some out."


def test_summary_is_that_of_the_library():
    numbers = callbacks.summarise(
        "clip.mp4", "a red ball", steps=steps, keep_every=3, coupling=0.25, concepts="a tunnel"
    )
    assert [told["words"] for told in numbers["concepts"]] == ["a red ball", "a tunnel"]
    assert numbers["settings"]["keep_every"] == 3
    assert numbers["settings"]["coupling"] == 0.25
    assert set(numbers["drift"]) == set(fakes.METHODS)
    json.dumps(numbers, allow_nan=False)
    with pytest.raises(ValueError, match="There is no video"):
        callbacks.summarise(None, "", steps=steps)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    (folder / "here.mp4").write_bytes(b"not decoded by this test")
    clips = [
        {"file": "here.mp4", "title": "A <b>bold</b> title", "query": "a red car", "note": "note"},
        {"file": "gone.mp4", "title": "Gone", "query": "", "note": ""},
    ]
    (folder / "clips.json").write_text(json.dumps(clips))
    (folder / "findings.md").write_text("The landscape *wins* some.")
    (folder / "tunnel_methods.svg").write_text("<svg/>")
    return layout.build_page(steps=steps, examples=folder, figures=folder)


def test_page_is_built_without_waiting_for_torch():
    build = (
        "import pathlib, sys; from slap_core.ui.layout import build_page; "
        "page = build_page(steps=iter, examples=pathlib.Path('none'), figures=pathlib.Path('none')); "
        "print(sorted({'torch', 'open_clip', 'umap', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    root = pathlib.Path(layout.__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", build], cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"


def test_page_has_the_stable_ids(page):
    ids = {block.elem_id for block in page.blocks.values()}
    expected = {"input-video", "input-query", "input-keep-every", "button-run", "button-stop"}
    assert expected | {f"view-{name}" for name in TITLES} <= ids


def test_few_endpoints_are_public_and_typed(page):
    info = page.get_api_info()
    assert list(info["named_endpoints"]) == ["/analyse", "/tunnel_test"]
    assert not info["unnamed_endpoints"]
    names = [p["parameter_name"] for p in info["named_endpoints"]["/analyse"]["parameters"]]
    assert names == ["video", "query", "keep_every", "coupling", "concepts", "sampling", "kept"]
    for block in page.fns.values():  # in words too, for MCP
        if block.api_name in ("analyse", "tunnel_test") and block.api_visibility == "public":
            _, words, _ = get_function_description(block.fn)
            asked = info["named_endpoints"][f"/{block.api_name}"]["parameters"]
            assert list(words) == [parameter["parameter_name"] for parameter in asked]
            assert all(words.values())
    parameters = info["named_endpoints"]["/tunnel_test"]["parameters"]
    names = [p["parameter_name"] for p in parameters]
    assert names == ["seed", "outcome", "kind", "colour", "occluder", "hidden", "query"]
    assert [p["python_type"]["type"] for p in parameters] == ["int", *["str"] * 6]
    assert [p["parameter_has_default"] for p in parameters] == [False, *[True] * 6]


def test_examples_that_are_missing_are_not_offered_and_titles_are_escaped(page):
    gallery = next(block for block in page.blocks.values() if block.elem_id == "examples")
    assert "A &lt;b&gt;bold&lt;/b&gt; title" in gallery.value
    assert "Gone" not in gallery.value


def test_page_without_examples_is_built(tmp_path):
    page = layout.build_page(steps=steps, examples=tmp_path, figures=tmp_path)
    assert "findings" not in {block.elem_id for block in page.blocks.values()}
    assert not next(block for block in page.blocks.values() if block.elem_id == "examples").visible


def test_what_was_measured_is_told_with_the_figures_that_are_there(page):
    values = [str(getattr(block, "value", "")) for block in page.blocks.values()]
    assert "The landscape *wins* some." in values
    shown = next(value for value in values if "tunnel_methods.svg" in value)
    assert "95 % intervals" in shown
    assert "tunnel_resonance.svg" not in shown


def test_defaults_of_the_page_are_those_of_the_library(page):
    from slap_core.stages import QUERY_CHARACTERS

    by_id = {block.elem_id: block for block in page.blocks.values() if block.elem_id}
    assert by_id["input-keep-every"].value == Settings().keep_every
    assert by_id["input-coupling"].value == Settings().coupling
    assert by_id["input-query"].max_length == QUERY_CHARACTERS
    frames = next(b for b in page.blocks.values() if getattr(b, "label", "") == "Frames at most")
    assert frames.value == Settings().max_frames
    Settings(max_frames=frames.maximum)


def test_limits_beside_the_upload_are_the_decoder_s():
    from slap_core.video import limits
    from slap_core.video.errors import ACCEPTED

    source = pathlib.Path(layout.__file__).read_text(encoding="utf-8")
    assert f"{limits.MAX_DURATION_SECONDS / 3600:.0f} hours" in source
    assert f"{limits.MAX_PACKETS:,} frames of {limits.MAX_FRAME_PIXELS / 1e6:.0f} megapixels" in source
    for kind in re.findall(r"[A-Za-z-]+", ACCEPTED.replace(" and ", " ")):
        assert kind in source


def test_launch_settings_are_closed(tmp_path):
    root = pathlib.Path(layout.__file__).parents[2]
    clips, figures = root / "assets" / "clips", root / "assets" / "figures"
    settings = serving.launch_settings(clips, figures, private=root)
    for name, value in {"share": False, "show_error": False, "ssr_mode": False, "strict_cors": True}.items():
        assert settings[name] is value
    assert settings["max_file_size"] == "100mb"
    assert str(root / "slap_core") in settings["blocked_paths"]
    assert settings["allowed_paths"] == [str(clips), str(figures)]


def test_browser_files_name_no_other_host():
    head = serving._head(browser.plotly_library())
    hosts = set(re.findall(r"https?://[^\s'\"]+", head))
    assert hosts <= {"http://www.w3.org/2000/svg"}  # a namespace, never fetched
    assert "showSendToCloud: false" in head
    assert browser.plotly_library().stat().st_size > 1e6


def test_fixed_colours_are_the_same_in_python_and_in_the_browser():
    from slap_core.views.figures import style as palette

    script, sheet = browser.script(), browser.style()
    for name in ("INK", "MUTED", "RULE", "PAPER", "BLUE", "GREY", "VERMILLION"):
        colour = getattr(palette, name)
        assert f'"{colour}": "--slap-{name.lower()}"' in script
        assert f"--slap-{name.lower()}: {colour};" in sheet


def _luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_enough_contrast(theme):
    blocks = re.findall(r"\{([^}]*--slap-ink[^}]*)\}", browser.style())
    colours = dict(re.findall(r"--slap-([a-z-]+): (#[0-9a-f]{3,6});", blocks[theme == "dark"]))
    colours = {n: c if len(c) == 7 else "#" + "".join(2 * x for x in c[1:]) for n, c in colours.items()}

    def contrast(one, other):
        low, high = sorted((_luminance(colours[one]), _luminance(colours[other])))
        return (high + 0.05) / (low + 0.05)

    for text in ("ink", "muted", "accent"):
        assert contrast(text, "paper") >= 4.5
    assert contrast("on-accent", "accent") >= 4.5
    for graphic in ("blue", "grey", "vermillion"):
        assert contrast(graphic, "paper") >= 3


def test_loading_view_is_replaced_whole():
    blank = json.loads(callbacks.blank("map", "loading"))
    from slap_core.views.figures import View

    names = {field.name for field in dataclasses.fields(View)}
    assert set(blank) <= names
