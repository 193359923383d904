"""What is said beside the upload before anything is computed: too large, too long, frames far apart."""

import pytest
import torch
from test_page import assert_quiet

from slap_core.types import Clip
from slap_core.video import write_clip

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SAID = "#upload-said"
FILE = "#input-video input[type=file]"


def test_a_file_that_is_too_large_is_named_and_never_sent(page, tmp_path):
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "upload" in request.url else None)
    path = tmp_path / "holiday.mp4"
    with path.open("wb") as file:
        file.truncate(120 << 20)
    page.set_input_files(FILE, path)
    page.wait_for_selector(f"{SAID} p")
    assert page.inner_text(SAID) == (
        "“holiday.mp4” has 120 MB, more than the 100 MB allowed. Give a shorter or smaller video."
    )
    assert page.is_enabled("#button-run")
    # What is small enough is taken afterwards, and nothing is said any more.
    write_clip(tmp_path / "short.mp4", Clip(torch.zeros(5, 32, 32, 3, dtype=torch.uint8), torch.arange(5) / 10))
    page.set_input_files(FILE, tmp_path / "short.mp4")
    page.wait_for_selector("#input-video video")
    assert page.inner_text(SAID) == ""
    assert len([url for url in sent if url.endswith("/upload") or "upload?" in url]) == 1
    assert_quiet(page)


def test_of_a_long_video_the_first_seconds_are_offered(page, tmp_path):
    grey = torch.arange(200, dtype=torch.uint8)[:, None, None, None].expand(-1, 32, 32, 3).contiguous()
    write_clip(tmp_path / "lecture.mp4", Clip(grey, torch.arange(200.0)))
    page.set_input_files(FILE, tmp_path / "lecture.mp4")
    page.wait_for_selector(f"{SAID} button")
    assert page.inner_text(f"{SAID} p").startswith("This video lasts 3 min 20 s: its 64 frames will stand 3.2 s apart.")
    page.click(f"{SAID} button")
    assert page.inner_text(SAID) == "Frames will be taken from the first 16 s."
    assert page.input_value("#input-until input[type=number]") == "16"
    page.click("#button-run:not([disabled])")
    page.wait_for_selector("#view-strip[data-state=ready]")
    assert page.evaluate("() => slap.strip.times") == pytest.approx(list(range(17)), abs=0.01)
    page.wait_for_function("() => !document.querySelector('#button-run').disabled")
    assert_quiet(page)
