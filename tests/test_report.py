"""What a person takes away: complete, self-contained, consistent with the analysis, written whole or not at all."""

import csv
import json
import re

import numpy as np
import pytest
import torch
from fakes import analysis as fake_analysis
from fakes import clip
from tiny import write_encoder

from slap_core.__main__ import main
from slap_core.report import paths_csv, summary, write_report
from slap_core.stages import Settings
from slap_core.video import write_clip
from slap_core.views.titles import TITLES


@pytest.fixture(scope="module")
def analysis():
    return fake_analysis()


def test_four_files_and_no_others(analysis, tmp_path):
    files = write_report(analysis, tmp_path / "new" / "folder")
    assert sorted(file.name for file in files) == ["paths.csv", "paths.npz", "report.html", "summary.json"]
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == sorted(f.name for f in files)


def test_latents_survive_the_file(analysis, tmp_path):
    write_report(analysis, tmp_path)
    with np.load(tmp_path / "paths.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["truth"], analysis.encoded.truth.points.numpy())
        dropped = arrays["dropped"]
        expected = analysis.solved.solutions["SLAP"].points.numpy()
        np.testing.assert_allclose(arrays["path_SLAP"][dropped], expected, atol=1e-6)
        np.testing.assert_array_equal(arrays["times"], analysis.decoded.clip.times.numpy())


def test_one_row_per_dropped_frame_and_method(analysis):
    rows = list(csv.DictReader(paths_csv(analysis).splitlines()))
    dropped = analysis.decoded.dropped.tolist()
    assert len(rows) == 4 * len(dropped)
    slap = [row for row in rows if row["method"] == "SLAP"]
    assert [int(row["frame"]) for row in slap] == dropped
    drift = torch.tensor([float(row["drift"]) for row in slap])
    torch.testing.assert_close(drift, analysis.solved.drift["SLAP"].float())


def test_summary_is_json_and_says_what_was_found(analysis):
    numbers = json.loads(json.dumps(summary(analysis), allow_nan=False))
    scanned = analysis.scanned
    assert numbers["lambda_star"] == pytest.approx(float(scanned.couplings[scanned.drift.argmin()]))
    assert numbers["drift"]["SLAP"] == pytest.approx(float(analysis.solved.drift["SLAP"].mean()))
    assert numbers["certificate"]["converged"] is True
    assert numbers["certificate"]["sentence"].startswith("Converged")
    assert numbers["settings"]["keep_every"] == analysis.settings.keep_every
    assert {"python", "torch", "slap-core"} <= set(numbers["versions"])


def test_the_report_fetches_nothing(analysis, tmp_path):
    write_report(analysis, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert len(text) < 5_000_000
    own = text.split('id="plotly">')[0] + text.split("</script>", 2)[-1]
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", own)
    for name in TITLES:
        assert f'id="view-{name}"' in text


def test_concepts_are_taken_away_too(tmp_path):
    analysis = fake_analysis(settings=Settings(concepts="a tunnel"))
    write_report(analysis, tmp_path)
    numbers = json.loads((tmp_path / "summary.json").read_text())
    compared, dropped = analysis.compared, analysis.decoded.dropped
    assert numbers["settings"]["concepts"] == ["a tunnel"]
    assert [told["words"] for told in numbers["concepts"]] == ["a red ball", "a tunnel"]
    told = numbers["concepts"][1]
    assert told["scores"]["SLAP"] == pytest.approx(float(compared.scores["SLAP"][1, dropped].mean()))
    assert told["band_held"] == pytest.approx(float(compared.held[1]))
    assert numbers["sees"]["SLERP"]["same_words"] == compared.agrees("SLERP", dropped)
    with np.load(tmp_path / "paths.npz", allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["concepts"] @ arrays["truth"].T, arrays["scores_truth"], atol=1e-6)
        np.testing.assert_allclose(arrays["scores_radius"], compared.radius)


def test_objects_are_taken_away_too(analysis, tmp_path):
    write_report(analysis, tmp_path)
    one = analysis.tracked.objects[0]
    (told,) = json.loads((tmp_path / "summary.json").read_text())["objects"]
    assert told == {"slot": 3, "seen": one.seen.nonzero().flatten().tolist(), "there": len(one.there)}
    with np.load(tmp_path / "paths.npz", allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["object_3_place"], one.place)
        assert arrays["object_3_latents"].shape == one.solutions["SLAP"].points.shape


def test_text_from_outside_is_not_markup(tmp_path):
    hostile = fake_analysis(query="<img src=x onerror=alert(1)>", name="</script><script>alert(2)</script>.mp4")
    write_report(hostile, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "<img src=x" not in text
    assert "<script>alert" not in text


def test_nothing_half_written_where_the_disk_is_full(analysis, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(analysis, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(analysis, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ValueError, match="--out must be a folder, but out is a file"):
        write_report(analysis, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_the_command_line(tmp_path, capsys):
    write_clip(tmp_path / "movie.mp4", clip(16, height=64, width=96), fps=10)
    encoder = write_encoder(tmp_path / "encoder")
    arguments = ["analyse", str(tmp_path / "movie.mp4"), "--query", "a red car", "--keep-every", "3"]
    arguments += ["--concepts", "the ball, on the left"]
    arguments += ["--out", str(tmp_path / "out"), "--encoder", f"local-dir:{encoder}", "--couplings", "0", "0.5"]
    assert main(arguments) == 0
    assert "report.html" in capsys.readouterr().out
    numbers = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert numbers["video"]["kept"] == 6
    assert numbers["settings"]["couplings"] == [0, 0.5]
    assert [told["words"] for told in numbers["concepts"]] == ["a red car", "the ball", "on the left"]


@pytest.mark.parametrize(
    ("video", "flags", "message"),
    [
        ("missing.mp4", [], "missing.mp4"),
        ("text.mp4", [], "text.mp4"),
        ("text.mp4", ["--keep-every", "0"], "keep_every must be a whole number"),
        ("text.mp4", ["--query", "x" * 300], "at most 200"),
        ("text.mp4", ["--concepts", "a,b,c,d,e,f,g"], "at most 6 are tracked"),
    ],
)
def test_the_command_line_tells_what_is_wrong(video, flags, message, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("this is no video")
    assert main(["analyse", str(tmp_path / video), "--out", str(tmp_path / "out"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
