import hashlib

import numpy as np
import pytest
from PIL import Image

from hmtnet.artifact.thumbnails import THUMBNAILS, thumbnail_name, write_thumbnail
from hmtnet.errors import ArtifactError


def pixels(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_name_is_a_digest_of_the_whole_name():
    name = "set/ä <script>.png"
    expected = hashlib.sha256(name.encode()).hexdigest()[:16] + ".webp"
    assert thumbnail_name(name) == expected
    assert thumbnail_name("a/b.png") != thumbnail_name("b.png")
    assert THUMBNAILS == "thumbnails"


@pytest.mark.parametrize(
    ("shape", "size"), [((400, 200), (80, 160)), ((100, 400), (160, 40)), ((20, 30), (30, 20))]
)
def test_the_longer_side_is_160_and_small_images_stay(tmp_path, shape, size):
    path = tmp_path / "deep" / thumbnail_name("a")
    write_thumbnail(path, pixels(*shape))
    with Image.open(path) as image:
        assert (image.format, image.size, image.mode) == ("WEBP", size, "RGB")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_colours_survive(tmp_path):
    red = np.zeros((64, 64, 3), dtype=np.uint8)
    red[..., 0] = 255
    write_thumbnail(tmp_path / "red.webp", red, side=16)
    with Image.open(tmp_path / "red.webp") as image:
        assert image.size == (16, 16)
        assert np.abs(np.asarray(image).astype(int).mean((0, 1)) - (255, 0, 0)).max() < 4


@pytest.mark.parametrize(
    "wrong",
    [pixels(8, 8).astype(float), pixels(8, 8)[..., 0], pixels(8, 8)[..., :2], pixels(0, 8)],
    ids=["float", "grey", "two channels", "empty"],
)
def test_what_is_no_rgb_image_is_refused(tmp_path, wrong):
    with pytest.raises(ArtifactError, match=r"uint8 of shape \(H, W, 3\)"):
        write_thumbnail(tmp_path / "a.webp", wrong)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_thumbnail(tmp_path / "file" / "a.webp", pixels(8, 8))
