import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from hmtnet.errors import DataError
from hmtnet.report import plots


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        image.load()
        return np.asarray(image.convert("RGB"), dtype=int)


def count_of(picture: np.ndarray, colour: str) -> int:
    """How many pixels show a colour of the palette, drawn at 85 % over white."""
    seen = 255 * (0.85 * np.array(to_rgb(colour)) + 0.15)
    return int((abs(picture - seen).max(axis=2) <= 3).sum())


def cell(picture: np.ndarray, row: int, column: int, left: float, count: int = 5) -> np.ndarray:
    """The colour of a cell of the confusion plot, near its corner, away from the text."""
    side = plots._SIDE / count
    top = plots._HEIGHT - plots._BOTTOM - plots._SIDE
    y, x = top + (row + 0.15) * side, left + (column + 0.15) * side
    return picture[int(y * plots.DPI), int(x * plots.DPI)]


def test_scatter_shows_each_method_in_its_colour(predictions, tmp_path):
    plots.scatter(predictions(methods=3), tmp_path / "a.png", "title")
    picture = pixels(tmp_path / "a.png")
    assert picture.shape == (960, 1140, 3)
    shown = [colour for colour in plots._COLOURS if count_of(picture, colour) > 300]
    assert shown == list(plots._COLOURS[:3])


def test_many_methods_are_coloured_by_scale(predictions, tmp_path):
    plots.scatter(predictions(methods=20, scales=2), tmp_path / "a.png", "title")
    picture = pixels(tmp_path / "a.png")
    shown = [colour for colour in plots._COLOURS if count_of(picture, colour) > 300]
    assert shown == list(plots._COLOURS[:2])


def test_groups_of_a_plot(predictions):
    def groups(**options):
        title, found = plots._groups(predictions(**options))
        return title, [name for name, *_ in found]

    assert groups(methods=2) == ("SR method", ["method0", "method1"])
    assert groups(methods=13) == ("scale", ["× 2", "× 3", "× 4"])
    assert groups(methods=0, scales=2) == ("scale", ["× 2", "× 3"])
    assert groups(methods=1, scales=1) == ("", [""])
    some = (*("a" if i % 3 else None for i in range(59)), "b")
    assert groups(method=some) == ("SR method", ["a", "b", "unknown"])


def test_twelve_methods_have_twelve_looks_and_every_image_is_drawn_once(predictions):
    _, groups = plots._groups(predictions(methods=12))
    assert len({(colour, marker) for _, colour, marker, _ in groups}) == 12
    assert sorted(row for *_, rows in groups for row in rows) == list(range(60))


def test_long_names_stay_distinct():
    names = [plots._shortened(f"enhanced_deep_super_resolution_v{i}") for i in range(3)]
    assert len(set(names)) == 3
    assert all(len(name) == 22 for name in names)


def test_confusion_is_dark_where_the_grades_are(predictions, tmp_path):
    table = predictions(200)
    right = predictions(200, grade=table.true_grade)
    plots.confusion_plot(right, tmp_path / "a.png", "title")
    picture = pixels(tmp_path / "a.png")
    assert picture.shape == (960, 900, 3)
    for row in range(5):
        for column in range(5):
            brightness = cell(picture, row, column, plots._LEFT).mean()
            assert brightness < 80 if row == column else brightness > 240


def test_rows_of_the_confusion_are_true_grades(predictions, tmp_path):
    # All of the true grade 1 are predicted as 5: the upper right cell.
    table = predictions(50)
    grade = np.where(table.true_grade == 0, 4, table.true_grade)
    plots.confusion_plot(predictions(50, grade=grade), tmp_path / "a.png", "title")
    picture = pixels(tmp_path / "a.png")
    assert cell(picture, 0, 4, plots._LEFT).mean() < 80
    assert cell(picture, 4, 0, plots._LEFT).mean() > 240


def test_the_result_picture_has_both(predictions, tmp_path):
    table = predictions(120)
    plots.result_picture(
        predictions(120, grade=table.true_grade), tmp_path / "a.png", "long title " * 20
    )
    picture = pixels(tmp_path / "a.png")
    assert picture.shape == (960, 2040, 3)
    assert count_of(picture[:, :1140], plots._COLOURS[2]) > 300
    assert cell(picture, 2, 2, plots._SCATTER_WIDTH + plots._LEFT).mean() < 80


def test_nothing_is_cut_off_at_the_edges(predictions, tmp_path):
    table = predictions(
        100, methods=12, method=tuple(f"a_method_of_a_long_name_{i % 12}" for i in range(100))
    )
    plots.result_picture(table, tmp_path / "a.png", "title", "pseudo-MOS (not human)")
    picture = pixels(tmp_path / "a.png")
    edges = (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:])
    assert all(edge.min() == 255 for edge in edges)


@pytest.mark.parametrize("score", [np.full(60, 0.5), np.linspace(-1e6, 1e6, 60)])
def test_odd_scores_are_drawn_all_the_same(predictions, tmp_path, score):
    plots.scatter(predictions(score=score), tmp_path / "a.png", "title")
    assert len(np.unique(pixels(tmp_path / "a.png").reshape(-1, 3), axis=0)) > 50


def test_one_image_with_nothing_known(predictions, tmp_path):
    one = predictions(1, methods=0, scales=0, score=np.array([0.5]), mos=np.array([0.5]))
    plots.scatter(one, tmp_path / "a.png", "title")
    assert pixels(tmp_path / "a.png").min() < 100


def test_without_grades_there_is_no_confusion_and_no_file(predictions, tmp_path):
    for draw in (plots.confusion_plot, plots.result_picture):
        with pytest.raises(DataError, match="found 60 of 60 images without"):
            draw(predictions(grades=0), tmp_path / "a.png", "title")
    for draw in (plots.scatter, plots.confusion_plot, plots.result_picture):
        with pytest.raises(DataError, match="at least one image"):
            draw(predictions(0), tmp_path / "a.png", "title")
    assert list(tmp_path.iterdir()) == []


def test_the_number_of_grades_without_probabilities(predictions, tmp_path):
    table = predictions(60)
    bare = predictions(60, probabilities=np.zeros((60, 0)), grade=table.true_grade)
    plots.confusion_plot(bare, tmp_path / "five.png", "title")
    assert cell(pixels(tmp_path / "five.png"), 4, 4, plots._LEFT).mean() < 80
    plots.confusion_plot(bare, tmp_path / "seven.png", "title", count=7)
    assert cell(pixels(tmp_path / "seven.png"), 6, 6, plots._LEFT, 7).mean() > 240


def test_labels_say_when_no_human_judged():
    assert plots.mos_label("human", 0, 100) == "MOS, range 0 to 100"
    assert "not human" in plots.mos_label("pseudo", 0, 1)


def test_a_table_needs_no_matplotlib_and_a_plot_no_pyplot():
    script = (
        "import sys, hmtnet.report\n"
        "assert not {'torch', 'matplotlib', 'scipy'} & set(sys.modules), 'heavy'\n"
        "import hmtnet.report.plots\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert 'torch' not in sys.modules\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
