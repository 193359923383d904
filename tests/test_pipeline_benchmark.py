"""The benchmark of whole runs: a short one, what runs again, what a plain loop finds, what is refused."""

import json
import math

import fakes
import numpy as np
import open_clip
import pytest
import torch
from tiny import write_encoder

from slap_core import analysis
from slap_core.action import DiscreteAction
from slap_core.benchmarks import films, pipeline, pipeline_tables, plain_loop, starting, untrained
from slap_core.benchmarks.clocks import cpu_seconds
from slap_core.benchmarks.page_run import STAGES
from slap_core.benchmarks.resident import PeakMemory
from slap_core.encoders import from_folder
from slap_core.pretrained import load_encoder, weights_folder
from slap_core.stages import Settings
from slap_core.video import read_clip, write_clip


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "square.mp4", fakes.clip(16))


def positive(values):
    return all(math.isfinite(value) and value > 0 for value in values)


@pytest.mark.slow
def test_the_command_measures_every_stage(video, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(starting, "PACKAGES", ("json",))
    pipeline.main([str(video), "--quick", "--encoders", "bundled", "--out", str(tmp_path)])
    record = json.loads((tmp_path / "pipeline.json").read_text())
    assert [row["clip"] for row in record["clips"]] == ["2s.mp4", "square.mp4"]
    assert positive([record["startup_seconds"], record["import_seconds"], record["import_ratio"]])
    for row in record["clips"]:
        assert positive(row[name] for name in pipeline_tables.AIMS)
        assert list(row["stages"]) == list(row["shares"]) == list(row["cold"]) == list(STAGES)
        assert positive(row["stages"].values())
        assert sum(row["shares"].values()) == pytest.approx(1)
        assert list(row["plain"]) == list(row["ratios"]) == list(plain_loop.STAGES)
        assert positive(row["ratios"].values())
        total = sum(row["stages"].values())
        for kind, ratio in (("coupling", "rerun_ratio"), ("query", "rerun_query_ratio")):
            assert total / sum(row["rerun"][kind].values()) == pytest.approx(row[ratio])
        assert row["overhead_share"] == pytest.approx(total / (row["stages"]["decode"] + row["stages"]["encode"]) - 1)
        assert sum(row["figures_mb"].values()) == pytest.approx(row["page_mb"])
        assert row["figures_mb"].keys() >= {"strip", "map", "resonance", "slots", "objects"}
        assert (row["frames"], row["adam"]["evaluations"] <= 21) == (16, True)
    text = (tmp_path / "pipeline.md").read_text()
    assert "| square.mp4, bundled |" in text
    assert text.strip() in capsys.readouterr().out


def test_runs_again_decode_and_encode_nothing(video, looked_at, monkeypatch):
    monkeypatch.setattr(analysis, "project", drawn_by_pca(analysis.project))
    seen = []
    monkeypatch.setattr(pipeline, "run_as_page", noted(pipeline.run_as_page, looked_at, seen))
    settings = Settings(max_frames=16, couplings=(0.0, 0.1))
    case = pipeline.Case(
        video, "bundled", weights_folder("encoder"), settings, repeats=1, evaluations=20, threads=1, clock="cpu"
    )
    first, *again = pipeline._round(case)
    assert seen[0]["read"] == 1
    assert seen[0]["pictures"] >= 16
    assert seen == [seen[0]] * 3
    for run in again:
        assert run.stages["encode"].truth.points.equal(first.stages["encode"].truth.points)
    assert [run.stages["solve"].solutions["SLAP"].certificate.coupling for run in (first, *again)] == [0.05, 0.3, 0.05]
    assert [run.stages["encode"].prompt for run in again] == ["a red car", "a blue ball"]


def drawn_by_pca(project):
    """UMAP's loops take longer to compile than all else here."""
    return lambda *of, method, **how: project(*of, method="PCA", **how)


def noted(run, counts, seen):
    def noting(*arguments, **how):
        found = run(*arguments, **how)
        seen.append(dict(counts))
        return found

    return noting


def test_a_plain_loop_finds_the_same_frames_latents_and_problem(video):
    clip = read_clip(video)
    frames = plain_loop.decode_all(video, clip.times[::3].numpy())
    assert len(frames) == 6
    difference = np.abs(np.stack(frames).astype(float) - clip.frames[::3].numpy())
    assert difference.mean() < 4  # another conversion to RGB
    encoder, folder = load_encoder(), weights_folder("encoder")
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["a red car"])
    ours = encoder(clip.select(range(4))).points
    theirs = plain_loop.encode_singly(model.eval(), transform, list(clip.frames[:4].numpy()), tokens)
    assert float((ours * theirs).sum(-1).min()) > 0.99
    _, encoded, solved, _, scanned, *_ = fakes.stages(16)
    settings = Settings(potential="static", couplings=(0.0, 0.1))
    beside = (encoded, solved, scanned)
    rival = plain_loop.PlainLoop.beside(video, folder, settings, encoder, beside, limit=50)
    assert rival.evaluations <= 51
    assert rival._drawn().shape == (16 * 5 + scanned.points.shape[0] * scanned.points.shape[1], 16)
    action = plain_loop._action(rival.potential, encoded, settings, 0.1)
    assert isinstance(action, DiscreteAction)
    assert bool(action.evaluate(action.geodesic()).value.isfinite().all())


