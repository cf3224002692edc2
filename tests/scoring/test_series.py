import os

import pytest
from PIL import Image

from hmtnet.scoring.listing import find_images
from hmtnet.scoring.score_table import Failure
from hmtnet.scoring.scorer import Scorer
from hmtnet.scoring.series import Series


@pytest.fixture
def save(tmp_path, noise):
    def make(name, height=100, width=120, seed=0):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(height, width, seed)).save(path)
        return path

    return make


def score(scorer, folder, kept=None, **more):
    return list(Series(scorer, "m", kept or {}, **more).score(find_images([str(folder)])))


def test_a_reference_has_the_path_of_its_image_with_any_suffix(spread, save, tmp_path):
    scorer = Scorer(spread("paired")[0], "cpu")
    image = save("sr/cats/a.png")
    reference = save("hr/cats/a.bmp", 103, 121, seed=1)
    save("sr/b.png")
    missing, row = score(scorer, tmp_path / "sr", references=tmp_path / "hr", scale=4)
    assert row.score == scorer(image, reference=reference, scale=4).score
    assert isinstance(missing, Failure) and "no reference" in missing.reason


def test_another_reference_is_another_image(spread, save, tmp_path):
    scorer = Scorer(spread("paired")[0], "cpu")
    save("sr/a.png")
    save("hr/a.png", seed=1)
    (first,) = score(scorer, tmp_path / "sr", references=tmp_path / "hr")
    kept = {first.image: first}
    (again,) = score(scorer, tmp_path / "sr", kept, references=tmp_path / "hr")
    assert again is first
    save("hr/a.png", seed=2)
    (other,) = score(scorer, tmp_path / "sr", kept, references=tmp_path / "hr")
    assert other.image_digest != first.image_digest and other.score != first.score


def test_several_references_are_told(spread, save, tmp_path):
    scorer = Scorer(spread("paired")[0], "cpu")
    for name in ("sr/a.png", "hr/a.png", "hr/a.bmp"):
        save(name)
    (found,) = score(scorer, tmp_path / "sr", references=tmp_path / "hr")
    assert "several references" in found.reason


@pytest.mark.skipif(os.name == "nt", reason="names that Windows does not allow")
def test_a_name_that_a_table_cannot_hold_is_told(joint, save, tmp_path):
    path = save("in/a.png")
    path.rename(path.with_name("two\nlines.png"))
    other = save("in/b.png")
    os.rename(other, os.fsencode(other.parent) + b"/\xff.png")  # noqa: PTH104 - bytes
    found = score(Scorer(joint()[0], "cpu"), tmp_path / "in")
    assert [type(one) for one in found] == [Failure, Failure]
    assert all("Rename the file" in one.reason and one.image.isascii() for one in found)


def test_a_score_that_is_no_number_is_none(spread, save, tmp_path):
    scorer = Scorer(spread("alone")[0], "cpu")
    scorer.restored.network.offset.data.fill_(float("nan"))
    save("in/a.png")
    (found,) = score(scorer, tmp_path / "in")
    assert "no finite score" in found.reason
