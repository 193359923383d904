"""The figures against the numbers that they show."""

import base64
import dataclasses
import itertools
import json
import math

import fakes
import numpy as np
import pytest
import torch

from slap_core.resonance import regimes
from slap_core.stages import Settings
from slap_core.views import figures
from slap_core.views.figures import energies, images, latent_map, objects, resonance, strip, style, view
from slap_core.views.figures import regimes as regime_figures
from slap_core.views.glossary import TERMS
from slap_core.views.titles import PROMISES, TITLES

METHODS = ("ZOH", "LERP", "SLERP", "SLAP")


@pytest.fixture(scope="module")
def stages():
    return fakes.stages(24, query="a red ball")


@pytest.fixture(scope="module")
def views(stages):
    return figures.build(stages)


def traces(shown):
    return {trace.name: trace for trace in shown.figure.data}


def values(array):
    """What the browser will read: numbers or plotly's base64 typed array."""
    if isinstance(array, dict):
        return np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"])
    return np.asarray(array, dtype=float)


def test_every_view_is_built_with_its_words(views):
    assert list(views) == list(TITLES) == list(PROMISES)
    for name, shown in views.items():
        assert shown.name == name
        assert shown.title == TITLES[name]
        assert shown.state == "ready"
        assert shown.headline.endswith(".")
        assert shown.description


def test_analysis_and_its_stages_give_the_same_views(views):
    built = figures.build(fakes.analysis(24, query="a red ball"))
    assert all("analyse" in v.provenance["Command"] for v in built.values())  # the settings are known to it alone
    built = {name: dataclasses.replace(v, provenance={}) for name, v in built.items()}
    assert {name: v.to_json() for name, v in built.items()} == {name: v.to_json() for name, v in views.items()}


def test_map_draws_truth_anchors_paths_recovered_points_and_query(stages, views):
    decoded, projected = stages[0], stages[-1]
    found = traces(views["map"])
    assert set(found) == {*METHODS, *(f"{m} recovered" for m in METHODS), "true path", "anchors", "query", "axes"}
    np.testing.assert_allclose(found["true path"].x, projected.truth[:, 0])
    np.testing.assert_allclose(found["SLAP recovered"].y, projected.recovered["SLAP"][:, 1])
    assert list(found["SLAP recovered"].customdata) == decoded.dropped.tolist()
    assert list(found["anchors"].customdata) == decoded.kept.tolist()
    # Observed and recovered differ by shape, not by colour alone.
    assert found["anchors"].marker.symbol == "circle-open"
    assert found["SLAP recovered"].marker.symbol == "diamond-open"
    assert found["SLAP"].line.color == style.VERMILLION
    assert found["SLAP"].line.width > found["SLERP"].line.width


def test_without_a_query_there_is_no_star_and_no_alignment():
    views = figures.build(fakes.stages(12, query=""))
    assert "query" not in traces(views["map"])
    assert "alignment" not in traces(views["resonance"])


def test_zoom_survives_new_numbers_but_not_a_new_projection(stages):
    def revision(projected):
        shown = latent_map.latent_map(projected, stages[0], stages[1], stages[2])
        return shown.figure.layout.uirevision

    assert revision(stages[-1]) == revision(stages[-1])
    assert revision(stages[3]) != revision(stages[-1])


def test_later_map_replaces_the_earlier_one(stages):
    found = figures.Found()
    shown = {}
    for stage in stages:
        shown |= figures.update(found, stage)
        if stage is stages[3]:
            assert shown["map"].data["method"] == "PCA"
    assert shown["map"].data["method"] == "UMAP"


def test_stage_before_those_it_needs_is_refused(stages, unhooked):
    with pytest.raises(ValueError, match="Solved came before the stages that it needs"):
        figures.update(figures.Found(), stages[2])


@pytest.mark.parametrize(
    ("ours", "theirs", "sentence"),
    [
        (0.02, 0.04, "SLAP comes nearest to the true frames: mean drift 0.02, 50 % below SLERP (0.04)."),
        (0.04, 0.02, "SLERP comes nearer to the true frames than SLAP here: mean drift 0.02 against 0.04;"),
        (0.02, 0.02, "SLAP and SLERP come equally near to the true frames: mean drift 0.02."),
    ],
)
def test_headline_of_the_map_follows_the_numbers(ours, theirs, sentence):
    drift = {"ZOH": torch.tensor([0.5, 0.5]), "SLERP": torch.full((2,), theirs), "SLAP": torch.full((2,), ours)}
    assert latent_map.drift_sentence(drift, [0.1, 0.2]).startswith(sentence)


