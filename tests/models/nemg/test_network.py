import contextlib
import dataclasses

import pytest
import torch

from hmtnet.data.crops import Crops, CropSettings
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.nemg import NEMGNet, NEMGSettings
from hmtnet.models.nemg.error import error_map, gray
from hmtnet.models.nemg.network import fine_level


@pytest.fixture
def full(monkeypatch):
    """The published network without memory for its weights."""
    # There is no autocast on the meta device, not even one that is off.
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    backbone = BackboneSettings(name="resnet50.a1_in1k", view="pixels")
    with torch.device("meta"):
        yield NEMGNet(NEMGSettings(backbone=backbone))


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_published_network_has_3_67_million_parameters_beyond_resnet_50(full):
    beyond = count(full) - count(full.backbone)
    assert beyond == 3_673_031 and round(beyond / 1e6, 2) == 3.67
    assert count(full.backbone) == 23_508_032
    assert count(full.semantic) == 2_655_808


def test_convolutions_over_concatenated_features_have_no_bias(full):
    bare = {name for name, m in full.decoder.named_modules() if getattr(m, "bias", 0) is None}
    fine, seen = ([f"{name}.{i}.0" for i in range(n)] for name, n in (("fine", 4), ("seen", 3)))
    assert bare == {"coarse.0.0", *fine, *seen, "error_ssim"}
    expected = (256 + 1 + 64) * 9 * 64 + (3 + 2 + 2 + 2 + 3 * 3) * 64 * 9 * 64 + 65
    assert sum(full.decoder.get_submodule(name).weight.numel() for name in bare) == expected


@pytest.mark.parametrize(("kaiming", "least"), [(True, 0.8), (False, 0.3)])
def test_heads_start_by_kaiming_s_rule_or_smaller(make_net, kaiming, least):
    heads = []
    for seed in range(8):
        torch.manual_seed(seed)
        network = make_net(kaiming_heads=kaiming)
        decoder = network.decoder
        layers = (decoder.error_mse, decoder.error_ssim, decoder.sensitivity, network.score)
        # Beside Kaiming's deviation, (2 / inputs)^½; the coarse map's own weight starts at 1.
        heads += [(m.weight[:, :16] * (m.weight[:, :16].shape[1] / 2) ** 0.5) for m in layers]
    found = torch.cat([head.flatten() for head in heads]).std().item()
    assert least < found < least + 0.3


def test_the_fine_error_map_starts_around_the_coarse_one(make_net):
    assert make_net().decoder.error_ssim.weight[0, -1] == 1


@pytest.mark.parametrize("ends", ["relu", "leaky", "softplus"])
def test_only_published_sensitivity_can_die(make_net, make_crops, ends):
    network = make_net(sensitivity=ends)
    head = network.decoder.sensitivity
    torch.nn.init.zeros_(head.weight)
    alive = network(make_crops((2,), saliency=False)).maps["sensitivity"]
    torch.testing.assert_close(alive, torch.ones_like(alive))  # what each of them starts from
    torch.nn.init.constant_(head.bias, -3.0)
    network(make_crops((2,), saliency=False)).unit_score.sum().backward()
    assert head.bias.grad.any() == (ends != "relu")


def test_the_published_network_s_maps(full):
    seen = {}
    for name in ("semantic", "decoder"):
        module = getattr(full, name)
        module.register_forward_pre_hook(lambda m, given, name=name: seen.update({name: given}))
    taps = full.backbone(torch.empty(2, 3, 224, 224))
    assert [tuple(tap.shape[1:]) for tap in taps[1:]] == [
        (256, 56, 56),
        (512, 28, 28),
        (1024, 28, 28),
        (2048, 14, 14),
    ]
    crops = Crops(torch.empty(3, 3, 224, 224), torch.zeros(3, dtype=torch.long), 1)
    prediction = full(crops)
    assert [tuple(x.shape) for x in seen["semantic"]] == [(3, 2048, 14, 14)]
    assert [tuple(x.shape) for x in seen["decoder"]] == [(3, 257, 56, 56), (3, 64, 28, 28)]
    assert {name: tuple(m.shape) for name, m in prediction.maps.items()} == {
        "error_mse": (3, 1, 56, 56),
        "error_ssim": (3, 1, 56, 56),
        "sensitivity": (3, 2, 28, 28),
    }
    assert prediction.unit_score.shape == (1,)


def test_what_it_is(make_net):
    network = make_net()
    assert network.learns_from_reference and network.by_crop
    assert not network.needs_reference and not network.graded
    assert network.saliency_operator is None


def test_an_image_s_score_is_the_mean_over_its_crops(make_net, make_crops):
    network, crops = make_net().eval(), make_crops((2, 3), saliency=False)
    alone = [
        network(Crops(crops.pixels[i : i + 1], torch.zeros(1, dtype=torch.long), 1)).unit_score
        for i in range(5)
    ]
    expected = torch.stack([torch.cat(alone[:2]).mean(), torch.cat(alone[2:]).mean()])
    torch.testing.assert_close(network(crops).unit_score, expected)


def test_a_reference_changes_no_prediction(make_net, make_referenced):
    network, crops = make_net().eval(), make_referenced()
    blind = dataclasses.replace(crops, reference=None)
    assert torch.equal(network(crops).unit_score, network(blind).unit_score)


