import math
from importlib import import_module
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.color import rgb2lab

from hmtnet.perception import (
    SaliencyOperator,
    saliency,
    saliency_of_list,
    sdsp,
    spectral_residual,
)

OPERATORS = get_args(SaliencyOperator)
both = pytest.mark.parametrize("operator", OPERATORS)


def spectral_residual_by_hand(rgb):
    """The paper's form, phase and all, in NumPy: (H, W, 3) → (H, W)."""
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    spectrum = np.fft.fft2(grey)
    strength = np.sqrt(np.abs(spectrum) ** 2 + grey.size / 12 / 255**2)
    logs = np.log(strength)
    unexpected = logs - ndimage.uniform_filter(logs, 3, mode="wrap")
    phase = spectrum / strength
    energy = np.abs(np.fft.ifft2(np.exp(unexpected) * phase)) ** 2
    sigma = 2.5 * max(grey.shape) / 64
    return ndimage.gaussian_filter(energy, sigma, mode="constant", radius=math.ceil(3 * sigma))


def sdsp_by_hand(rgb):
    """The three priors in NumPy, with full transforms: (H, W, 3) → (H, W)."""
    height, width = rgb.shape[:2]
    longest = max(height, width)
    lab = rgb2lab(rgb)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * longest, np.fft.fftfreq(width) * longest)
    frequency[0, 0] = 1
    log_gabor = np.exp(-(np.log(frequency / 0.512) ** 2) / (2 * 6.2**2))
    log_gabor[0, 0] = 0
    bands = np.fft.ifft2(np.fft.fft2(lab, axes=(0, 1)) * log_gabor[..., None], axes=(0, 1)).real
    ab = lab[..., 1:]
    ab = (ab - ab.min((0, 1))) / np.ptp(ab, axis=(0, 1))
    warm = 1 - np.exp(-(ab**2).sum(-1) / 0.25**2)
    rows, columns = np.mgrid[:height, :width]
    away = np.hypot(rows - (height - 1) / 2, columns - (width - 1) / 2) / longest * 256
    return np.sqrt((bands**2).sum(-1)) * warm * np.exp(-((away / 114) ** 2))


@pytest.mark.parametrize("size", [(16, 16), (15, 22), (9, 7)])
def test_spectral_residual_equals_numpy(size, photos, device):
    x = photos(1, *size)
    expected = spectral_residual_by_hand(x[0].permute(1, 2, 0).double().numpy())
    exact = spectral_residual(x.double().to(device))[0, 0].cpu().numpy()
    assert abs(exact - expected).max() < 1e-10 * expected.max()
    single = spectral_residual(x.to(device))[0, 0].cpu().numpy()
    assert abs(single - expected).max() < 1e-5 * expected.max()


@pytest.mark.parametrize("size", [(16, 16), (15, 22), (24, 9)])
def test_sdsp_equals_numpy(size, photos, device):
    x = photos(1, *size)
    expected = sdsp_by_hand(x[0].permute(1, 2, 0).double().numpy())
    found = sdsp(x.double().to(device))[0, 0].cpu().numpy()
    # The white points of the two Lab conversions differ in the sixth digit.
    assert abs(found - expected).max() < 2e-3 * expected.max()
    single = sdsp(x.to(device))[0, 0].cpu().numpy()
    assert abs(single - found).max() < 1e-5 * expected.max()


def with_blob(background, row, column, colour):
    image = background.clone()
    image[:, :, row - 4 : row + 4, column - 4 : column + 4] = torch.tensor(colour).view(3, 1, 1)
    return image


@both
@pytest.mark.parametrize("place", [(30, 34), (44, 70)])
@pytest.mark.parametrize("background", ["flat", "stripes"])
def test_the_odd_one_out_is_most_salient(operator, background, place, device):
    plain = torch.full((1, 3, 72, 96), 0.4)
    if background == "stripes":
        plain += 0.1 * torch.cos(torch.arange(96) * 2 * math.pi / 12)
    image = with_blob(plain, *place, colour=(0.95, 0.5, 0.1)).to(device)
    found = saliency(image, operator)[0, 0]
    row, column = divmod(int(found.argmax()), 96)
    assert abs(row - place[0]) <= 6 and abs(column - place[1]) <= 6
    assert found.mean() < 0.25


