"""What is unlike the images that a model has learned from."""

import numpy as np
import pytest

from hmtnet.artifact import store
from hmtnet.artifact.scenes import write_scenes
from hmtnet.artifact.shipped import find_model
from hmtnet.errors import ArtifactError
from hmtnet.scoring.familiar import Familiar, measured, statistics


def known(folder, greys=(), grid=2, **more):
    """Read what a model says of its training images."""
    if len(greys):
        write_scenes(folder, {"some": greys})
    store.save(folder, {}, {"settings": {"crops": {"size": 48, "grid": grid}}, **more})
    return Familiar(folder, store.read_meta(folder))


@pytest.fixture
def seen(noise):
    return [noise(60 + i, 80, seed=i) // 2 + 10 * (i % 7) for i in range(40)]


@pytest.fixture
def familiar(tmp_path, seen):
    return known(tmp_path, learned_from=measured(seen))


def test_what_was_learned_from_is_familiar_and_what_is_beyond_is_told(familiar, seen):
    assert all(familiar.outside(image) == () for image in seen)
    flat = np.full((60, 80, 3), 90, np.uint8)
    assert familiar.outside(flat) == (
        "of less contrast than any image it has learned from",
        "less sharp than any image it has learned from",
    )
    told = familiar.outside(np.full((400, 500, 3), 255, np.uint8))
    assert told[0].startswith("brighter than") and any("larger" in words for words in told)
    assert familiar.outside(seen[0][:30])[0] == "smaller than a tile of 48 pixels"


def test_no_image_is_too_large_for_tiles_that_cover_it(tmp_path, seen):
    covering = known(tmp_path, grid="cover", learned_from=measured(seen))
    white = np.full((400, 500, 3), 255, np.uint8)
    assert not any("larger" in words for words in covering.outside(white))
    assert any(told.startswith("smaller than any") for told in covering.outside(seen[0][:50]))


def test_pictures_of_what_was_seen_give_brightness_and_contrast(tmp_path, noise):
    rng = np.random.default_rng(0)
    greys = rng.integers(60, 200, (30, 24, 24), dtype=np.uint8)
    familiar = known(tmp_path, greys)
    assert familiar.ranges.keys() == {"brightness", "contrast"}
    (dark,) = familiar.outside(np.full((60, 60, 3), 5, np.uint8))[:1]
    assert dark.startswith("darker than")
    few = known(tmp_path, greys[:19])
    assert few.outside(np.full((60, 60, 3), 5, np.uint8)) == ()


def test_the_shipped_model_knows_photographs_from_black():
    folder = find_model("hmtnet-lite")
    familiar = Familiar(folder, store.read_meta(folder))
    assert familiar.outside(np.zeros((256, 256, 3), np.uint8))


def test_a_large_image_is_measured_like_its_reduction(noise):
    image = np.kron(noise(64, 96), np.ones((24, 24, 1), np.uint8))
    large, small = statistics(image), statistics(np.ascontiguousarray(image[::4, ::4]))
    for name in ("brightness", "contrast"):
        assert large[name] == pytest.approx(small[name], rel=0.05)


def test_a_damaged_description_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="learned_from"):
        known(tmp_path, learned_from={"sharpness": "much"})
