import math

import pytest
import torch
from scipy import ndimage
from torch.autograd import gradcheck

from hmtnet.perception import mscn, residual


@pytest.mark.parametrize("value", [0.0, 1 / 3, 1.0])
def test_constants_have_no_texture(value, device):
    flat = torch.full((2, 3, 12, 9), value, device=device)
    assert residual(flat).abs().max() < 5e-7


@pytest.mark.parametrize("sigma", [0.8, 1.5])
def test_equals_scipy(sigma, photos, device):
    x = photos(1, 15, 18)
    found = residual(x.to(device), sigma)[0].cpu().numpy()
    radius = math.ceil(3 * sigma)
    blurred = [
        ndimage.gaussian_filter(channel, sigma, mode="mirror", radius=radius)
        for channel in x[0].double().numpy()
    ]
    assert abs(found - (x[0].double().numpy() - blurred)).max() < 1e-6


def test_default_halves_the_band_that_a_picture_reduced_by_4_lacks():
    wave = 0.5 + 0.4 * torch.cos(torch.arange(200) * math.pi / 4)
    texture = residual(wave.expand(1, 3, 40, 200))[0, 0, 20, 20:-20]
    assert texture.abs().max() / 0.4 == pytest.approx(0.5, abs=0.02)


def test_channels_keep_apart(photos):
    x = photos(1, 12, 12)
    x[:, 1] = 0.5
    texture = residual(x)
    assert texture[:, 1].abs().max() < 1e-6 < texture[:, 0].abs().max()


def test_too_small_to_reflect_is_an_error():
    assert residual(torch.rand(1, 3, 6, 6)).shape == (1, 3, 6, 6)
    with pytest.raises(ValueError, match=r"more than 5 pixels a side.*5x9.*Pad them"):
        residual(torch.rand(1, 3, 5, 9))


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan")])
def test_sigma_must_be_positive(sigma):
    with pytest.raises(ValueError, match="sigma > 0"):
        residual(torch.rand(1, 3, 9, 9), sigma)


def test_gradient():
    x = torch.rand(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda y: residual(y, 0.6), x)


def test_export_with_any_batch_and_size(photos):
    class Texture(torch.nn.Module):
        def forward(self, rgb):
            return residual(rgb)

    dim = torch.export.Dim
    dynamic = ({0: dim("batch"), 2: dim("height", min=8), 3: dim("width", min=8)},)
    program = torch.export.export(Texture(), (photos(2, 20, 24),), dynamic_shapes=dynamic)
    other = photos(3, 31, 17)
    torch.testing.assert_close(program.module()(other), residual(other), rtol=0, atol=1e-7)


def test_mscn_of_constants_is_zero_and_differentiable(device):
    flat = torch.full((1, 3, 12, 9), 1 / 3, device=device, requires_grad=True)
    found = mscn(flat)
    assert found.abs().max() < 1e-3
    found.sum().backward()
    assert flat.grad.isfinite().all()


def test_mscn_equals_its_formula(photos, device):
    x = photos(1, 15, 18)
    found = mscn(x.to(device), sigma=1.0, floor=0.01)[0].cpu().numpy()
    pixels = x[0].double().numpy()

    def blur(channel):
        return ndimage.gaussian_filter(channel, 1.0, mode="mirror", radius=3)

    centred = pixels - [blur(channel) for channel in pixels]
    contrast = blur((centred**2).mean(0)) ** 0.5
    assert abs(found - centred / (contrast + 0.01)).max() < 1e-3


def test_mscn_hardly_sees_contrast(photos):
    x = 0.2 + 0.6 * photos(1, 32, 32)
    half = 0.5 + (x - 0.5) / 2
    assert (mscn(x) - mscn(half)).abs().mean() < 0.1 * mscn(x).abs().mean()
    assert (residual(x) - residual(half)).abs().mean() > 0.4 * residual(x).abs().mean()


def test_mscn_gradcheck(photos):
    x = photos(1, 5, 6).double().requires_grad_()
    assert gradcheck(lambda rgb: mscn(rgb, 1.0, 0.05), x)


@pytest.mark.parametrize("floor", [0.0, -1.0])
def test_mscn_refuses_no_floor(floor, photos):
    with pytest.raises(ValueError, match="floor > 0"):
        mscn(photos(1, 12, 12), floor=floor)
