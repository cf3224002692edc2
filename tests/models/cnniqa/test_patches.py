import numpy as np
import pytest
import torch
from scipy.ndimage import generic_filter, uniform_filter

from hmtnet.models.cnniqa.network import cut_patches, normalise_contrast


@pytest.mark.parametrize(("window", "constant"), [(3, 10.0), (7, 1.0), (3, 255.0)])
def test_it_is_the_local_mean_and_deviation_of_a_box(window, constant):
    grey = torch.rand(2, 1, 20, 17, dtype=torch.float64)
    found = normalise_contrast(grey, window, constant)
    for given, normalised in zip(grey[:, 0].numpy(), found[:, 0].numpy(), strict=True):
        # scipy's "mirror" is torch's "reflect".
        mean = uniform_filter(given, window, mode="mirror")
        deviation = generic_filter(given, np.std, window, mode="mirror")
        expected = (given - mean) / (deviation + constant / 255)
        np.testing.assert_allclose(normalised, expected, atol=1e-7)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_a_constant_image_is_nothing(level):
    assert normalise_contrast(torch.full((1, 1, 40, 40), level), 3, 1.0).abs().max() < 1e-4


def test_brightness_does_not_count_and_contrast_hardly():
    grey = 0.4 * torch.rand(1, 1, 32, 32)
    seen = normalise_contrast(grey, 3, 0.01)
    torch.testing.assert_close(normalise_contrast(grey + 0.5, 3, 0.01), seen, atol=1e-3, rtol=0)
    torch.testing.assert_close(normalise_contrast(grey * 2, 3, 0.01), seen, atol=0.02, rtol=0)


def test_half_precision_is_worked_on_in_full():
    grey = torch.rand(1, 1, 16, 16).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = normalise_contrast(grey, 3, 10.0)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, normalise_contrast(grey.float(), 3, 10.0).bfloat16())


@pytest.mark.parametrize(("side", "k", "start"), [(32, 1, 0), (96, 3, 0), (70, 2, 3), (224, 7, 0)])
def test_patches_lie_side_by_side_in_the_middle(side, k, start):
    x = torch.rand(2, 1, side, side)
    found = cut_patches(x, 32)
    assert found.shape == (2 * k * k, 1, 32, 32)
    for crop in range(2):
        for row in range(k):
            for column in range(k):
                top, left = start + 32 * row, start + 32 * column
                expected = x[crop, :, top : top + 32, left : left + 32]
                assert torch.equal(found[(crop * k + row) * k + column], expected)


def test_a_crop_smaller_than_a_patch_is_refused():
    with pytest.raises(ValueError, match=r"at least 32 pixels.*found 24.*crops\.size"):
        cut_patches(torch.rand(1, 1, 24, 24), 32)
