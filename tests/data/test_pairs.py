import numpy as np
import pytest

from hmtnet.data.pairs import common_part, mismatch
from hmtnet.errors import DataError


@pytest.mark.parametrize(
    ("image", "reference", "scale", "fits"),
    [
        ((40, 30), (40, 30), None, True),
        ((40, 30), (41, 29), None, True),
        ((40, 30), (42, 30), None, False),
        ((40, 30), (43, 27), 3, True),
        ((40, 30), (40, 34), 3, False),
        ((40, 30), (36, 34), 4, True),
        ((40, 30), (41, 29), 1.5, True),
        ((40, 30), (42, 30), 1.5, False),
        ((40, 30), (80, 60), 2, False),
    ],
)
def test_a_side_may_differ_by_the_scale_factor_or_by_one_pixel(image, reference, scale, fits):
    assert (mismatch("a.png", image, reference, scale) is None) == fits
    assert (mismatch("a.png", reference, image, scale) is None) == fits


def test_a_mismatch_names_image_sizes_and_what_is_allowed():
    assert mismatch("x/a.png", (40, 30), (46, 30), 4) == (
        "image 'x/a.png' measures 40×30 pixels and its reference 46×30, where sides may differ by "
        "4 at most (its scale factor)"
    )
    unknown = mismatch("a.png", (40, 30), (46, 30), None)
    assert unknown.endswith("by 1 at most (its scale factor is not known)")


def test_both_are_cut_to_the_top_left_part_that_they_share():
    whole = np.arange(20 * 18 * 3, dtype=np.uint8).reshape(20, 18, 3)
    image, reference = common_part(whole[:19], whole[:, :16], 3, "a.png")
    assert np.array_equal(image, whole[:19, :16]) and np.array_equal(reference, image)
    same = common_part(whole, whole, None, "a.png")
    assert all(np.array_equal(part, whole) for part in same)


def test_what_cannot_be_laid_on_its_reference_says_what_to_do():
    image, reference = np.zeros((20, 18, 3), np.uint8), np.zeros((40, 36, 3), np.uint8)
    with pytest.raises(DataError) as error:
        common_part(image, reference, 2, "low/a.png")
    message = str(error.value)
    assert message.startswith("Image 'low/a.png' measures 18×20 pixels and its reference 36×40")
    assert "differ by 2 at most" in message and "Crop the files" in message
