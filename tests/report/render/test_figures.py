import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from hmtnet.metrics.mapping import fit_mapping
from hmtnet.report.numbers.history import Curves
from hmtnet.report.render import figures
from hmtnet.report.render.drawing import ticks_between
from hmtnet.report.render.write import write_figure

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def drawn(tmp_path):
    """Draws a figure, and returns what the file shows."""

    def draw(figure, heading="a heading", below="below"):
        path = tmp_path / "figure.svg"
        write_figure(figure, path, heading, below)
        return ET.parse(path).getroot().find(f"{SVG}svg/{SVG}svg")

    return draw


def scatter(rows, name="a"):
    return figures.scatter(rows, fit_mapping(rows.score, rows.mos), name, "MOS")


def of_class(drawing, tag, name):
    return [e for e in drawing.iter(f"{SVG}{tag}") if name in e.get("class", "").split()]


def places(path):
    return [tuple(map(float, p.split())) for p in path.get("d").removeprefix("M").split("L")]


def test_a_scatter_draws_every_image_and_the_curve(predictions, drawn):
    drawing = drawn(scatter(predictions(50, methods=0, scales=0), "a <b> & 'c'"))
    assert drawing.find(f"{SVG}title").text == "MOS against score of a <b> & 'c'"
    assert "50 images" in drawing.find(f"{SVG}desc").text
    assert drawing.get("role") == "img"
    (points,), (curve,) = (of_class(drawing, "path", kind) for kind in ("points", "curve"))
    assert points.get("d").count("M") == 50
    heights = [y for _, y in places(curve)]
    assert heights == sorted(heights, reverse=True)  # it rises; y points down
    assert all(46 <= x <= 330 and 10 <= y <= 276 for x, y in places(curve))


def test_a_scatter_colours_methods_and_names_them(predictions, drawn):
    methods = tuple("ab"[i % 2] if i % 3 else None for i in range(60))
    drawing = drawn(scatter(predictions(60, method=methods)))
    clouds = [path for path in of_class(drawing, "path", "points") if "M" in path.get("d")[1:]]
    kinds = [path.get("class") for path in clouds]
    assert kinds == ["points hue0", "points hue1", "points unknown"]
    assert [path.get("d").count("M") for path in clouds] == [20, 20, 20]
    words = [text.text for text in drawing.iter(f"{SVG}text")]
    assert words[-3:] == ["a", "b", "unknown"]


def test_twelve_methods_look_different_and_more_are_coloured_by_scale(predictions):
    kinds = {label.kind for label in scatter(predictions(methods=12)).legend}
    assert len(kinds) == 12
    labels = scatter(predictions(methods=13)).legend
    assert [label.text for label in labels] == ["×2", "×3", "×4"]
    assert scatter(predictions(methods=1, scales=1)).legend == ()
    names = tuple(f"enhanced_deep_super_resolution_v{i % 3}" for i in range(60))
    assert len({label.text for label in scatter(predictions(method=names)).legend}) == 3


def test_a_large_scatter_is_thinned_evenly_and_says_so(predictions):
    rows = predictions(5000)
    shown = figures.thinned(rows.mos)
    assert len(set(shown.tolist())) == figures.MOST_POINTS
    assert {int(rows.mos.argmin()), int(rows.mos.argmax())} <= set(shown.tolist())
    figure = scatter(rows)
    assert "1000 of them are drawn" in figure.description
    assert sum(p.d.count("M") for p in figure.paths if "points" in p.kind) == 1000


@pytest.mark.parametrize("score", [np.full(60, 0.5), np.linspace(-1e6, 1e6, 60)])
def test_odd_scores_still_have_a_place(predictions, score):
    assert not any("nan" in path.d for path in scatter(predictions(score=score)).paths)


