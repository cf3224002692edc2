import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from hmtnet.metrics.mapping import fit_mapping
from hmtnet.report import svg
from hmtnet.report.render.page import as_html  # noqa: F401 - the page uses all of them


def parsed(figure):
    return ET.fromstring(figure)


def pair(n):
    random = np.random.default_rng(0)
    mos = random.random(n)
    return mos + 0.1 * random.normal(size=n), mos


def test_a_scatter_draws_every_image_and_the_curve():
    score, mos = pair(50)
    figure = parsed(svg.scatter(score, mos, fit_mapping(score, mos), "a <b>", ("score", "MOS")))
    assert figure.find("title").text == "MOS against score of a <b>"
    assert "50 images" in figure.find("desc").text
    assert figure.get("role") == "img"
    points, curve = (p.get("d") for p in figure.findall("path"))
    assert points.count("M") == 50
    places = [tuple(map(float, p.split())) for p in curve.removeprefix("M").split("L")]
    heights = [y for _, y in places]
    assert heights == sorted(heights, reverse=True)  # it rises; y points down
    assert all(46 <= x <= 330 and 10 <= y <= 276 for x, y in places)


def test_a_large_scatter_is_thinned_evenly_and_says_so():
    score, mos = pair(5000)
    rows = svg.thinned(mos)
    assert len(set(rows.tolist())) == svg.MOST_POINTS
    assert {int(mos.argmin()), int(mos.argmax())} <= set(rows.tolist())
    figure = parsed(svg.scatter(score, mos, fit_mapping(score, mos), "a", ("score", "MOS")))
    assert "1000 of 5000 points are drawn" in figure.find("desc").text
    assert figure.find("path").get("d").count("M") == 1000


def test_constant_scores_still_have_a_place():
    _, mos = pair(10)
    score = np.full(10, 0.5)
    figure = svg.scatter(score, mos, fit_mapping(score, mos), "a", ("score", "MOS"))
    assert "nan" not in figure


def test_a_confusion_shows_every_count():
    counts = np.array([[5, 1], [2, 0]])
    figure = parsed(svg.confusion(counts, "a"))
    values = [t.text for t in figure.findall("text") if t.get("class") == "value"]
    assert values == ["5", "1", "2", "0"]
    shades = [float(r.get("fill-opacity")) for r in figure.findall("rect")]
    assert shades[0] == pytest.approx(0.04 + 0.56 * 5 / 6, abs=0.01)
    assert shades[3] == pytest.approx(0.04)
    tops = [float(r.get("y")) for r in figure.findall("rect")]
    assert tops[2] < tops[0]  # better grades stand higher
    assert "5 of 8 images" in figure.find("desc").text


def test_calibration_bars_are_as_high_as_grades_are_right():
    p = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 2)
    true = np.array([0, 0, 0, 1, 0, 1])
    figure = parsed(svg.calibration(p, true, "a"))
    bars = figure.findall("rect")
    assert [bar.find("title").text for bar in bars] == [
        "2 images, 50 % right",
        "4 images, 75 % right",
    ]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights[1] / heights[0] == pytest.approx(1.5, abs=0.01)


def test_a_strip_has_a_dot_for_each_split():
    figure = parsed(svg.strip([0.8, 0.9], 0.85, (0.82, 0.88), (0.8, 0.9)))
    assert [c.get("cx") for c in figure.findall("circle")] == ["2.00%", "98.00%"]
    (interval,) = [x for x in figure.findall("line") if x.get("class") == "interval"]
    assert (interval.get("x1"), interval.get("x2")) == ("21.20%", "78.80%")
    (median,) = [x for x in figure.findall("line") if x.get("class") == "median"]
    assert median.get("x1") == "50.00%"
    assert "interval" not in svg.strip([0.8], 0.8, None, (0.7, 0.9))


@pytest.mark.parametrize(
    ("low", "high"), [(0.81, 0.99), (0, 1), (-3, 250), (0.00012, 0.00019), (1e5, 1e6)]
)
def test_ticks_are_few_round_and_inside(low, high):
    ticks = svg.ticks_between(low, high)
    assert 2 <= len(ticks) <= 6
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    assert all(len(re.sub(r"e.*|[-.0]", "", f"{tick:g}")) <= 3 for tick in ticks)
