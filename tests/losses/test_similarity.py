import kornia
import pytest
import torch
from torch.autograd import gradcheck

from hmtnet.losses import ssim_loss
from hmtnet.metrics.fidelity import ssim


def maps(seed=0, shape=(2, 3, 20, 17), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=dtype)


@pytest.mark.parametrize("mix", [0.0, 0.3, 0.9])
def test_it_is_1_minus_what_kornia_calls_ssim(mix):
    x = maps(0)
    y = mix * x + (1 - mix) * maps(1)
    found = ssim_loss(x, y).item()
    found_by_kornia = kornia.metrics.ssim(x, y, 11, padding="valid").mean().item()
    assert found == pytest.approx(1 - found_by_kornia, abs=1e-6)


def test_it_is_1_minus_the_metric_of_this_package_on_one_plane():
    x, y = maps(0, (1, 1, 24, 24)), maps(1, (1, 1, 24, 24))
    assert ssim_loss(x, y).item() == pytest.approx(1 - ssim(x[0, 0], y[0, 0]), abs=1e-12)


def test_by_hand_where_the_window_is_one_place():
    # No variance: only the luminance is compared.
    x, y = torch.full((1, 1, 2, 2), 0.2), torch.full((1, 1, 2, 2), 0.6)
    expected = 1 - (2 * 0.2 * 0.6 + 1e-4) / (0.04 + 0.36 + 1e-4)
    assert ssim_loss(x, y, window=1).item() == pytest.approx(expected, abs=1e-6)


def test_equal_maps_have_none_and_inverted_structure_more_than_1():
    x = maps()
    assert ssim_loss(x, x).item() == pytest.approx(0, abs=1e-12)
    assert 1 < ssim_loss(x, 1 - x).item() <= 2
    assert ssim_loss(x, x + 0.2).item() > 0.01


def test_window_and_sigma_reach_it():
    x, y = maps(0), maps(1)
    found = ssim_loss(x, y, window=7, sigma=1.0).item()
    place = torch.arange(7, dtype=torch.float64) - 3
    one = (-place.square() / 2).exp()
    kernel = torch.outer(one, one) / one.sum() ** 2
    expected = []
    for n in range(2):
        for c in range(3):
            for i in range(14):
                for j in range(11):
                    a, b = (m[n, c, i : i + 7, j : j + 7] for m in (x, y))
                    mean_a, mean_b = (kernel * a).sum(), (kernel * b).sum()
                    var_a = (kernel * (a - mean_a) ** 2).sum()
                    var_b = (kernel * (b - mean_b) ** 2).sum()
                    both = (kernel * (a - mean_a) * (b - mean_b)).sum()
                    luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
                    expected.append(luminance * (2 * both + 9e-4) / (var_a + var_b + 9e-4))
    assert found == pytest.approx(1 - torch.stack(expected).mean().item(), abs=1e-10)
    assert found != pytest.approx(ssim_loss(x, y).item(), abs=1e-3)


def test_gradcheck():
    x, y = maps(0, (1, 2, 6, 5)), maps(1, (1, 2, 6, 5))
    assert gradcheck(lambda p: ssim_loss(p, y, window=5, sigma=1.0), x.requires_grad_())


def test_flat_maps_have_a_finite_gradient():
    x = torch.full((1, 1, 12, 12), 0.9, requires_grad=True)
    ssim_loss(x, torch.full_like(x, 0.5)).backward()
    assert torch.isfinite(x.grad).all() and x.grad.sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_full(dtype):
    x, y = maps(0).to(dtype).requires_grad_(), maps(1).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = ssim_loss(x, y)
    found.backward()
    assert found.dtype == torch.float32 and torch.isfinite(x.grad).all()
    exact = ssim_loss(x.detach().double(), y.double()).item()
    assert found.item() == pytest.approx(exact, abs=1e-5)


def test_no_maps_no_loss_but_a_gradient():
    none = torch.zeros(0, 1, 12, 12, requires_grad=True)
    loss = ssim_loss(none, torch.zeros(0, 1, 12, 12))
    loss.backward()
    assert loss.item() == 0 and none.grad.shape == none.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((maps()[0], maps()[0]), r"shape \(N, C, H, W\); found \(3, 20, 17\)"),
        ((maps(), maps()[:, :1]), r"target of shape \(2, 3, 20, 17\).*found \(2, 1, 20, 17\)"),
        ((maps(), maps(), 10), "an odd window; found 10"),
        ((maps(), maps(), 11, 0.0), "sigma > 0 pixels; found 0"),
        ((maps(), maps(), 19), "at least 19 x 19.*larger crops, or a smaller window"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        ssim_loss(*arguments)