def test_lerp_that_ties_with_slerp_is_not_the_rival_named():
    drift = {name: torch.tensor([value]) for name, value in {"LERP": 0.0200, "SLERP": 0.0201, "SLAP": 0.04}.items()}
    assert latent_map.drift_sentence(drift, [0.0]).startswith("SLERP comes nearer")


def test_headline_says_where_slap_is_farthest_off():
    drift = {"SLERP": torch.tensor([0.1, 0.1]), "SLAP": torch.tensor([0.01, 0.05])}
    assert latent_map.drift_sentence(drift, [1.0, 2.5]).endswith("SLAP is farthest off at 2.50 s.")


def test_resonance_marks_lambda_star_and_the_unconverged(stages, views):
    scanned = stages[4]
    found = traces(views["resonance"])
    assert set(found) == {"drift", "alignment", "action", "not converged", "SLERP"}
    np.testing.assert_allclose(values(found["drift"].y), scanned.drift, rtol=1e-6)
    lost = [c for c, fine in zip(scanned.couplings.tolist(), scanned.converged, strict=True) if not fine]
    assert len(found["not converged"].x) == len(lost) == 1
    star = float(scanned.couplings[scanned.best])
    texts = [annotation.text for annotation in views["resonance"].figure.layout.annotations]
    assert f"λ* = {star:.3g}" in texts
    assert f"λ = {Settings().coupling:g}" in texts
    assert f"λ* = {star:.3g}" in views["resonance"].headline


def test_resonance_shades_the_regimes_and_names_what_was_measured(stages, views):
    scanned, view_ = stages[4], views["resonance"]
    layout, found = view_.figure.layout, torch.tensor(scanned.converged)
    wanted = regimes(scanned.couplings, -scanned.drift, found=found)
    ticks, _, smallest = style.coupling_ticks(scanned.couplings)
    bands = [shape for shape in layout.shapes if shape.type == "rect"]
    assert len(bands) == len(list(itertools.groupby(wanted)))
    names = [a.text for a in layout.annotations]
    assert "resonance" in names
    best = style.compress(float(scanned.couplings[scanned.best]), smallest)
    darkest = max(bands, key=lambda band: float(band.fillcolor.rstrip(")").split(",")[-1]))
    assert darkest.x0 <= best <= darkest.x1
    above = {a.x: a.text for a in layout.annotations if a.yshift == 24 and a.text != "Λ"}
    for coupling, number in zip(scanned.couplings.tolist(), scanned.coupling_number.tolist(), strict=True):
        place = style.compress(coupling, smallest)
        tick = any(math.isclose(place, t, abs_tol=1e-6) for t in ticks)
        if tick and math.isfinite(number):
            assert above.pop(place) == f"{number:.2f}"
    assert not above
    assert regime_figures.DEFINITION in view_.caption
    assert [row[-2] for row in view_.table.rows] == [regime.value for regime in wanted]


def test_a_scan_without_a_start_has_no_regimes(stages):
    lost = (False, *stages[4].converged[1:])
    shown = resonance.resonance_curve(dataclasses.replace(stages[4], converged=lost), stages[2], coupling=0.5)
    assert not [shape for shape in shown.figure.layout.shapes if shape.type == "rect"]
    assert "Shaded" not in shown.caption


def test_resonance_says_so_when_no_pull_helps(stages):
    scanned = dataclasses.replace(stages[4], drift=torch.linspace(0.1, 0.2, 16), best=0)
    shown = resonance.resonance_curve(scanned, stages[2], coupling=0.5)
    assert shown.headline.startswith("No pull helps on this clip")


def test_coupling_axis_has_zero_on_it_and_is_monotone():
    couplings = Settings().couplings
    ticks, labels, smallest = style.coupling_ticks(couplings)
    assert labels[0] == "0"
    assert ticks[0] == 0
    assert smallest == 0.02
    places = [style.compress(c, smallest) for c in couplings]
    assert places == sorted(places)
    # Decades are equally wide far from zero.
    wide = style.compress(1000.0, 0.02) - style.compress(100.0, 0.02)
    assert math.isclose(wide, 1.0, abs_tol=1e-4)


def test_energies_draw_every_method_and_their_sum(stages, views):
    solved = stages[2]
    data = views["energies"].figure.data
    for method in METHODS:
        lines = [t for t in data if t.name == method]
        assert len(lines) == 3
        np.testing.assert_allclose(values(lines[0].y) + values(lines[1].y), values(lines[2].y), atol=1e-6)
        bars = next(t for t in data if t.name == f"{method} action")
        np.testing.assert_allclose(bars.y, solved.energies[method].action, rtol=1e-6)


