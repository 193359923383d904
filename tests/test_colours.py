"""Colours for readers who cannot tell some of them apart, by a simulation of what they see (Machado et al. 2009)."""

import itertools
import re

import numpy as np
import pytest
from colorspacious import cspace_convert, deltaE

from slap_core.views import browser
from slap_core.views.figures import style
from slap_core.views.figures.slots import SLOT_COLOURS

SIGHTS = (None, "protanomaly", "deuteranomaly", "tritanomaly")
CLEAR = 10.0
"""Distance in CAM02-UCS; 1 is just noticeable for colours side by side, these are lines apart from each other."""


def variables(selector):
    """The colours of a theme, by the names of its variables."""
    block = re.search(re.escape(selector) + r"\s*{([^}]*)}", browser.style())
    return dict(re.findall(r"(--[\w-]+):\s*(#[0-9a-f]{6})", block[1]))


def seen(colour, sight):
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    space = "sRGB1" if sight is None else {"name": "sRGB1+CVD", "cvd_type": sight, "severity": 100}
    return np.clip(cspace_convert(rgb, space, "sRGB1"), 0, 1)


def distance(first, second, sight):
    return float(deltaE(seen(first, sight), seen(second, sight), input_space="sRGB1"))


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("theme", [":root, body", "body.dark, .dark body"])
def test_methods_differ_by_colour_or_by_dash(theme, sight):
    swaps = {style.BLUE: "--slap-blue", style.GREY: "--slap-grey", style.VERMILLION: "--slap-vermillion"}
    shown = variables(theme)
    methods = {n: (shown.get(swaps.get(c, ""), c), dash) for n, (c, dash, _) in style.METHODS.items()}
    for one, other in itertools.combinations(methods, 2):
        (colour, dash), (colour2, dash2) = methods[one], methods[other]
        assert dash != dash2 or distance(colour, colour2, sight) > CLEAR, (one, other)
    for method, (colour, _) in methods.items():
        assert distance(colour, shown["--slap-ink"], sight) > CLEAR, method  # the truth


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_most_of_the_slots_can_be_told_apart(sight):
    apart = [distance(a, b, sight) > CLEAR / 2 for a, b in itertools.combinations(SLOT_COLOURS, 2)]
    assert sum(apart) >= len(apart) - 1  # the one pair that may be close has its numbers, and can be switched off


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_scale_of_scores_grows_lighter_for_everybody(sight):
    from slap_core.views.figures.concepts import _cividis

    scale = ["#" + "".join(f"{part:02x}" for part in colour) for colour in _cividis()]
    lightness = [float(cspace_convert(seen(colour, sight), "sRGB1", "CAM02-UCS")[0]) for colour in scale]
    assert np.all(np.diff(lightness) > 3)


def test_the_simulation_takes_colours_away():
    red, green = "#ff0000", "#668800"
    assert distance(red, green, None) > 2 * distance(red, green, "deuteranomaly")
