"""The robustness benchmark: which frames are kept, what is compared, and a short run of the command."""

import json

import pytest
import torch

from slap_core import sphere
from slap_core.baselines import Oracle, Slerp, ZeroOrderHold
from slap_core.benchmarks import robustness
from slap_core.metrics import drift
from slap_core.types import Clip, Latents
from slap_core.video import write_clip


def latents(count, dim=6):
    points = torch.randn(count, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Latents(sphere.normalize(points), torch.arange(count).double() / 10)


def test_each_rate_keeps_one_frame_in_so_many_and_the_last_one():
    asked = {}

    def spy(seen, times):
        asked[len(seen)] = (seen.times, times)
        return ZeroOrderHold()(seen, times)

    robustness.drifts({"spy": spy}, latents(58))  # 41 are used
    assert sorted(asked) == [5, 11, 21]
    for every, count in ((2, 21), (4, 11), (10, 5)):
        seen, times = asked[count]
        torch.testing.assert_close(seen, torch.arange(0, 41, every).double() / 10)
        assert sorted(torch.cat([seen, times]).mul(10).round().int().tolist()) == list(range(41))


def test_drift_is_that_of_the_dropped_frames():
    clip = latents(41)
    rows = {
        "oracle": lambda seen, times: Oracle(clip)(seen, times),
        "slerp": lambda seen, times: Slerp()(seen, times),
    }
    found = robustness.drifts(rows, clip)
    assert max(found["oracle"].values()) < 1e-9
    dropped = [k for k in range(41) if k % 10]
    path = Slerp()(clip.select(range(0, 41, 10)), clip.times[dropped]).points
    assert found["slerp"]["10"] == pytest.approx(float(drift(path, clip.points[dropped]).mean()))
    with pytest.raises(ValueError, match="needs clips of at least 21 frames, got 20"):
        robustness.drifts(rows, latents(20))


def test_a_summary_is_of_clips_and_compares_each_with_its_own_slerp():
    def clip(zoh, slerp):
        return {"zoh": dict.fromkeys(robustness.RATES, zoh), "slerp": dict.fromkeys(robustness.RATES, slerp)}

    found = robustness.summary([clip(0.2, 0.1), clip(0.6, 0.2)])
    mean, low, high, ratio, ratio_low, ratio_high = found["zoh"]["25"]
    assert (mean, ratio) == (pytest.approx(0.4), pytest.approx(0.4 / 0.15))
    assert 0.2 <= low < mean < high <= 0.6
    assert 2.0 <= ratio_low < ratio < ratio_high <= 3.0
    assert found["slerp"]["50"][3:] == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.usefixtures("unhooked")
def test_the_command_compares_all_methods_on_both_kinds_of_clips(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    ends = torch.rand(2, 48, 48, 3, generator=torch.Generator().manual_seed(0))
    frames = torch.stack([torch.lerp(ends[0], ends[1], s) for s in torch.linspace(0, 1, 25)])
    write_clip(videos / "long.mp4", Clip((255 * frames).byte(), torch.arange(25) / 10))
    write_clip(videos / "short.mp4", Clip((255 * frames[:9]).byte(), torch.arange(9) / 10))
    (videos / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    robustness.main(["--out", str(tmp_path / "out"), "--videos", str(videos), "--seeds", "3221225472-3221225473"])
    found = json.loads((tmp_path / "out" / "robustness.json").read_text())
    assert found["videos"] == ["long.mp4"]
    assert found["skipped"] == ["broken.mp4", "short.mp4"]
    for kind in ("tunnel_world", "real"):
        assert {"zoh", "lerp", "slerp", "regressor", "static", "slap_paper", "slap", "slap_fit"} <= found[kind].keys()
        assert all(set(by_rate) == {"50", "25", "10"} for by_rate in found[kind].values())
        assert all(0 <= value < 2 for by_rate in found[kind].values() for value in by_rate.values())
    assert "| slap_fit |" in (tmp_path / "out" / "robustness.md").read_text()


@pytest.mark.usefixtures("unhooked")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "0-5"], "outside of the training split"),
        (["--seeds", "5"], "--seeds must be A-B"),
        (["--videos", "nowhere"], "'nowhere' does not exist"),
    ],
)
def test_impossible_runs_are_refused(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        robustness.main(["--out", str(tmp_path), *options])
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("unhooked")
def test_a_folder_without_long_enough_videos_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        robustness.main(["--out", str(tmp_path), "--videos", str(tmp_path)])
    assert "no video in" in capsys.readouterr().err