def test_gaps_are_named_by_their_true_times(stages):
    decoded = stages[0]  # 24 frames, one in 4 kept: five gaps and an open end
    times = decoded.clip.times
    expected = [*zip(times[[0, 4, 8, 12, 16]].tolist(), times[[4, 8, 12, 16, 20]].tolist(), strict=True)]
    expected.append((float(times[20]), float(times[23])))
    assert energies.gap_spans(decoded) == expected


@pytest.mark.parametrize("method", ["ZOH", "Latent ODE"])
def test_methods_that_leap_are_hidden_only_where_they_would_set_the_scale(stages, method):
    def shown(factor):
        leap = stages[2].energies["ZOH"]
        leap = dataclasses.replace(leap, kinetic=leap.kinetic * factor)
        others = {name: e for name, e in stages[2].energies.items() if name != "ZOH"}
        solved = dataclasses.replace(stages[2], energies={method: leap, **others})
        view_ = energies.energy_curves(solved, stages[0])
        return view_.figure.data[0].visible, method in view_.caption

    assert shown(100.0) == ("legendonly", True)
    assert shown(0.01) == (True, False)


def test_strip_holds_every_frame_with_its_true_time(stages, views):
    clip = stages[0].clip
    data = views["strip"].data
    assert data["kept"] == [0, 4, 8, 12, 16, 20]
    np.testing.assert_allclose(data["times"], clip.times, atol=1e-4)
    assert data["sprite"]["count"] == 24
    assert "6 of 24 frames are kept (25 %); 18 are missing in 6 stretches" in views["strip"].headline


def test_strip_passes_on_what_the_person_should_know():
    stages = fakes.stages(8, query="a xylophone")
    notes = figures.build(stages[:2])["strip"].notes
    assert any("“xylophone”" in note for note in notes)


def test_sprite_sheet_has_the_frames_in_their_places():
    import io

    from PIL import Image

    frames = torch.zeros(5, 40, 60, 3, dtype=torch.uint8)
    for index in range(5):
        frames[index] = 50 * index
    sheet = images.sprite_sheet(frames)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["src"].split(",")[1]))))
    for index in range(5):
        row, column = divmod(index, sheet["columns"])
        patch = picture[row * sheet["height"] :, column * sheet["width"] :][: sheet["height"], : sheet["width"]]
        assert abs(patch.mean() - 50 * index) < 4


