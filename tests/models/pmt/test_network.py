import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hmtnet.data.crops import Crops, CropSettings
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.pmt import PMTNet, PMTSettings
from hmtnet.models.pmt.network import Tap

PLAIN = BackboneSettings(widths=(8, 8, 16, 16))
# Of shapes alone: "meta" has no values, and so no local contrast either.
RESNET = BackboneSettings(name="resnet50.a1_in1k", view="pixels")


def make(backbone=PLAIN, **changes):
    return PMTNet(PMTSettings(backbone=backbone, **changes)).eval()


def on_meta(backbone=RESNET, **changes):
    with torch.device("meta"):
        return make(backbone, **changes)


@pytest.fixture(scope="module")
def resnet():
    """The paper's network without values."""
    return on_meta()


def count(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def pooled(network, pixels):
    """Return the shape that each tap's level is pooled to."""
    levels = network.backbone(network.backbone.normalise(pixels))[-len(network.taps) :]
    pairs = zip(network.taps, levels, strict=True)
    return [tuple(tap.pool(tap.reduce(level)).shape[1:]) for tap, level in pairs]


def test_the_paper_s_heads_have_208_thousand_parameters(resnet):
    taps = [
        (256 * 16) + (16 * 64 * 28 + 28),
        (512 * 32) + (32 * 16 * 28 + 28),
        (1024 * 64) + (64 * 4 * 28 + 28),
        (2048 * 28 + 28),
    ]
    assert [count(tap) for tap in resnet.taps] == taps
    shared = (112 * 112 + 112) + (112 * 14 + 14)
    heads = (14 + 1) + (14 * 14 + 14) + (14 * 10 + 10)
    assert count(resnet.shared) == shared and count(resnet.score, resnet.grade) == heads
    found = count(resnet) - count(resnet.backbone)
    assert found == sum(taps) + shared + heads == 208_261
    assert f"{found / 1e6:.3f}" == "0.208"
    assert count(resnet) == 23_508_032 + 208_261


def test_at_224_pixels_the_taps_are_the_paper_s(resnet):
    levels = resnet.backbone(torch.rand(1, 3, 224, 224, device="meta"))[-4:]
    shapes = [tuple(level.shape[1:]) for level in levels]
    assert shapes == [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]


@pytest.mark.parametrize("size", [224, 96, 160, 200, 384])
def test_each_tap_pools_to_its_own_grid_whatever_the_crop(resnet, size):
    pixels = torch.rand(3, 3, size, size, device="meta")
    assert pooled(resnet, pixels) == [(16, 8, 8), (32, 4, 4), (64, 2, 2), (2048, 1, 1)]
    assert resnet.features(pixels).shape == (3, 112)
    assert resnet.shared(resnet.features(pixels)).shape == (3, 14)


def test_at_224_pixels_each_grid_pools_seven_by_seven_places():
    # The release's pooling, so the adaptive one changes nothing at its crop size.
    for places, side in ((8, 56), (4, 28), (2, 14), (1, 7)):
        x = torch.rand(2, 5, side, side)
        torch.testing.assert_close(Tap(5, None, places).pool(x), F.avg_pool2d(x, 7))


@pytest.mark.parametrize("side", [3, 5, 8, 12, 19])
def test_pooling_is_the_adaptive_one(side):
    x = torch.rand(2, 3, side, side + 1)
    torch.testing.assert_close(Tap(3, None, 4).pool(x), F.adaptive_avg_pool2d(x, 4))


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("mobilenetv2_100.ra_in1k", [24, 32, 96, 320]),
        ("resnet50.a1_in1k", [256, 512, 1024, 2048]),
        ("resnet18.a1_in1k", [64, 128, 256, 512]),
    ],
)
def test_the_four_coarsest_levels_are_tapped(name, channels):
    network = on_meta(BackboneSettings(name=name, view="pixels"))
    reduced = [tap.reduce.in_channels for tap in network.taps[:3]]
    assert [*reduced, network.taps[3].features.in_features] == channels
    assert network.features(torch.rand(3, 3, 160, 160, device="meta")).shape == (3, 112)


