"""What is no plot can be saved as a picture, and looks as it does on the page."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from test_page import assert_quiet

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PICTURES = {
    "strip": ".slap-strip",
    "concepts": ".slap-concept",
    "slots": ".slap-masks",
    "objects": ".slap-sightings",
    "sees": ".slap-sees-frame",
}


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)


def saved(page, name, kind):
    with page.expect_download() as download:
        page.click(f"#view-{name} button:has-text('save as {kind}')")
    assert download.value.suggested_filename == f"slap-{name}.{kind.lower()}"
    return download.value.path().read_bytes()


@pytest.mark.parametrize("name", PICTURES)
def test_a_saved_picture_looks_as_on_the_page(page, name):
    inside = page.locator(f"#view-{name} {PICTURES[name]}").first
    inside.scroll_into_view_if_needed()
    page.mouse.move(2, 2)
    shown = pixels(inside.screenshot())
    found = pixels(saved(page, name, "PNG"))[::2, ::2]
    # Somewhere in it, at its place from the left, is what the page shows.
    left = page.evaluate(
        "([name, inside]) => { const at = (s) => document.querySelector(`#view-${name} ${s}`).getBoundingClientRect();"
        "return Math.round(at(inside).left - at('.slap-body').left) + 16; }",
        [name, PICTURES[name]],
    )
    height, width = shown.shape[:2]
    height, width = min(height, 200), min(width, found.shape[1] - left)
    shown, strip = shown[:height, :width], found[:, left : left + width]
    off = [np.abs(strip[top : top + height] - shown).mean() for top in range(len(strip) - height + 1)]
    assert shown.std() > 10
    assert min(off) < 0.3 * shown.std()

    svg = saved(page, name, "SVG").decode()
    assert ET.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert "save as" not in svg
    assert_quiet(page)


def test_plots_have_buttons_of_their_own(page):
    assert page.locator("#view-map .slap-save:visible, #view-resonance .slap-save:visible").count() == 0
    assert page.locator("#view-map [data-title='Save as SVG']").count() == 1
