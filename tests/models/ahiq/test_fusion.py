import pytest
import torch
import torch.nn.functional as F
from kornia.feature.aliked.deform_conv2d import deform_conv2d as by_kornia
from torch import nn

from hmtnet.errors import SettingsError
from hmtnet.models.ahiq.fusion import DeformableFusion, deformed


def make(patch=16, kind="deformable"):
    return DeformableFusion(transformer=10, cnn=6, width=8, patch=patch, kind=kind)


def stir(module):
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def maps(patch=16, count=2):
    side = 48 // patch
    return torch.randn(2 * count, 6, 12, 12), torch.randn(count, 10, side, side)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_operator_is_deformable_convolution_as_kornia_writes_it(layout):
    convolution = nn.Conv2d(6, 5, 3, padding=1)
    x = torch.randn(3, 6, 9, 11).to(memory_format=layout)
    # Some taps are displaced by several pixels, some out of the map.
    offsets = (4 * torch.randn(3, 18, 9, 11)).to(memory_format=layout)
    expected = by_kornia(x, offsets, convolution.weight, convolution.bias, padding=1)
    found = deformed(x, offsets, convolution)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (found - convolution(x)).abs().max() > 0.1


def test_offsets_are_pixels_down_and_right():
    convolution = nn.Conv2d(1, 1, 3, padding=1)
    x = torch.randn(1, 1, 8, 8)
    down = torch.zeros(1, 9, 2, 8, 8)
    down[:, :, 0] = 1
    found = deformed(x, down.flatten(1, 2), convolution)
    torch.testing.assert_close(found[:, :, :6], convolution(x)[:, :, 1:7])


def test_training_begins_with_an_ordinary_convolution():
    fusion = make()
    cnn, reference = maps()
    torch.testing.assert_close(fusion(cnn, reference), fusion.reduce(fusion.sample(cnn)))


def test_gradients_reach_the_offsets_from_the_start():
    fusion = make()
    fusion(*maps()).square().sum().backward()
    assert fusion.offsets.weight.grad.abs().sum() > 0 and fusion.offsets.bias.grad.any()


def test_both_images_are_sampled_where_the_reference_points():
    fusion = stir(make())
    cnn, reference = maps()
    offsets = fusion.offsets(F.interpolate(reference, (12, 12), mode="nearest"))
    for i, image in ((0, cnn[:2]), (1, cnn[2:])):
        expected = fusion.reduce(
            by_kornia(image, offsets, fusion.sample.weight, fusion.sample.bias, padding=1)
        )
        found = fusion(cnn, reference).chunk(2)[i]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
    assert (fusion(cnn, 2 * reference) - fusion(cnn, reference)).abs().max() > 0.1


def test_without_deformation_it_is_a_plain_convolution_and_reads_no_reference():
    fusion = stir(make(kind="none"))
    cnn, reference = maps()
    found = fusion(cnn, reference)
    assert torch.equal(found, fusion.reduce(fusion.sample(cnn)))
    assert torch.equal(found, fusion(cnn, reference + 1))
    assert not any(name.startswith("offsets") for name, _ in fusion.named_parameters())


@pytest.mark.parametrize("kind", ["deformable", "none"])
@pytest.mark.parametrize(("patch", "side"), [(8, 6), (16, 3)])
def test_the_maps_come_out_at_the_transformer_s_size(patch, side, kind):
    assert make(patch, kind)(*maps(patch)).shape == (4, 6, side, side)


@pytest.mark.parametrize("patch", [4, 14, 32])
def test_patches_of_another_size_are_refused(patch):
    with pytest.raises(SettingsError, match=f"patches of 8 or 16 pixels, found {patch}"):
        make(patch)


def test_places_are_told_in_float32_under_autocast():
    convolution = nn.Conv2d(6, 5, 3, padding=1)
    x, offsets = torch.randn(2, 6, 9, 9), torch.randn(2, 18, 9, 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = deformed(x.bfloat16(), offsets, convolution)
    torch.testing.assert_close(found, deformed(x.bfloat16().float(), offsets, convolution))
