import pytest
import torch
from torch import nn

from hmtnet.data.crops import Crops, CropSettings
from hmtnet.models.cnniqa import CNNIQANet, CNNIQASettings
from hmtnet.models.cnniqa.network import normalise_contrast
from hmtnet.perception import luminance


@pytest.fixture
def network():
    return CNNIQANet(CNNIQASettings(kernels=6, hidden=10)).eval()


def test_the_paper_s_network_counts_what_the_paper_s_layers_do():
    with torch.device("meta"):
        network = CNNIQANet(CNNIQASettings())
    found = sum(parameter.numel() for parameter in network.parameters())
    assert found == 50 * (49 + 1) + (100 * 800 + 800) + (800 * 800 + 800) + (800 + 1) == 724_901


def test_the_paper_s_shapes(make_crops):
    network, shapes = CNNIQANet(CNNIQASettings()), {}
    for name, module in network.named_children():
        module.register_forward_hook(
            lambda m, given, out, name=name: shapes.update({name: (given[0].shape, out.shape)})
        )
    network(make_crops((1, 1), size=96, saliency=False))
    patches = 2 * 3 * 3
    assert shapes == {
        "convolution": ((patches, 1, 32, 32), (patches, 50, 26, 26)),
        "first": ((patches, 100), (patches, 800)),
        "second": ((patches, 800), (patches, 800)),
        "score": ((patches, 800), (patches,)),
    }


def test_largest_and_smallest_responses_go_in_that_order_and_unclipped(network, make_crops):
    crops = make_crops((1,), size=32, saliency=False)
    grey = normalise_contrast(luminance(crops.pixels), 3, 10.0)
    responses = network.convolution(grey)
    assert responses.min() < 0
    pooled = torch.cat([responses.amax((2, 3)), responses.amin((2, 3))], 1)
    seen = []
    network.first.register_forward_hook(lambda m, given, out: seen.append(given[0]))
    prediction = network(crops)
    torch.testing.assert_close(seen[0], pooled)
    hidden = network.second(network.first(pooled).relu()).relu()
    torch.testing.assert_close(prediction.unit_score, network.score(hidden))


def test_a_crop_s_score_is_the_mean_over_its_patches(network):
    pixels = torch.rand(2, 3, 96, 96)
    prediction = network(Crops(pixels, torch.tensor([0, 1]), 2))
    assert prediction.patch_score.shape == (2, 3, 3) and prediction.maps["local_score"].shape == (
        2,
        1,
        3,
        3,
    )
    torch.testing.assert_close(prediction.unit_score, prediction.patch_score.mean((1, 2)))
    # What lies more than a window from a patch does not touch its score.
    pixels = pixels.clone()
    pixels[:, :, 40:, 40:] = 0
    changed = network(Crops(pixels, torch.tensor([0, 1]), 2)).patch_score
    same = torch.isclose(changed, prediction.patch_score)
    assert same[:, 0].all() and same[:, :, 0].all() and not same[:, 1:, 1:].any()


@pytest.mark.parametrize("size", [32, 48, 64, 100])
def test_crops_of_other_sizes_are_judged_each_by_itself(network, make_crops, size):
    assert network.by_crop
    crops = make_crops((2, 3), size=size, saliency=False)
    alone = torch.cat(
        [network(Crops(x[None], torch.tensor([0]), 1)).unit_score for x in crops.pixels]
    )
    expected = torch.stack([alone[:2].mean(), alone[2:].mean()])
    torch.testing.assert_close(network(crops).unit_score, expected)


def test_it_claims_no_grades_and_wants_nothing_but_pixels(network, make_crops):
    prediction = network(make_crops(saliency=False))
    assert prediction.log_grades is None and not network.graded
    assert network.saliency_operator is None
    assert not network.needs_reference and not network.learns_from_reference


def test_colour_does_not_count(network):
    pixels = torch.rand(1, 3, 32, 32)
    image = torch.tensor([0])
    grey = luminance(pixels).expand(-1, 3, -1, -1)
    expected = network(Crops(grey, image, 1)).unit_score
    torch.testing.assert_close(network(Crops(pixels, image, 1)).unit_score, expected)


def test_dropout_leaves_out_what_it_is_told_and_none_when_judging(network, make_crops):
    crops = make_crops((1, 1), size=64, saliency=False)
    all_kept = network(crops).patch_score
    assert torch.equal(network(crops).patch_score, all_kept)
    nothing = network(crops, torch.zeros(8, 10, dtype=torch.bool)).patch_score
    torch.testing.assert_close(nothing, network.score.bias.expand(2, 2, 2))
    doubled = network(crops, torch.ones(8, 10, dtype=torch.bool)).patch_score
    bias = network.score.bias
    torch.testing.assert_close(doubled - bias, 2 * (all_kept - bias))
    network.train()
    assert not torch.equal(network(crops).patch_score, network(crops).patch_score)


def test_every_parameter_learns(network, make_crops):
    network(make_crops((2, 2), size=64, saliency=False)).unit_score.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_scores_are_exact_under_autocast(network, make_crops):
    with torch.autocast("cpu", torch.bfloat16):
        assert network(make_crops(saliency=False)).unit_score.dtype == torch.float32


def test_it_judges_a_whole_image(network, assess):
    image = torch.randint(0, 256, (3, 70, 50), dtype=torch.uint8)
    assert assess(network, image, CropSettings(size=48)).unit_score.shape == (1,)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kernels": 0}, "kernels: expected at least 1, found 0"),
        ({"hidden": 0}, "hidden: expected at least 1, found 0"),
        ({"window": 4}, "window: expected an odd number from 3, found 4"),
        ({"window": 1}, "window: expected an odd number from 3, found 1"),
        ({"patch": 6}, "patch: expected at least kernel_size=7 and window=3, found 6"),
        ({"dropout": 1.0}, "dropout: expected 0 to below 1, found 1.0"),
        ({"constant": 0.0}, "constant: expected above 0, found 0.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        CNNIQASettings(**wrong)