@both
@pytest.mark.parametrize("value", [0.0, 0.123456, 1 / 3, 0.5, 1.0])
@pytest.mark.parametrize("size", [(64, 64), (97, 61), (5, 300), (1, 1)])
def test_of_a_constant_nothing_stands_out(operator, value, size, device):
    flat = torch.full((2, 3, *size), value, device=device)
    flat[1, 0] *= 0.7
    flat[1, 2] *= 0.3
    assert torch.equal(saliency(flat, operator), torch.ones(2, 1, *size, device=device))


@pytest.mark.parametrize("function", [spectral_residual, sdsp])
def test_the_operators_are_zero_on_constants(function, device):
    flat = torch.full((1, 3, 37, 29), 0.3, device=device)
    assert torch.equal(function(flat), torch.zeros(1, 1, 37, 29, device=device))


@both
@given(height=st.integers(3, 90), width=st.integers(3, 90), depth=st.sampled_from([0.02, 0.2, 1.0]))
@settings(max_examples=15, deadline=None)
def test_every_map_spans_zero_to_one(operator, height, width, depth):
    generator = torch.Generator().manual_seed(height * 100 + width)
    x = 0.2 + 0.8 * depth * torch.rand(2, 3, height, width, generator=generator)
    found = saliency(x.clamp(0, 1), operator, size=32)
    assert found.shape == (2, 1, height, width)
    assert (found.amax(dim=(1, 2, 3)) == 1).all()
    assert (found.amin(dim=(1, 2, 3)) == 0).all()


@both
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 2), (2, 2), (1, 400)])
def test_the_smallest_images_stay_in_range(operator, size, photos):
    found = saliency(photos(2, *size), operator)
    assert found.shape == (2, 1, *size)
    assert (found >= 0).all() and (found.amax(dim=(1, 2, 3)) == 1).all()


@both
@pytest.mark.parametrize("size", [(70, 91), (64, 64)])
def test_flipped_image_flipped_map(operator, size, photos, device):
    x = photos(2, *size).to(device)
    expected = saliency(x, operator)
    for dims in ([3], [2], [2, 3]):
        found = saliency(x.flip(dims), operator).flip(dims)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(saliency(x.mT, operator).mT, expected, rtol=0, atol=1e-4)


@both
def test_scale_matters_little(operator, photos):
    """The same scene at twice the pixels has the same map: that is what the fixed size is for."""
    x = photos(1, 80, 64)
    large = torch.nn.functional.interpolate(x, scale_factor=4, mode="bicubic").clamp(0, 1)
    maps = saliency(x, operator), saliency(large, operator)
    same = torch.nn.functional.interpolate(maps[1], size=(80, 64), mode="area")
    assert torch.corrcoef(torch.stack([maps[0].flatten(), same.flatten()]))[0, 1] > 0.98


@both
def test_a_narrow_image_is_a_wide_one_on_its_side(operator, photos):
    tall = photos(2, 300, 3)
    found = saliency(tall, operator)
    torch.testing.assert_close(found, saliency(tall.mT, operator).mT, rtol=0, atol=1e-5)
    assert found.std() > 0.05


@both
def test_reducing_a_hundredfold(operator, device):
    """More than the antialiasing of a GPU can take: a panorama, and back to a single pixel."""
    x = torch.full((1, 3, 200, 9000), 0.4, device=device)
    x[..., 4000:4600] = torch.tensor([0.9, 0.5, 0.2], device=device).view(3, 1, 1)
    found = saliency(x, operator)[0, 0].mean(0)
    assert 3900 < found.argmax() < 4700 and found.mean() < 0.3
    assert saliency(x[..., :1, :1], operator).item() == 1


def test_size_is_the_longest_side(photos):
    x = photos(1, 40, 64)
    direct = spectral_residual(x)
    stretched = (direct - direct.min()) / (direct.max() - direct.min())
    torch.testing.assert_close(saliency(x, "spectral_residual", 64), stretched)
    torch.testing.assert_close(saliency(x, "spectral_residual"), stretched)
    assert not torch.allclose(saliency(x, "spectral_residual", 32), stretched, atol=1e-2)