def test_sprite_sheet_of_many_busy_frames_stays_small():
    noise = torch.randint(0, 256, (300, 96, 128, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    sheet = images.sprite_sheet(noise)
    assert sheet["count"] == 300
    assert len(base64.b64decode(sheet["src"].split(",")[1])) <= images.MOST_BYTES
    assert images.SMALLEST_SIDE <= sheet["width"] < 128
    assert sheet["width"] / sheet["height"] == pytest.approx(4 / 3, abs=0.1)


def test_sprite_sheet_reduces_to_the_longest_side_and_survives_one_pixel():
    sheet = images.sprite_sheet(torch.zeros(2, 100, 400, 3, dtype=torch.uint8), longest_side=80)
    assert (sheet["width"], sheet["height"]) == (80, 20)
    assert images.sprite_sheet(torch.zeros(1, 1, 1, 3, dtype=torch.uint8))["width"] == 1


def test_the_map_carries_the_path_of_every_lambda(stages, views):
    decoded, umap, data = stages[0], stages[-1], views["map"].data
    count = len(stages[4].couplings)
    packed = np.frombuffer(base64.b64decode(data["scan"]["points"]), "<u2").reshape(count, data["scan"]["frames"], 2)
    points = np.array(data["scan"]["low"]) + data["scan"]["size"] * packed
    tolerance = data["scan"]["size"]
    np.testing.assert_allclose(points[:, decoded.dropped], umap.scan, atol=tolerance)
    np.testing.assert_allclose(points[3][decoded.kept], umap.truth[decoded.kept], atol=tolerance)
    assert "scan" not in figures.build(stages[:4])["map"].data  # before it is known


def test_the_map_carries_the_same_points_in_three_dimensions(stages, views):
    decoded, umap = stages[0], stages[-1]
    solid = views["map"].data["solid"]
    rows = np.frombuffer(base64.b64decode(solid["points"]), "<u2").reshape(-1, solid["frames"], 3)
    points = np.array(solid["low"]) + solid["size"] * rows
    near = {"atol": solid["size"], "rtol": 0}
    np.testing.assert_allclose(points[0], umap.solid.truth, **near)
    for row, method in enumerate(solid["methods"], 1):
        np.testing.assert_allclose(points[row], umap.solid.paths[method], **near)
    scan = points[1 + len(solid["methods"]) :]
    np.testing.assert_allclose(scan[:, decoded.dropped], umap.solid.scan, **near)
    np.testing.assert_allclose(scan[3][decoded.kept], umap.solid.truth[decoded.kept], **near)
    np.testing.assert_allclose(solid["query"], umap.solid.query, rtol=1e-3)


def test_the_resonance_curve_carries_the_energies_of_every_lambda(stages, views):
    scanned, data = stages[4], views["resonance"].data
    np.testing.assert_allclose(data["kinetic"], scanned.kinetic_curve, rtol=1e-3)
    np.testing.assert_allclose(data["pull"], scanned.couplings[:, None] * scanned.potential_curve, rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(data["action"], scanned.gap_action, rtol=1e-3)
    own = stages[2].solutions["SLAP"].certificate.coupling
    assert data["couplings"][data["chosen"]] == pytest.approx(min(data["couplings"], key=lambda c: abs(c - own)))


def test_slot_masks_arrive_as_bytes(stages, views):
    slotted, data = stages[6], views["slots"].data
    slow = np.frombuffer(base64.b64decode(data["slow"]["bytes"]), np.uint8).reshape(data["slow"]["shape"])
    np.testing.assert_allclose(slow / 255, slotted.slow, atol=0.5 / 255 + 1e-6)
    fast = np.frombuffer(base64.b64decode(data["fast"]["bytes"]), np.uint8).reshape(data["fast"]["shape"])
    np.testing.assert_allclose(fast / 255, slotted.fast, atol=0.5 / 255 + 1e-6)
    assert data["slow"]["box"] == list(slotted.box)
    assert len(set(data["colours"])) == 8


def test_slots_headline_finds_the_strongest_change(stages):
    fast = torch.zeros(16, 24, 8)
    fast[..., 0] = 1
    fast[6, 10:, 0], fast[6, 10:, 3] = 0, 1
    slotted = dataclasses.replace(stages[6], fast=fast)
    headline = figures.update(figures.Found(decoded=stages[0]), slotted)["slots"].headline
    assert f"{view.seconds(float(stages[0].clip.times[10]))}, in row 2, column 3" in headline


def test_a_small_object_has_a_slot_that_is_used(stages):
    slow = torch.zeros_like(stages[6].slow)
    slow[:, 2] = 1
    slow[0, :, 0, 0] = torch.eye(8)[5]
    headline = figures.update(figures.Found(decoded=stages[0]), dataclasses.replace(stages[6], slow=slow))
    assert "6 of 8 slots are the strongest nowhere" in headline["slots"].headline


def test_slots_that_tell_nothing_apart_are_called_so(stages):
    even = dataclasses.replace(stages[6], slow=torch.full_like(stages[6].slow, 1 / 8))
    headline = figures.update(figures.Found(decoded=stages[0]), even)["slots"].headline
    assert headline.startswith("The slow slots share the picture almost evenly")


def test_events_are_summed_up_along_time(stages):
    fast = torch.zeros(16, 24, 8)
    fast[:, :8, 0], fast[:, 8:, 1] = 1, 1
    shown = figures.update(figures.Found(decoded=stages[0]), dataclasses.replace(stages[6], fast=fast))["slots"]
    assert shown.data["events"]["starts"] == [0, 8]
    assert shown.data["events"]["changes"] == [float(k == 7) for k in range(23)]
    assert f"stretches from 0.00 s, {view.seconds(float(stages[0].clip.times[8]))}." in shown.description


def test_the_xray_outlines_objects_where_they_are_believed_to_be(stages, views):
    one, shown = stages[7].objects[0], views["objects"]
    times, kept = stages[0].clip.times, stages[0].kept
    assert f"out of sight from {view.seconds(float(times[kept[1]]))} to" in shown.headline
    assert "to the right" in shown.headline
    drawn = shown.data["objects"][0]
    assert drawn["slot"] == 3
    assert drawn["seen"] == one.seen.int().tolist()
    height, width = stages[0].clip.frames.shape[1:3]
    for frame, (x, y, a, b, _) in zip(shown.data["frames"], drawn["ellipses"], strict=True):
        # In widths of the picture, measured from the left and top of the box, three quarters of the picture wide.
        assert x == pytest.approx(0.75 * float(one.place[frame, 1]), abs=0.06)
        assert y == pytest.approx(0.5 * height / width, abs=0.06)
        assert 0.05 < min(a, b) <= max(a, b) < 0.4


def test_an_ellipse_has_the_size_and_the_slope_of_its_mask():
    rows, columns = torch.meshgrid(torch.arange(80), torch.arange(80), indexing="ij")
    x, y = (columns + 0.5 - 30) / 80, (rows + 0.5 - 50) / 80
    along, across = (x + y) / 2**0.5, (y - x) / 2**0.5  # down to the right on the screen
    mask = ((along / 0.3) ** 2 + (across / 0.1) ** 2 < 1).float()
    centre, axes, angle = objects._ellipse(mask, torch.tensor([80.0, 80.0]))
    torch.testing.assert_close(centre, torch.tensor([30.0, 50.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(axes, torch.tensor([8.0, 24.0]), atol=0.3, rtol=0)
    assert abs(np.sin(angle + np.pi / 4)) < 0.02  # the first axis is the short one


def test_the_xray_says_where_there_is_nothing_to_follow(stages):
    found = figures.Found(decoded=stages[0])
    nothing = figures.update(found, dataclasses.replace(stages[7], objects=()))["objects"]
    assert nothing.headline.startswith("No slot surely holds one small thing")
    assert json.loads(nothing.to_json())["data"] == {}
    one = stages[7].objects[0]
    seen = torch.zeros_like(one.seen)
    seen[stages[0].kept] = True
    always = dataclasses.replace(stages[7], objects=(dataclasses.replace(one, seen=seen),))
    assert "every kept frame" in figures.update(found, always)["objects"].headline


def test_certificate_shows_its_sentence_and_numbers(stages, views):
    certificate = stages[2].solutions["SLAP"].certificate
    assert views["certificate"].headline == certificate.sentence
    rows = dict(views["certificate"].table.rows)
    assert rows["largest preconditioned step left"] == "4.1 × 10⁻⁶ rad"
    assert views["certificate"].table.folded


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
@pytest.mark.parametrize("query", ["", "a red ball"])
def test_short_clips_give_every_view(frames, query):
    views = figures.build(fakes.stages(frames, query=query))
    assert list(views) == list(TITLES)
    for shown in views.values():
        json.loads(shown.to_json())


def test_clip_of_which_nothing_was_dropped():
    views = figures.build(fakes.stages(6, settings=Settings(keep_every=1)))
    assert "all 6 frames" in views["strip"].headline.lower()
    assert views["energies"].figure is None
    assert views["energies"].message


def test_hostile_text_reaches_no_markup():
    hostile = "<img src=x onerror=alert(1)>&\u202eevil\x00"
    views = figures.build(fakes.stages(12, query=hostile, name=hostile + ".mp4"))
    star = traces(views["map"])["query"].text[0]
    assert star == "&lt;img src=x onerror=alert(1)&gt;&amp;evil"
    for shown in views.values():
        text = shown.to_json()
        assert "<" not in text
        assert "\u202e" not in json.dumps(json.loads(text), ensure_ascii=False)
        assert "\\u202e" not in text
        assert "\\u0000" not in text


def test_json_uses_typed_arrays(views):
    figure = json.loads(views["map"].to_json())["figure"]
    path = next(trace for trace in figure["data"] if trace["name"] == "SLAP")
    assert set(path["x"]) >= {"dtype", "bdata"}
    assert "template" not in figure["layout"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.031249, "0.0312"), (1.5e-5, "1.5 × 10⁻⁵"), (-2.5, "−2.5"), (1234.0, "1230"), (12345.0, "12300"),
        (3e7, "3.0 × 10⁷"), (float("nan"), "not defined"), (float("inf"), "infinite"),
    ],
)  # fmt: skip
def test_amounts_have_three_digits_at_most(value, text):
    assert view.amount(value) == text


def test_plain_text_is_one_short_line():
    assert view.plain("a\n\tb\u200b  c") == "a b c"
    assert view.plain("x" * 300) == "x" * 199 + "…"
    assert view.escaped("a<b>&c") == "a&lt;b&gt;&amp;c"


def test_open_end_counts_as_a_stretch():
    found = strip.film_strip(fakes.stages(7, settings=Settings(keep_every=3))[0])  # kept 0, 3, 6
    assert "4 are missing in 2 stretches" in found.headline
    found = strip.film_strip(fakes.stages(8, settings=Settings(keep_every=3))[0])  # one more after the last anchor
    assert "5 are missing in 3 stretches" in found.headline


def test_every_caption_has_terms_that_say_what_they_mean(views):
    for name, one in views.items():
        assert any(form in one.caption for *_, forms in TERMS.values() for form in forms), name
    for name, (definition, _, forms) in TERMS.items():
        assert definition[0].islower() or definition[0].isupper()
        assert len(definition) < 120
        assert forms, name
    forms = [form for *_, forms in TERMS.values() for form in forms]
    assert len(forms) == len(set(forms))  # each word means one thing
