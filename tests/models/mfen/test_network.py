import pytest
import torch

from hmtnet.data.crops import Crops, CropSettings
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.mfen import DAN, MFEN, DANSettings, MFENSettings

RESNET = BackboneSettings(name="resnet50.a1_in1k")


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_full_network_has_the_parameters_that_its_readme_says():
    with torch.device("meta"):
        dan = DAN(DANSettings(backbone=RESNET), torch.zeros(36))
        network = MFEN(MFENSettings(), dan)
    # ResNet-50 without classifier, two projections, 36 types.
    assert count(dan) == 23_508_032 + 2049 * 2048 + 2049 * 128 + 129 * 36
    assert count(network) - count(dan) == 5_427_521
    assert count(network.qen) == 3_848_800
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 5_427_521


@pytest.mark.parametrize("fuse", ["aff", "add", "concat"])
@pytest.mark.parametrize("hfen", [True, False])
@pytest.mark.parametrize("dan", [True, False])
def test_every_choice_scores(make_mfen, make_crops, dan, hfen, fuse):
    network = make_mfen(dan=dan, hfen=hfen, fuse=fuse).eval()
    prediction = network(make_crops((2, 1, 3), saliency=False))
    assert prediction.unit_score.shape == (3,) and prediction.unit_score.dtype == torch.float32
    assert prediction.log_grades is None and prediction.log_types is None
    parts = {name.split(".")[0] for name, _ in network.named_parameters()}
    assert parts == {"qen", "norms", "mix", "score"} | ({"dan"} if dan else set()) | (
        {"hfen"} if hfen else set()
    ) | ({"with_dan"} if dan else set()) | ({"with_hfen"} if hfen else set())


def test_it_fuses_distortion_then_high_frequencies_level_by_level(make_mfen, make_crops):
    network = make_mfen().eval()
    crops = make_crops((2, 3), saliency=False)
    x = network.qen.normalise(crops.pixels)
    quality, high = network.qen(x), network.hfen(x)
    quality = [norm(level) for norm, level in zip(network.norms, quality, strict=True)]
    # The DAN's strides are 1, 2 and 4, the backbone's 4, 8, 16 and 32: 4 is the nearest to all.
    nearest = [network.dan.levels(crops.pixels)[2]] * 4
    vectors = []
    for i in range(4):
        adapted = network.with_dan.adapters[i](nearest[i])
        adapted = torch.nn.functional.adaptive_avg_pool2d(adapted, quality[i].shape[-2:])
        fused = network.with_dan.fusions[i](quality[i], adapted)
        fused = network.with_hfen.fusions[i](fused, network.with_hfen.adapters[i](high[i]))
        vectors.append(fused.mean((2, 3)))
    scores = network.score(network.mix(torch.cat(vectors, 1)))
    expected = torch.stack([scores[:2].mean(), scores[2:].mean()])
    torch.testing.assert_close(network(crops).unit_score, expected)


def test_levels_of_equal_stride_are_matched(make_dan, mfen_settings):
    network = MFEN(mfen_settings, make_dan(BackboneSettings(name="test_resnet")))
    assert network.dan.backbone.reductions == [2, 4, 8, 16, 32]
    assert network.nearest == [1, 2, 3, 4]


def test_types_are_told_beside_the_score(make_mfen, make_crops):
    prediction = make_mfen(types=5).eval()(make_crops((2, 1), saliency=False))
    assert prediction.log_types.shape == (2, 5)
    torch.testing.assert_close(prediction.log_types.exp().sum(1), torch.ones(2))


def test_what_shares_a_batch_changes_nothing(make_mfen, make_crops):
    network = make_mfen().eval()
    crops = make_crops((2, 2), saliency=False)
    halves = [Crops(crops.pixels[i : i + 2], torch.zeros(2, dtype=torch.long), 1) for i in (0, 2)]
    alone = torch.cat([network(half).unit_score for half in halves])
    torch.testing.assert_close(network(crops).unit_score, alone)
    assert network.by_crop and not network.needs_reference


def test_the_dan_stays_as_it_is(make_mfen, make_crops):
    network = make_mfen(types=3).train()
    assert network.training and not any(m.training for m in network.dan.modules())
    before = {k: v.clone() for k, v in network.dan.state_dict().items()}
    learning = [p for p in network.parameters() if p.requires_grad]
    prediction = network(make_crops((2, 2), saliency=False))
    (prediction.unit_score.square().sum() + prediction.log_types[:, 0].sum()).backward()
    torch.optim.SGD(learning, 0.1).step()
    after = network.dan.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())
    # And everything else learns.
    assert all(p.grad is not None for p in learning)
    assert {*learning} == {*network.parameters()} - {*network.dan.parameters()}


def test_its_artifact_leaves_the_dan_to_its_own(make_mfen):
    network = make_mfen(types=3)
    own = network.own_state()
    assert own.keys() == {k for k in network.state_dict() if not k.startswith("dan.")}
    assert any(k.startswith("with_dan.") for k in own)
    assert make_mfen(dan=False).own_state().keys() == make_mfen(dan=False).state_dict().keys()


@pytest.mark.parametrize("size", [16, 75, 96])
def test_other_crop_sizes_pass(make_mfen, make_crops, size):
    network = make_mfen()
    assert network(make_crops((2, 1), size=size, saliency=False)).unit_score.isfinite().all()


@pytest.mark.parametrize("name", ["plain", "test_resnet"])
def test_any_backbone_of_four_levels_serves(make_mfen, make_crops, name):
    network = make_mfen(backbone=BackboneSettings(name=name, widths=(8, 8, 8, 16))).eval()
    assert network(make_crops((2, 1), size=50, saliency=False)).unit_score.shape == (2,)


def test_fewer_levels_are_refused(make_mfen, plain):
    message = "backbone: expected one of at least 4 levels; 'plain' has 3"
    with pytest.raises(SettingsError, match=message):
        make_mfen(backbone=plain)


def test_it_judges_a_whole_image(make_mfen, assess):
    image = torch.randint(0, 256, (3, 70, 50), dtype=torch.uint8)
    assert assess(make_mfen().eval(), image, CropSettings(size=48)).unit_score.shape == (1,)
