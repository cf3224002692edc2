import pytest
import torch
from scipy import ndimage
from torch.autograd import gradcheck

from hmtnet.perception import luminance, sobel

EPSILON = 2**-10


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("colour", [(0, 0, 0), (1, 1, 1), (0.3, 0.9, 0.1), (2 / 3, 1 / 7, 0.77)])
def test_flat_regions_are_exactly_zero(colour, dtype, device):
    flat = torch.tensor(colour, dtype=dtype, device=device).view(1, 3, 1, 1).repeat(2, 1, 13, 17)
    slopes, magnitude = sobel(flat)[:, :2], sobel(flat)[:, 2]
    assert torch.equal(magnitude, torch.zeros_like(magnitude))
    assert slopes.abs().max() < 2e-7


def test_flat_half_of_an_image_is_exactly_zero(device):
    x = torch.full((1, 3, 16, 16), 0.7, device=device)
    x[..., 8:] = torch.rand(1, 3, 16, 8, device=device)
    magnitude = sobel(x)[0, 2]
    assert torch.equal(magnitude[:, :7], torch.zeros_like(magnitude[:, :7]))
    assert (magnitude[:, 7:] > 0).float().mean() > 0.9


def test_a_ramp_has_its_slope(device):
    across = torch.linspace(0, 0.9, 10, device=device).expand(1, 3, 6, 10)
    g_x, g_y, magnitude = sobel(across)[0]
    close = {"rtol": 0, "atol": 1e-6}
    torch.testing.assert_close(g_x[:, 1:-1], torch.full((6, 8), 0.1, device=device), **close)
    torch.testing.assert_close(g_x[:, [0, -1]], torch.full((6, 2), 0.05, device=device), **close)
    torch.testing.assert_close(g_y, torch.zeros_like(g_y), **close)
    expected = (g_x.square() + EPSILON**2).sqrt() - EPSILON
    torch.testing.assert_close(magnitude, expected, **close)
    # Downwards, it is the other component, with the same sign.
    torch.testing.assert_close(sobel(across.mT)[0, 1], g_x.T, **close)


def test_equals_scipy(photos, device):
    x = photos(1, 15, 11)
    y = luminance(x)[0, 0].double().numpy()
    found = sobel(x.to(device))[0, :2].cpu().double().numpy()
    for axis, slope in ((1, found[0]), (0, found[1])):
        expected = ndimage.sobel(y, axis=axis, mode="nearest") / 8
        assert abs(slope - expected).max() < 1e-6


def test_range_is_reached_and_kept():
    steps = (torch.rand(1, 1, 64, 64) > 0.5).float().expand(1, 3, 64, 64)
    step = torch.zeros(1, 3, 4, 4)
    step[..., 2:] = 1
    assert sobel(steps).abs().max() <= 0.71
    assert sobel(step)[:, 0].max().item() == pytest.approx(0.5, abs=1e-6)
    assert sobel(steps)[:, 2].min() >= 0


@pytest.mark.parametrize("flat", [True, False])
def test_gradient_is_right_also_where_flat(flat):
    x = torch.full((1, 3, 4, 5), 0.4, dtype=torch.float64)
    if not flat:
        x = torch.rand(1, 3, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert gradcheck(sobel, x.requires_grad_(), eps=1e-7, atol=1e-3 if flat else 1e-5)


def test_backward_through_a_flat_image_is_finite():
    x = torch.full((1, 3, 8, 8), 0.4, requires_grad=True)
    sobel(x)[:, 2].sum().backward()
    assert torch.isfinite(x.grad).all()


def test_export_with_any_batch_and_size(photos):
    class Gradient(torch.nn.Module):
        def forward(self, rgb):
            return sobel(rgb)

    dim = torch.export.Dim
    dynamic = ({0: dim("batch"), 2: dim("height", min=4), 3: dim("width", min=4)},)
    program = torch.export.export(Gradient(), (photos(2, 20, 24),), dynamic_shapes=dynamic)
    other = photos(3, 31, 17)
    torch.testing.assert_close(program.module()(other), sobel(other), rtol=0, atol=1e-7)
