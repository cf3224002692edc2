import re
from dataclasses import replace

import numpy as np
import pytest

from hmtnet.errors import DataError
from hmtnet.models.maps import LOCAL_SCORE, MapStyle
from hmtnet.report.render.scores import MOST_WITH_MAPS, ScorePage
from hmtnet.scoring.score_table import Failure, Row
from hmtnet.scoring.tiles import Layout
from hmtnet.scoring.verdict import Verdict

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
VERDICT = Verdict(
    *(0.5, 0.5, (0.0, 1.0), True, "pseudo", None, np.zeros(0)),
    maps={
        "local": np.linspace(0, 1, 1200, dtype=np.float32).reshape(30, 40),
        "share": np.array([[0.25, 0.75]], np.float32),
        "hidden": np.ones((30, 40), np.float32),
    },
    styles={
        "local": LOCAL_SCORE,
        "share": MapStyle(kind="levels", title="by level", hint="each", names=("one", "other")),
        "hidden": MapStyle(kind="share"),
    },
    layout=Layout(30, 40, 32, ((0, 0),)),
)
ROW = Row(
    *("a.png", 0.5, 0.5, None, None, 40, 30, 0.85, "pseudo-MOS, 0 to 1, 1 is best", "some"),
    *("0" * 16, "1" * 16),
)


@pytest.fixture
def write(tmp_path):
    """Write a page of so many images, which is said to be going to hold ``expected``."""

    def make(number, expected=1, failures=(), spread=None, **told):
        page = ScorePage(tmp_path / "page.html", "some", [("limits", ["all <b>"])], expected)
        scores = np.linspace(0.9, 0.1, number).round(3).tolist()
        rows = [
            replace(ROW, image=f"i{i}.png", score=s, unit_score=s, tile_spread=spread and spread(i))
            for i, s in enumerate(scores)
        ]
        rows[0] = replace(rows[0], **told)
        for row in rows:
            page.see(row.image, PIXELS, VERDICT)
            page.append(row)
        page.finish(rows, failures)
        return page.path.read_text(encoding="utf-8")

    return make


def test_a_row_shows_maps_with_scales_and_shares_by_level(write):
    text = write(1)
    assert text.count("data:image/webp") == 3  # thumbnail, image, map
    assert "<strong>local score</strong>: how good" in text and "linear-gradient" in text
    assert "<strong>by level</strong>" in text and "75 %" in text
    assert "hidden" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.S)
    assert "85.0 % looked at" in text and "all &lt;b&gt;" in text
    assert "learned a formula" in text and "Grades:" not in text and "The best" not in text


def test_many_images_have_thumbnails_alone(write):
    text = write(2, expected=MOST_WITH_MAPS + 1)
    assert text.count("data:image/webp") == 2 and "popover" not in text
    assert f"up to {MOST_WITH_MAPS} images show maps" in text


def test_best_and_worst_stand_above_many(write):
    sheet = write(13, failures=[Failure("x\u202e.png", "no <image>")]).partition("All images")[0]
    best, worst = sheet.split("The best")[1].split("The worst")
    assert re.findall(r'alt="i(\d+)', best) == list("012345")
    assert re.findall(r'alt="i(\d+)', worst) == ["12", "11", "10", "9", "8", "7"]


def test_the_most_disputed_are_those_whose_tiles_differ_most(write):
    text = write(13, spread=lambda i: (i * 5 % 13) / 13)
    _, _, disputed = text.partition("All images")[0].partition("The most disputed")
    order = sorted(range(13), key=lambda i: -(i * 5 % 13))[:6]
    assert re.findall(r'alt="i(\d+)', disputed) == [str(i) for i in order]
    assert "disputed" not in write(13)


def test_a_score_has_its_interval_and_an_image_that_is_unlike_others_says_so(write):
    text = write(2, interval_low=0.125, interval_high=0.875, outside="darker than any <image>")
    assert "0.125 to 0.875" in text and "holds 90 % of labels" in text
    assert text.count("unlike what the model has learned from: darker than any &lt;image&gt;") == 1
    assert "the interval that holds" not in write(2)


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.9,0.9", "nan,0.9"), ("[[0.25", "[[2.5"), ("webp;base64", "png;base64")],
)
def test_a_row_that_makes_no_sense_is_refused(write, tmp_path, old, new):
    text = write(1)
    assert old in text
    path = tmp_path / "page.html"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError, match="something else than a page of scores"):
        ScorePage(path, "some", [], 1)


def test_a_page_whose_shares_lack_a_name_is_refused(write, tmp_path):
    text = write(1)
    assert text.count("&#34;one&#34;, &#34;other&#34;") == 1
    text = text.replace("&#34;one&#34;, &#34;other&#34;", "&#34;one&#34;")
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="shares without a name"):
        ScorePage(tmp_path / "page.html", "some", [], 1)
