import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from hmtnet.models.nemg.error import Pyramid, error_map, gray
from hmtnet.perception import luminance


@pytest.fixture
def pyramid():
    return Pyramid()


def of_levels(levels):
    """Return the map value of a difference of so many 8-bit levels."""
    r = torch.full((1, 1, 1, 1), levels / 255, dtype=torch.float64)
    return error_map(torch.zeros_like(r), r).item()


def test_gray_has_the_published_weights():
    primaries = torch.eye(3).view(3, 3, 1, 1)
    expected = [0.2989, 0.5870, 0.1140]
    assert gray(primaries).flatten().tolist() == pytest.approx(expected, abs=1e-7)
    rgb = torch.rand(2, 3, 5, 4)
    torch.testing.assert_close(gray(rgb), luminance(rgb), rtol=0, atol=2e-4)
    with pytest.raises(ValueError, match="Divide uint8 pixels"):
        gray(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))


def test_identical_images_have_no_error_anywhere(pyramid):
    x = torch.rand(2, 1, 23, 40)
    e = error_map(x, x)
    assert torch.equal(e, torch.ones_like(x))
    # At the border too, which zeros beyond it would darken.
    torch.testing.assert_close(pyramid.quarter(e), torch.ones(2, 1, 6, 10))


@pytest.mark.parametrize("levels", [1, 10, 100, 254])
def test_error_map_by_hand(levels):
    expected = (2 * math.log(255) - math.log(levels**2 + 1)) / (2 * math.log(255))
    assert of_levels(levels) == pytest.approx(expected, abs=1e-9)


def test_error_map_falls_from_1_to_0_and_knows_no_sign():
    values = [of_levels(levels) for levels in range(256)]
    assert values[0] == 1 and values[255] == 0 and values == sorted(values, reverse=True)
    assert values[1] == pytest.approx(0.9375, abs=1e-4)
    assert values[100] == pytest.approx(0.169, abs=1e-3)
    x, y = torch.rand(2, 1, 1, 8, 8)
    assert torch.equal(error_map(x, y), error_map(y, x))


def test_shapes_that_only_broadcasting_would_fit_are_refused():
    with pytest.raises(ValueError, match=r"of one shape; found \(2, 1, 8, 8\) and \(1, 1, 8, 8\)"):
        error_map(torch.zeros(2, 1, 8, 8), torch.zeros(1, 1, 8, 8))


def test_the_kernel_is_the_binomial_one(pyramid):
    impulse = torch.zeros(1, 1, 16, 16)
    impulse[0, 0, 8, 8] = 256
    outer = torch.outer(*[torch.tensor([1.0, 6.0, 1.0])] * 2)
    torch.testing.assert_close(pyramid.halve(impulse)[0, 0, 3:6, 3:6], outer)
    impulse = torch.zeros(1, 1, 8, 8)
    impulse[0, 0, 4, 4] = 64
    outer = torch.outer(*[torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])] * 2)
    torch.testing.assert_close(pyramid.enlarge(impulse, (16, 16))[0, 0, 6:11, 6:11], outer)


@pytest.mark.parametrize("size", [(16, 16), (17, 12), (3, 2), (1, 1)])
def test_constants_stay_what_they_are(pyramid, size):
    x = torch.full((2, 3, *size), 0.7)
    half = pyramid.halve(x)
    assert half.shape[2:] == ((size[0] + 1) // 2, (size[1] + 1) // 2)
    torch.testing.assert_close(half, torch.full_like(half, 0.7))
    torch.testing.assert_close(pyramid.enlarge(half, size), x)
    torch.testing.assert_close(pyramid.high_pass(x), torch.zeros_like(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(16, 20), (17, 13)])
def test_enlarging_is_four_times_the_transpose_of_halving(pyramid, size):
    pyramid = pyramid.to(torch.float64)
    generator = torch.Generator().manual_seed(0)
    half = [(side + 1) // 2 for side in size]
    # Away from the border, where both make values up.
    x = torch.zeros(1, 2, *size, dtype=torch.float64)
    x[..., 3:-3, 3:-3] = torch.randn(
        1, 2, size[0] - 6, size[1] - 6, generator=generator, dtype=torch.float64
    )
    y = torch.zeros(1, 2, *half, dtype=torch.float64)
    y[..., 2:-2, 2:-2] = torch.randn(
        1, 2, half[0] - 4, half[1] - 4, generator=generator, dtype=torch.float64
    )
    left = (pyramid.halve(x) * y).sum()
    right = (x * pyramid.enlarge(y, size)).sum()
    assert left.item() == pytest.approx(right.item() / 4, rel=1e-12) and abs(left) > 1e-3


def test_channels_do_not_mix(pyramid):
    x = torch.rand(1, 3, 9, 9)
    for change in (pyramid.halve, pyramid.high_pass, lambda m: pyramid.enlarge(m, (18, 18))):
        apart = torch.cat([change(x[:, c : c + 1]) for c in range(3)], 1)
        torch.testing.assert_close(change(x), apart)


def test_high_pass_keeps_detail_and_drops_what_is_smooth(pyramid):
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    detail = (torch.arange(64) % 2).float().expand(1, 1, 64, 64)
    inside = (..., slice(16, -16), slice(16, -16))
    assert pyramid.high_pass(ramp)[inside].abs().max() < 1e-3
    torch.testing.assert_close(
        pyramid.high_pass(detail)[inside], detail[inside] - 0.5, rtol=0, atol=1e-5
    )


def test_nothing_of_it_learns_or_is_stored(pyramid):
    assert isinstance(pyramid, nn.Module)
    assert not list(pyramid.parameters()) and not pyramid.state_dict()


def test_halving_is_the_plain_strided_convolution_inside(pyramid):
    x = torch.rand(1, 1, 16, 16)
    plain = functional.conv2d(x, pyramid.kernel[None, None], stride=2, padding=2)
    torch.testing.assert_close(pyramid.halve(x)[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1])