def test_the_score_is_the_seen_error_without_its_border(make_net, make_crops):
    network = make_net(shave=2).eval()
    prediction = network(make_crops((1, 1), saliency=False))
    fine, coarse = prediction.maps["error_ssim"], prediction.maps["error_mse"]
    halved = torch.cat([network.pyramid.halve(fine), network.pyramid.halve(coarse)], 1)
    inner = (prediction.maps["sensitivity"] * halved)[:, :, 2:4, 2:4]
    weight, bias = network.score.weight.flatten(), network.score.bias
    mixed = (inner * weight.view(1, 2, 1, 1)).sum(1) + bias
    expected = torch.where(mixed > 0, mixed, 0.01 * mixed).mean((1, 2))
    torch.testing.assert_close(prediction.unit_score, expected)


@pytest.mark.parametrize("size", [32, 45, 50, 64])
@pytest.mark.parametrize("widths", [(8, 8), (8, 8, 16), (8, 8, 8, 16, 16)])
def test_any_crop_and_any_depth_of_the_backbone(make_net, make_crops, size, widths):
    network = make_net(backbone=BackboneSettings(widths=widths)).eval()
    prediction = network(make_crops((1, 1), size, saliency=False))
    quarter, eighth = -(-size // 4), -(-size // 8)
    shapes = {name: tuple(m.shape[1:]) for name, m in prediction.maps.items()}
    assert shapes["error_ssim"] == shapes["error_mse"] == (1, quarter, quarter)
    assert shapes["sensitivity"] == (2, eighth, eighth)
    assert torch.isfinite(prediction.unit_score).all()


def test_the_level_at_stride_4_or_the_one_before_it():
    assert fine_level([2, 4, 8, 8, 16]) == 1
    assert fine_level([1, 2, 4, 8]) == 2
    assert fine_level([1, 2]) == 1
    assert fine_level([8, 16]) == 0


def test_crops_that_shaving_leaves_nothing_of_are_refused(make_net, make_crops):
    network = make_net(shave=3)
    with pytest.raises(SettingsError, match=r"nothing of a map of 6, which crops of 48.*than 48"):
        network(make_crops((1,), 48, saliency=False))
    assert network(make_crops((1,), 56, saliency=False)).unit_score.shape == (1,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width, semantic: expected positive"),
        ({"semantic": (16, 0)}, "width, semantic: expected positive"),
        ({"shave": -1}, "shave: expected at least 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        NEMGSettings(**changes)


def test_without_semantic_widths_there_is_one_convolution(make_net, make_crops):
    network = make_net(semantic=())
    assert len(network.semantic) == 1
    assert network(make_crops((1,), saliency=False)).unit_score.shape == (1,)


def test_what_is_fine_in_the_image_enters_the_decoder(make_net):
    network = make_net()
    flat = torch.full((1, 3, 48, 48), 0.4)
    assert network.fine_detail(flat).abs().max() < 1e-6
    noise = torch.rand(1, 3, 48, 48)
    quarter = network.pyramid.quarter(gray(noise))
    expected = network.pyramid.high_pass(quarter)
    torch.testing.assert_close(network.fine_detail(noise), expected)
    assert expected.shape == (1, 1, 12, 12) and expected.abs().max() > 0.01


def test_the_true_error(make_net, make_referenced):
    network, crops = make_net(), make_referenced()
    e = error_map(gray(crops.pixels), gray(crops.reference))
    torch.testing.assert_close(network.true_error(crops), network.pyramid.quarter(e))
    same = dataclasses.replace(crops, reference=crops.pixels)
    torch.testing.assert_close(network.true_error(same), torch.ones(5, 1, 12, 12))
    with pytest.raises(ValueError, match="Expected crops with their reference, found none"):
        network.true_error(dataclasses.replace(crops, reference=None))


def test_every_weight_learns_from_the_three_terms(make_net, make_referenced):
    network, crops = make_net().train(), make_referenced((2, 2))
    prediction = network(crops)
    true = network.true_error(crops)
    loss = prediction.unit_score.square().sum()
    loss = loss + sum(
        (prediction.maps[f"error_{n}"] - true).square().sum() for n in ("mse", "ssim")
    )
    loss.backward()
    names = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert names == []


@pytest.mark.parametrize("seed", range(4))
def test_no_map_starts_dead(make_net, make_crops, seed):
    torch.manual_seed(seed)
    prediction = make_net().eval()(make_crops((1, 1, 1), saliency=False))
    for name, found in prediction.maps.items():
        alive = (found > 0).float().mean((0, 2, 3))
        assert alive.min() > 0.1, name


def test_scores_are_float32_under_autocast(make_net, make_crops):
    network, crops = make_net().eval(), make_crops((1, 1), saliency=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = network(crops)
    assert prediction.unit_score.dtype == torch.float32
    assert all(found.dtype == torch.float32 for found in prediction.maps.values())
    torch.testing.assert_close(prediction.unit_score, network(crops).unit_score, rtol=0, atol=0.05)


def test_a_timm_backbone_serves_too(make_net, make_crops):
    network = make_net(backbone=BackboneSettings(name="test_efficientnet.r160_in1k")).eval()
    assert network(make_crops((2, 1), 64, saliency=False)).unit_score.shape == (2,)


def test_it_judges_a_whole_image(make_net, assess):
    image = torch.randint(0, 256, (3, 70, 50), dtype=torch.uint8)
    assert assess(make_net().eval(), image, CropSettings(size=48)).unit_score.shape == (1,)
