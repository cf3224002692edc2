import numpy as np
import pytest
from PIL import Image

from hmtnet.data.demo.pixels import (
    box,
    cubic,
    enlarge,
    lanczos,
    reduce,
    resize,
    split_luma,
    to_bytes,
    to_unit,
    triangle,
)

KERNELS = [box, triangle, cubic, lanczos]


@pytest.fixture(scope="module")
def pixels():
    # Mid-grey, so that Pillow's clipping between its two passes never bites.
    return np.random.default_rng(0).integers(100, 150, (48, 60, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("kernel", "theirs"),
    [
        (box, Image.Resampling.BOX),
        (triangle, Image.Resampling.BILINEAR),
        (cubic, Image.Resampling.BICUBIC),
        (lanczos, Image.Resampling.LANCZOS),
    ],
)
@pytest.mark.parametrize("size", [(192, 240), (96, 180), (16, 20), (33, 41)])
def test_resampling_agrees_with_pillow(pixels, kernel, theirs, size):
    ours = to_bytes(resize(to_unit(pixels), *size, kernel))
    expected = np.asarray(Image.fromarray(pixels).resize(size[::-1], theirs))
    # Pillow cuts the kernel off at the border, we repeat the border's pixels.
    inner = slice(16, -16) if min(size) > 40 else slice(4, -4)
    difference = np.abs(ours.astype(int) - expected)[inner, inner]
    assert difference.size > 0
    assert difference.max() <= 1  # Pillow rounds after each of its two passes


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [(20, 50), (7, 9), (61, 24)])
def test_a_constant_stays(kernel, size):
    resized = resize(np.full((24, 20), 0.3), *size, kernel)
    np.testing.assert_allclose(resized, np.full(size, 0.3), atol=1e-12)


def test_nearest_repeats_pixels():
    small = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(enlarge(small, 3, box), np.kron(small, np.ones((3, 3))))


def test_the_reduction_is_anti_aliased():
    stripes = np.tile([0.0, 1.0], (24, 12))
    reduced = reduce(stripes, 3)
    assert reduced.shape == (8, 8)
    assert np.abs(reduced - 0.5).max() < 0.12  # taking every third pixel would give 0 and 1


def test_rounding_ties_go_up_whatever_the_last_digit():
    ties = (np.arange(255) + 0.5) / 255.0
    for nudge in (-1e-13, 0.0, 1e-13):
        np.testing.assert_array_equal(to_bytes(ties + nudge), np.arange(1, 256))


def test_bytes_survive_and_are_clipped():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_bytes(to_unit(levels)), levels)
    np.testing.assert_array_equal(to_bytes(np.array([-0.5, 1.5])), [0, 255])


def test_grey_has_no_colour_difference():
    grey = np.repeat(np.random.default_rng(1).random((5, 6, 1)), 3, axis=2)
    luma, difference = split_luma(grey)
    np.testing.assert_allclose(luma, grey[..., 0], atol=1e-15)
    np.testing.assert_allclose(difference, 0.0, atol=1e-15)
