import torch
from skimage.color import rgb2lab
from torch.autograd import gradcheck

from hmtnet.perception import lab, luminance


def test_weights_of_bt601(device):
    primaries = torch.eye(3, device=device).view(3, 3, 1, 1)
    assert luminance(primaries).flatten().tolist() == torch.tensor([0.299, 0.587, 0.114]).tolist()


def test_grey_keeps_its_value(device):
    grey = torch.linspace(0, 1, 256, device=device).view(1, 1, 16, 16)
    torch.testing.assert_close(luminance(grey.expand(1, 3, 16, 16)), grey, rtol=0, atol=1.2e-7)


def test_shape_and_gradient():
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert luminance(x).shape == (2, 1, 4, 5)
    assert gradcheck(luminance, x)


def test_lab_equals_scikit_image(photos, device):
    x = photos(2, 12, 14)
    x[0, :, 0] = 0
    x[1, :, :6] *= 0.1
    expected = rgb2lab(x.double().numpy(), channel_axis=1)
    exact = lab(x.double().to(device)).cpu().numpy()
    # scikit-image's white point is the one of a table with five digits.
    assert abs(exact - expected).max() < 0.01
    assert abs(lab(x.to(device)).cpu().numpy() - exact).max() < 2e-4


def test_lab_of_black_white_and_grey(device):
    grey = torch.linspace(0, 1, 64, dtype=torch.float64, device=device).view(1, 1, 8, 8)
    lightness, *colour = lab(grey.expand(1, 3, 8, 8))[0]
    assert abs(lightness[0, 0]) < 1e-3 and abs(lightness[-1, -1] - 100) < 1e-3
    assert (lightness.flatten().diff() > 0).all()
    assert max(c.abs().max() for c in colour) < 1e-3
