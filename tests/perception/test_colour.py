import torch
from torch.autograd import gradcheck

from hmtnet.perception import luminance


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
