import pytest
import torch

from hmtnet.perception import check_rgb, luminance, residual, saliency, sdsp, sobel
from hmtnet.perception import spectral_residual as spectral
from hmtnet.perception.checks import full_precision


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_rgb_enters(dtype):
    check_rgb(torch.zeros(2, 3, 4, 5, dtype=dtype))


@pytest.mark.parametrize(
    ("x", "found", "step"),
    [
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "torch.uint8", "Divide uint8 pixels by 255"),
        (torch.zeros(3, 8, 8), r"\(3, 8, 8\)", r"x\[None\]"),
        (torch.zeros(1, 1, 8, 8), r"\(1, 1, 8, 8\)", "repeat a grey channel"),
        (torch.zeros(1, 8, 8, 3), r"\(1, 8, 8, 3\)", "Bring the channels second"),
        (torch.zeros(1, 4, 8, 8), r"\(1, 4, 8, 8\)", "channels second"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [check_rgb, luminance, sobel, residual, spectral, sdsp, lambda x: saliency(x, "sdsp")],
)
def test_anything_else_is_refused_by_all(function, x, found, step):
    with pytest.raises(ValueError, match=f"Expected .*{found}.*{step}"):
        function(x)


def test_full_precision_shields_from_autocast():
    x = torch.rand(4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with full_precision(x) as y:
            assert (y @ y).dtype == torch.float32
        assert (x @ x).dtype == torch.bfloat16
    with full_precision(x.double()) as y:
        assert y.dtype == torch.float64
    with full_precision(x.half()) as y:
        assert y.dtype == torch.float32


@pytest.mark.parametrize("function", [luminance, sobel, residual, spectral, sdsp])
def test_autocast_changes_nothing(function, photos, device):
    x = photos(2, 24, 20).to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        under = function(x)
    assert torch.equal(under, function(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("function", [luminance, sobel, residual, spectral, sdsp])
def test_half_precision_rounds_only_the_result(function, dtype, photos):
    x = photos(2, 24, 20, dtype)
    assert torch.equal(function(x), function(x.float()).to(dtype))
