import warnings

import numpy as np
import pytest
from PIL import Image

from hmtnet.data.thumbnails import SIDE, local_contrast, thumbnails, without_stripes

RNG = np.random.default_rng(0)


def save(path, pixels, **options):
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path, **options)
    return path


def scene(height=96, width=128, cells=8):
    """A patchwork of grey."""
    coarse = RNG.integers(20, 236, (cells, cells), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def test_a_thumbnail_of_every_image_in_order(tmp_path):
    images = [scene(), scene(10, 7), scene(300, 20)]
    paths = [save(tmp_path / f"{i}.png", image) for i, image in enumerate(images)]
    stack, unreadable = thumbnails(paths)
    assert stack.shape == (3, SIDE, SIDE) and stack.dtype == np.float32 and unreadable == ()
    assert np.isfinite(stack).all() and 0.2 < stack.std() < 2
    np.testing.assert_array_equal(thumbnails(paths[::-1])[0], stack[::-1])


def test_no_image_has_no_thumbnail():
    stack, unreadable = thumbnails([])
    assert stack.shape == (0, SIDE, SIDE) and unreadable == ()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_every_mode_of_pixels_is_taken(tmp_path, mode):
    path = tmp_path / "image.tif"
    Image.fromarray(scene()).convert("RGB" if mode == "P" else "L").convert(mode).save(path)
    assert thumbnails([path])[1] == ()


def test_a_jpeg_decoded_in_part_looks_like_the_whole(tmp_path):
    image = scene(512, 768, 24)
    whole = save(tmp_path / "a.png", image)
    jpeg = save(tmp_path / "a.jpg", image, quality=90)
    (one, other), _ = thumbnails([whole, jpeg])
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98


def test_exposure_hardly_matters():
    grey = scene(SIDE, SIDE, 12).astype(np.float32)[None]
    bright, dark = local_contrast(grey), local_contrast(grey * 0.3)
    assert np.corrcoef(bright.ravel(), dark.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("level", [0, 3, 128, 255])
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_flat_image_has_an_empty_thumbnail(level, noise):
    grey = np.clip(level + noise * RNG.standard_normal((5, SIDE, SIDE)), 0, 255)
    expected_empty = noise == 0.0 or level >= 128
    assert (not local_contrast(grey.astype(np.float32)).any()) == expected_empty


def test_a_horizon_alone_is_flat():
    grey = np.full((2, SIDE, SIDE), 60.0, dtype=np.float32)
    grey[0, : SIDE // 2] = 220
    grey[1, :, : SIDE // 3] = 220
    assert not local_contrast(grey).any()


def test_stripes_are_centred():
    windows = RNG.standard_normal((3, 5, 7)).astype(np.float32)
    rest = without_stripes(windows)
    np.testing.assert_allclose(rest.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(rest.mean(axis=2), 0, atol=1e-6)
    stripes = np.arange(5)[:, None] + np.arange(7) ** 2
    np.testing.assert_allclose(without_stripes(windows + stripes), rest, atol=1e-4)


def test_what_cannot_be_decoded_is_named_and_empty(tmp_path, monkeypatch, caplog):
    good = save(tmp_path / "good.png", scene())
    cut = tmp_path / "cut.png"
    cut.write_bytes(good.read_bytes()[:300])
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    empty = tmp_path / "empty.jpg"
    empty.touch()
    (tmp_path / "folder.png").mkdir()
    large = save(tmp_path / "large.png", scene(200, 200))
    monkeypatch.setenv("HMTNET_MAX_MEGAPIXELS", "0.039")
    bad = [cut, text, empty, tmp_path / "folder.png", tmp_path / "none.png", large]
    stack, unreadable = thumbnails([bad[0], good, *bad[1:]])
    assert unreadable == (0, 2, 3, 4, 5, 6)
    assert stack[1].any() and not stack[list(unreadable)].any()
    assert "6 of 7 images cannot be decoded" in caplog.text and "cut.png" in caplog.text


def test_a_decompression_bomb_does_not_explode(tmp_path, monkeypatch):
    path = save(tmp_path / "bomb.png", scene(400, 400))
    monkeypatch.setenv("HMTNET_MAX_MEGAPIXELS", "0.1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert thumbnails([path])[1] == (0,)