def test_a_film_repeats_no_picture(tmp_path):
    path = films.write_film(tmp_path / "film.mp4", seconds=6.0, height=32, fps=10.0)
    clip = read_clip(path)
    assert (len(clip), clip.frames.shape[1:3]) == (60, (32, 56))
    assert len({frame.numpy().tobytes() for frame in clip.frames}) == 60


def test_peak_memory_grows_with_what_is_held():
    peak = PeakMemory()
    if peak.whole_mb() is None:
        pytest.skip("this system does not tell")
    held = torch.ones(40_000_000, dtype=torch.uint8)
    assert 35 < peak.above_mb() < 80
    assert peak.whole_mb() > held.nbytes / 1e6


def test_an_untrained_encoder_is_read_like_any_other(tmp_path, monkeypatch):
    config = json.loads((write_encoder(tmp_path / "tiny") / "open_clip_config.json").read_text())["model_cfg"]
    config["text_cfg"] |= {"vocab_size": 49408, "context_length": 77}
    del config["text_cfg"]["hf_tokenizer_name"]
    (tmp_path / "Tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "Tiny.json")
    untrained.check_architecture("Tiny")
    encoder = from_folder(untrained.write_untrained(tmp_path / "made", "Tiny"), name="Tiny")
    assert encoder.dim == 12
    assert encoder(fakes.clip(3)).points.shape == (3, 12)


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.mp4"], "nowhere.mp4"),
        (["--encoders", "Nonsense"], "'Nonsense' is not an encoder to measure"),
        (["--encoders", "ViT-B-16-SigLIP"], "needs a tokenizer from the hub"),
        (["--seconds", "ten"], "numbers from 1 to 600"),
        (["--seconds", "0.1"], "numbers from 1 to 600"),
        (["--seconds", ""], "nothing to measure"),
        (["--repeats", "0"], "--repeats must be at least 1"),
        (["--frames", "0"], "max_frames must be between 1 and"),
    ],
)
def test_what_cannot_be_measured_is_refused(tmp_path, capsys, arguments, words):
    with pytest.raises(SystemExit):
        pipeline.main([*arguments, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("unhooked")
def test_what_cannot_be_read_or_started_is_a_sentence(tmp_path, monkeypatch):
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(200))
    with pytest.raises(ValueError, match=r"decord.* cannot read broken\.mp4"):
        plain_loop.decode_all(path, np.zeros(1))
    (tmp_path / "app.py").write_text("raise SystemExit(1)")
    monkeypatch.setattr(starting, "APP", tmp_path / "app.py")
    with pytest.raises(ValueError, match="did not come up"):
        starting.startup_seconds(cpu_seconds)