def test_a_single_scale_is_the_coarsest_level_s_mean(make_crops):
    network = make(multi_scale=False)
    (tap,) = network.taps
    crops = make_crops((2, 1), 48, saliency=False)
    coarsest = network.backbone(network.backbone.normalise(crops.pixels))[-1]
    expected = F.linear(coarsest.mean((2, 3)), tap.features.weight, tap.features.bias)
    torch.testing.assert_close(network.features(crops.pixels), expected)
    assert network(crops).unit_score.shape == (2,)
    assert (
        count(on_meta(multi_scale=False)) - 23_508_032
        == 2048 * 28 + 28 + (28 * 112 + 112) + (112 * 14 + 14) + 15 + 210 + 150
    )


@pytest.mark.parametrize("classes", [5, 10])
def test_class_probabilities_are_shown_and_no_grades_claimed(classes, make_crops):
    network = make(classes=classes)
    crops = make_crops((2, 3), 48, saliency=False)
    prediction = network(crops)
    assert prediction.logits.shape == (5, classes)
    torch.testing.assert_close(prediction.maps["classes"], prediction.logits.softmax(1))
    assert prediction.log_grades is None and not network.graded
    assert not network.needs_reference and not network.learns_from_reference
    assert network.saliency_operator is None


def test_an_image_s_score_is_the_mean_over_its_crops_each_judged_by_itself(make_crops):
    network = make()
    assert network.by_crop
    crops = make_crops((2, 3), 50, saliency=False)
    prediction = network(crops)
    alone = torch.cat(
        [network(Crops(x[None], torch.tensor([0]), 1)).unit_score for x in crops.pixels]
    )
    torch.testing.assert_close(prediction.crop_score, alone)
    expected = torch.stack([alone[:2].mean(), alone[2:].mean()])
    torch.testing.assert_close(prediction.unit_score, expected)


def test_score_and_class_are_told_from_the_same_14_features(make_crops):
    network = make()
    crops = make_crops((2, 1), 48, saliency=False)
    shared = network.shared(network.features(crops.pixels))
    assert shared.shape == (3, 14)
    prediction = network(crops)
    torch.testing.assert_close(prediction.crop_score, network.score(shared))
    torch.testing.assert_close(prediction.logits, network.grade(shared))
    activations = [m for m in network.modules() if isinstance(m, nn.LeakyReLU)]
    assert len(activations) == 3


@pytest.mark.parametrize("multi_scale", [True, False])
def test_every_weight_learns(multi_scale, make_crops):
    network = make(multi_scale=multi_scale).train()
    prediction = network(make_crops((2, 2), 48, saliency=False))
    (prediction.unit_score.square().sum() + prediction.logits.square().sum()).backward()
    weights = {name: p for name, p in network.named_parameters() if p.ndim > 1}
    assert [name for name, p in weights.items() if p.grad is None or not p.grad.any()] == []


def test_scores_are_exact_under_autocast(make_crops):
    network = make()
    with torch.autocast("cpu", torch.bfloat16):
        prediction = network(make_crops((2, 1), 48, saliency=False))
    assert prediction.unit_score.dtype == prediction.logits.dtype == torch.float32


def test_too_few_levels_are_refused_unless_one_is_enough():
    backbone = dataclasses.replace(PLAIN, widths=(8, 8, 16))
    with pytest.raises(SettingsError, match=r"taps the 4 coarsest.*found 3.*multi_scale=false"):
        make(backbone)
    assert len(make(backbone, multi_scale=False).taps) == 1


def test_it_judges_a_whole_image(assess):
    image = torch.randint(0, 256, (3, 70, 50), dtype=torch.uint8)
    assert assess(make(), image, CropSettings(size=48)).unit_score.shape == (1,)
