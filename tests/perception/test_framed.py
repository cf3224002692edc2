"""Saliency by products of matrices is that of transforms and interpolation."""

import pytest
import skimage.data
import torch

from hmtnet.perception import saliency
from hmtnet.perception.framed import framed_saliency

SHAPES = [(96, 96), (48, 48), (97, 131), (16, 500), (500, 50), (512, 512), (33, 20), (1, 16)]


@pytest.mark.parametrize("operator", ["spectral_residual", "sdsp"])
@pytest.mark.parametrize("shape", SHAPES)
def test_photographs_of_any_size(operator, shape):
    photo = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None] / 255
    images = torch.cat([photo, photo.flip(-1)])[..., : shape[0], : shape[1]]
    found, expected = framed_saliency(images, operator), saliency(images, operator)
    torch.testing.assert_close(found, expected, rtol=0, atol=3e-5)


@pytest.mark.parametrize("operator", ["spectral_residual", "sdsp"])
def test_nothing_stands_out_of_a_constant_image_and_a_dot_does(operator):
    flat = torch.full((1, 3, 70, 90), 0.3)
    assert torch.equal(framed_saliency(flat, operator), torch.ones(1, 1, 70, 90))
    flat[..., 30, 40] = 0.35
    torch.testing.assert_close(
        framed_saliency(flat, operator), saliency(flat, operator), rtol=0, atol=3e-5
    )


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="Divide uint8 pixels by 255"):
        framed_saliency(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "sdsp")
