import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from hmtnet.errors import DataError
from hmtnet.models.hmtnet.grading import EVIDENCE
from hmtnet.models.hmtnet.sfen import ATTENTION, GRADIENT
from hmtnet.scoring import pictures
from hmtnet.scoring.maps import SALIENCY
from hmtnet.scoring.pictures import verdict_picture
from hmtnet.scoring.tiles import Layout
from hmtnet.scoring.verdict import Verdict

HEIGHT, WIDTH = 60, 80
STRIPE = (196, 196, 196)


def make(height=HEIGHT, width=WIDTH, grades=5, **changes):
    """A verdict whose maps are known: from left to right all grades."""
    ramp = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    maps = {
        "grade_evidence": 1 + (grades - 1) * ramp,
        "saliency": ramp,
        "gradient": 0.2 * ramp,
        "attention": np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]], np.float32),
    }
    verdict = Verdict(
        score=0.7,
        unit_score=0.7,
        mos_range=(0.0, 1.0),
        higher_is_better=True,
        label_kind="pseudo",
        grade=4,
        probabilities=np.eye(grades)[3],
        maps=maps,
        styles={
            "saliency": SALIENCY,
            "gradient": GRADIENT,
            "grade_evidence": EVIDENCE,
            "attention": dataclasses.replace(ATTENTION, names=("texture", "gradient", "saliency")),
        },
        layout=Layout(height, width, 48, ((0, 0),)),
    )
    return dataclasses.replace(verdict, **changes)


def without(*names):
    return {name: found for name, found in make().maps.items() if name not in names}


def draw(verdict, path, image=None, dark=False):
    if image is None:
        image = np.full((verdict.layout.height, verdict.layout.width, 3), (250, 20, 20), np.uint8)
    verdict_picture(image, verdict, path, "img.png", dark=dark)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"), dtype=int)


def count_of(picture, colour):
    return int((abs(picture - np.array(colour)).max(axis=2) <= 3).sum())


def shade(grade, grades=5):
    return [255 * part for part in colormaps["cividis"]((grade - 1) / (grades - 1))[:3]]


def test_the_picture_shows_image_maps_and_attention(tmp_path):
    picture = draw(make(), tmp_path / "a.png")
    tall = 3.0 * HEIGHT / WIDTH
    assert picture.shape[0] == int(150 * (1.25 + tall + 0.75))
    image = int(150 * 3.0) * int(150 * tall)
    assert count_of(picture, (250, 20, 20)) == pytest.approx(image, rel=0.02)
    for colour in pictures._COLOURS[:3]:
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert count_of(picture, rgb) > 3000
    assert count_of(picture, (255, 0, 0)) == 0


def test_the_legend_has_every_grade_in_the_maps_colours(tmp_path):
    picture = draw(make(), tmp_path / "a.png")
    legend = picture[-int(150 * 0.72) :]
    assert all(count_of(legend, shade(grade)) > 50 for grade in range(1, 6))
    # Grades run from left to right, as does the map of this verdict.
    above = picture[: -int(150 * 0.8)]
    places = [np.nonzero(abs(above - shade(g)).max(2) <= 2)[1].mean() for g in (1, 3, 5)]
    assert places == sorted(places) and places[2] - places[0] > 300


def test_what_there_is_no_map_of_is_left_out(tmp_path):
    full = draw(make(), tmp_path / "a.png")
    some = draw(make(maps=without("saliency", "attention")), tmp_path / "b.png")
    bare = draw(make(maps={}, grade=None, probabilities=np.zeros(0)), tmp_path / "c.png")
    panel = 150 * (pictures._PANEL + pictures._GAP)
    assert full.shape[1] - some.shape[1] == pytest.approx(panel + 150 * pictures._BARS, abs=2)
    assert some.shape[1] - bare.shape[1] == pytest.approx(2 * panel, abs=2)
    assert count_of(bare, shade(5)) == 0 and count_of(some, shade(5)) > 50


def test_places_that_no_tile_has_seen_are_striped_and_said_to_be(tmp_path):
    verdict = make()
    seen = count_of(draw(verdict, tmp_path / "a.png"), STRIPE)
    verdict.maps["grade_evidence"][:, :40] = np.nan
    verdict.maps["gradient"][:] = np.nan
    striped = count_of(draw(verdict, tmp_path / "b.png"), STRIPE) - seen
    panel = 450 * 337
    # Where a stripe ends, the larger picture passes from one colour into the other.
    assert 0.4 * 1.5 * panel < striped < 0.5 * 1.5 * panel


def test_a_picture_on_dark_paper(tmp_path):
    light, dark = (draw(make(), tmp_path / "a.png", dark=dark) for dark in (False, True))
    assert light.shape == dark.shape
    assert (light[0, 0] == 255).all() and (dark[0, 0] < 30).all()
    words = slice(20, 60), slice(40, 400)
    assert light[words].min() < 60 and dark[words].max() > 200


@pytest.mark.parametrize(
    ("height", "width"), [(HEIGHT, WIDTH), (400, 20), (20, 400), (1, 1), (1500, 2100), (3, 2100)]
)
def test_nothing_is_cut_off_at_the_edges(tmp_path, height, width):
    verdict = make(height, width, 7, score=-123.456789, mos_range=(-200.0, 200.0))
    picture = draw(verdict, tmp_path / "a.png")
    edges = (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:])
    assert all(edge.min() == 255 for edge in edges)
    bare = draw(dataclasses.replace(verdict, maps={}), tmp_path / "b.png")
    edges = (bare[:8], bare[-8:], bare[:, :8], bare[:, -8:])
    assert all(edge.min() == 255 for edge in edges)


def test_the_image_must_be_the_one_that_was_judged(tmp_path):
    with pytest.raises(DataError, match="80 × 60 pixels, found one of 60 × 80"):
        draw(make(), tmp_path / "a.png", np.zeros((80, 60, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_a_trained_network(finished, tiny_root, tmp_path):
    from hmtnet.scoring.scorer import Scorer

    path = next((tiny_root / "super-resolved_images").iterdir())
    for stage, folder in finished.stages.items():
        verdict_picture(path, Scorer(folder, "cpu")(path), tmp_path / f"{stage}.png", path.name)
    sizes = {stage: Image.open(tmp_path / f"{stage}.png").size for stage in finished.stages}
    assert sizes["grading"][0] < sizes["sfen"][0] == sizes["joint"][0]


def test_no_pyplot():
    code = "import sys, hmtnet.scoring.pictures; assert 'matplotlib.pyplot' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