def test_sdsp_prefers_the_centre(device):
    """Equal blobs, and the one nearer to the centre wins, by the prior's ratio."""
    x = torch.full((1, 3, 64, 64), 0.5, device=device)
    blob = torch.tensor([1.0, 0.5, 0.3], device=device).view(3, 1, 1)
    x[..., 30:34, 30:34] = blob
    x[..., 30:34, 4:8] = blob
    found = sdsp(x)[0, 0]
    middle, side = found[30:34, 30:34].mean(), found[30:34, 4:8].mean()
    expected = math.exp(-((26 / 64) ** 2) / (114 / 256) ** 2)
    assert (side / middle).item() == pytest.approx(expected, rel=0.03)


def test_sdsp_prefers_warm_colours(device):
    """Red and blue blobs, mirror images in a*b*-strength, at equal distance from the centre."""
    x = torch.full((1, 3, 64, 64), 0.5, device=device)
    x[..., 28:36, 12:20] = torch.tensor([0.8, 0.4, 0.3], device=device).view(3, 1, 1)
    x[..., 28:36, 44:52] = torch.tensor([0.2, 0.55, 0.75], device=device).view(3, 1, 1)
    found = sdsp(x)[0, 0]
    assert found[28:36, 12:20].mean() > 3 * found[28:36, 44:52].mean()


def test_sdsp_of_a_grey_image_has_frequency_and_centre_only(photos, device):
    grey = photos(1, 32, 40)[:, :1].expand(1, 3, 32, 40).to(device)
    found = sdsp(grey)
    # A colour prior of 1 leaves a map that a tint of a thousandth does not change.
    tinted = grey * torch.tensor([1.0, 0.999, 1.0], device=device).view(3, 1, 1)
    assert found.mean() > 1
    torch.testing.assert_close(sdsp(tinted), found, rtol=0.02, atol=0.1)


@both
def test_batch_equals_one_by_one(operator, photos, device):
    x = photos(5, 50, 66).to(device)
    alone = torch.cat([saliency(image[None], operator) for image in x])
    torch.testing.assert_close(saliency(x, operator), alone, rtol=0, atol=1e-6)


@both
def test_a_list_keeps_its_order(operator, photos, device):
    shapes = [(40, 50), (30, 30), (40, 50), (50, 40), (30, 30)]
    images = [photos(k + 1, *shape)[k].to(device) for k, shape in enumerate(shapes)]
    maps = saliency_of_list(images, operator)
    assert len(maps) == 5
    for image, found in zip(images, maps, strict=True):
        expected = saliency(image[None], operator)[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_list_takes_one_call_for_each_size(photos, monkeypatch):
    sizes = []
    module = import_module("hmtnet.perception.saliency")
    original = module.saliency
    monkeypatch.setattr(
        module, "saliency", lambda x, operator: sizes.append(x.shape) or original(x, operator)
    )
    images = [*photos(2, 20, 30), *photos(1, 30, 20), *photos(2, 20, 30)]
    saliency_of_list(images, "spectral_residual")
    assert sizes == [(4, 3, 20, 30), (1, 3, 30, 20)]


def test_a_list_of_bytes_and_floats(photos):
    pixels = (photos(1, 24, 24)[0] * 255).round().byte()
    found = saliency_of_list([pixels, pixels.float() / 255], "sdsp")
    assert found[0].dtype == torch.float32 and torch.equal(*found)
    assert saliency_of_list([], "sdsp") == []


def test_no_gradient_flows():
    x = torch.rand(1, 3, 20, 20, requires_grad=True)
    assert not any(saliency(x, operator).requires_grad for operator in OPERATORS)


def test_half_precision_stays_in_range(photos):
    for dtype in (torch.float16, torch.bfloat16):
        found = saliency(photos(2, 30, 40, dtype), "sdsp")
        assert found.dtype == dtype and found.min() == 0 and found.max() == 1


def test_bad_arguments_are_refused():
    x = torch.rand(1, 3, 20, 20)
    with pytest.raises(ValueError, match="spectral_residual or sdsp; found 'sobel'"):
        saliency(x, "sobel")
    with pytest.raises(ValueError, match="at least 8 pixels; found 4"):
        saliency(x, "sdsp", size=4)
    with pytest.raises(ValueError, match=r"\(1, 20, 20, 3\)"):
        saliency_of_list([torch.rand(20, 20, 3)], "sdsp")
    with pytest.raises(ValueError, match=r"\(1, 20, 20\)"):
        saliency_of_list([torch.rand(20, 20)], "sdsp")
    with pytest.raises(ValueError, match=r"torch\.int16"):
        saliency_of_list([torch.zeros(3, 20, 20, dtype=torch.int16)], "sdsp")
