import pytest
import torch


@pytest.fixture(params=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def device(request):
    return torch.device(request.param)


@pytest.fixture
def photos():
    """Make smooth images with some detail: (N, 3, H, W) in [0, 1], the same on every call."""

    def make(count, height, width, dtype=torch.float32):
        generator = torch.Generator().manual_seed(count * height + width)
        coarse = torch.rand(count, 3, 6, 7, generator=generator)
        smooth = torch.nn.functional.interpolate(
            coarse, size=(height, width), mode="bicubic", align_corners=False
        )
        noise = torch.rand(count, 3, height, width, generator=generator)
        return (0.85 * smooth + 0.15 * noise).clamp(0, 1).to(dtype)

    return make
