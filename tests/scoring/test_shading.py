import itertools
import re
from importlib.resources import files

import numpy as np
import pytest
from matplotlib import colormaps

from hmtnet.models.maps import MapStyle
from hmtnet.scoring.shading import grade_scale, reduced, shade

# What eyes without one kind of cones see, on linear RGB: Machado, Oliveira and Fernandes, 2009.
EYES = {
    "all cones": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
EVIDENCE = MapStyle(kind="evidence", title="evidence")


def linear(colour):
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(colour, eyes):
    xyz = XYZ @ np.clip(np.array(eyes) @ linear(colour), 0, 1) / (XYZ @ np.ones(3))
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one, other):
    dark, light = sorted((XYZ @ linear(colour))[1] for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def themes():
    """Paper and the colours of lines, light and dark, of the pages' style sheet."""
    text = (files("hmtnet.report.render") / "templates/figure.css").read_text(encoding="utf-8")
    papers = re.findall(r"--paper: (#\w+)", text)
    hues = re.findall(r"--hue\d: (#\w+)", text)
    assert len(papers) == 2 and len(hues) == 12
    return [(papers[0], hues[:6]), (papers[1], hues[6:])]


@pytest.mark.parametrize("eyes", EYES.values(), ids=EYES)
def test_every_eye_tells_colours_apart(eyes):
    for colours in (grade_scale(5).colours, *(hues for _, hues in themes())):
        seen = [lab(colour, eyes) for colour in colours]
        # Some 2 can be told apart side by side, 10 at a glance.
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 10
    grades = [lab(colour, eyes)[0] for colour in grade_scale(5).colours]
    assert grades == sorted(grades)


def test_lines_are_seen_on_their_paper():
    # 3 is what WCAG 2.1 asks of graphics (1.4.11).
    for paper, hues in themes():
        assert min(contrast(paper, hue) for hue in hues) >= 3


def test_grades_have_the_colours_of_their_scale():
    grades = np.array([[1, 2, 3, 4, 5]], np.float32)
    found = shade(EVIDENCE, grades, 5)
    expected = [[round(255 * c) for c in colormaps["cividis"](g / 4)[:3]] for g in range(5)]
    assert found.pixels[0].tolist() == expected
    assert found.scale.colours == tuple("#" + bytes(rgb).hex() for rgb in expected)
    assert found.scale.labels == ("1 worst", "2", "3", "4", "5 best")


def test_edges_of_the_image_show_and_leave_the_mean_colour():
    grey = np.zeros((80, 80), np.float32)
    grey[:, 40:] = 1
    evidence = np.full((80, 80), 3, np.float32)
    bare, over = (shade(EVIDENCE, evidence, 5, g).pixels.astype(int) for g in (None, grey))
    assert abs(over[:, 36:44] - bare[:, 36:44]).max() > 40
    assert abs(over[:, :20] - bare[:, :20]).max() <= 1
    assert abs(over.mean((0, 1)) - bare.mean((0, 1))).max() < 2


@pytest.mark.parametrize(
    ("shades", "black", "white"),
    [("unit", 0, 1), ("from_zero", 0, 4), ("around_zero", -4, 4), ("spread", -2, 4)],
)
def test_the_scale_says_which_values_are_black_and_white(shades, black, white):
    values = np.linspace(-2, 4, 10001, dtype=np.float32).reshape(1, -1)
    found = shade(MapStyle(kind="local", title="a", shades=shades), values)
    ends = [float(label) for label in found.scale.labels]
    assert ends == pytest.approx([black, white], abs=0.2)
    middle = np.interp(values[0, ::500], ends, (0, 255))
    assert found.pixels[0, ::500, 1] == pytest.approx(middle, abs=4)


def test_what_was_not_seen_is_striped_and_counts_for_nothing():
    values = np.full((40, 40), np.nan, np.float32)
    values[0] = np.linspace(3, 5, 40)
    found = shade(MapStyle(kind="local"), values)
    assert found.scale.labels == ("3", "5")
    colours, counts = np.unique(found.pixels[1:].reshape(-1, 3), axis=0, return_counts=True)
    assert colours.tolist() == [[196] * 3, [255] * 3] and counts.min() > 700


def test_large_images_are_averaged_not_picked_from():
    board = np.indices((1400, 2100)).sum(0) % 2 * 255
    assert reduced(board.astype(np.uint8), 2) == pytest.approx(127.5)
    colours = np.zeros((7, 5, 3), np.uint8)
    colours[..., 1] = 200
    found = reduced(colours, 3)
    assert found.shape == (2, 1, 3) and (found == [0, 200, 0]).all()
    np.testing.assert_array_equal(reduced(colours, 1), colours)