def test_a_confusion_shows_every_count(predictions, drawn):
    true, grade = np.array([0] * 6 + [1] * 2), np.array([0] * 5 + [1] + [0] * 2)
    rows = predictions(8, true_grade=true, grade=grade, probabilities=np.zeros((8, 0)))
    drawing = drawn(figures.confusion(rows, "a"))
    assert [t.text for t in of_class(drawing, "text", "value")] == ["5", "1", "2", "0"]
    boxes = of_class(drawing, "rect", "box")
    shades = [float(box.get("fill-opacity")) for box in boxes]
    assert shades[0] == pytest.approx(0.04 + 0.56 * 5 / 6, abs=0.01)
    assert shades[3] == pytest.approx(0.04)
    assert float(boxes[2].get("y")) < float(boxes[0].get("y"))  # better grades stand higher
    assert "62 % of 8 images" in drawing.find(f"{SVG}desc").text
    # As many grades as there are probabilities, even where none of a grade occurs.
    wide = replace(rows, probabilities=np.full((8, 5), 0.2))
    assert len(figures.confusion(wide, "a").boxes) == 25


def test_calibration_bars_are_as_high_as_grades_are_right(predictions, drawn):
    p = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 2)
    true = np.array([0, 0, 0, 1, 0, 1])
    rows = predictions(6, probabilities=p, true_grade=true, grade=p.argmax(axis=1))
    bars = of_class(drawn(figures.calibration(rows, "a")), "rect", "box")
    assert [bar.find(f"{SVG}title").text for bar in bars] == [
        "2 images, 50 % right",
        "4 images, 75 % right",
    ]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights[1] / heights[0] == pytest.approx(1.5, abs=0.01)


def test_learning_curves_show_each_run_and_its_best_epoch(drawn):
    nan = np.nan
    epochs = np.array([0.0, 1, 2, 3])  # it was judged before its training, too
    runs = [
        Curves(epochs, np.array([0.1, 0.8, nan, 0.7]), epochs[::-1] / 4, epochs[::-1] / 3),
        Curves(epochs, np.array([0.2, 0.3, 0.4, 0.9]), np.full(4, nan), epochs[::-1] / 3),
    ]
    drawing = drawn(figures.srcc_curves(runs, "a"))
    first, second = of_class(drawing, "path", "run")[:2]
    assert [len(places(path)) for path in (first, second)] == [3, 4]
    (dots, _) = of_class(drawing, "path", "best")
    chosen = [tuple(map(float, dot.split())) for dot in re.findall(r"M([\d. ]+)h0", dots.get("d"))]
    assert chosen == [places(first)[1], places(second)[3]]
    losses = of_class(drawn(figures.loss_curves(runs, "a")), "path", "run")
    assert [path.get("class") for path in losses[:4]] == [
        "run training", "run training", "run validation", "run validation"
    ]  # fmt: skip
    assert losses[1].get("d") == ""
    unknown = [Curves(epochs, *([np.full(4, nan)] * 3))]
    assert figures.srcc_curves(unknown, "a") is figures.loss_curves(unknown, "a") is None
    ticks = [text for _, text in figures.srcc_curves(runs, "a").x.ticks]
    assert ticks == ["0", "1", "2", "3"]


def test_a_figure_in_a_file_has_its_heading_and_follows_light_and_dark(predictions, tmp_path):
    write_figure(scatter(predictions()), tmp_path / "a.svg", "joint <b> on demo", "SRCC 0.9")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert [t.text for t in root.findall(f"{SVG}text")] == ["joint <b> on demo", "SRCC 0.9"]
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"(?:href|src)=|url\(|@import", text)


@pytest.mark.parametrize(
    ("low", "high"), [(0.81, 0.99), (0, 1), (-3, 250), (0.00012, 0.00019), (1e5, 1e6)]
)
def test_ticks_are_few_round_and_inside(low, high):
    ticks = ticks_between(low, high)
    assert 2 <= len(ticks) <= 6
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    assert all(len(re.sub(r"e.*|[-.0]", "", f"{tick:g}")) <= 3 for tick in ticks)
