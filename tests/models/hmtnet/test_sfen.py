import dataclasses
import itertools
import math

import pytest
import torch

from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet.sfen import SFEN, TYPICAL, Prior, SFENSettings
from hmtnet.perception import mscn, residual, sobel

ALL = ("pixels", "gradient", "saliency")
SUBSETS = [s for n in (1, 2, 3) for s in itertools.combinations(ALL, n)]
PRIORS = ["mixture", "film", "concat", "none"]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def prior_of(images, grades=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logs = torch.randn(images, grades, generator=generator).log_softmax(1)
    return Prior(logs, torch.randn(images, 12, generator=generator))


@pytest.mark.parametrize("sharing", ["shared", "separate"])
@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_every_choice_of_perspectives_scores(make_sfen, make_crops, subset, sharing):
    network = make_sfen(perspectives=subset, sharing=sharing).eval()
    prediction = network(make_crops((2, 1, 3)), prior_of(3))
    assert prediction.unit_score.shape == (3,) and prediction.unit_score.dtype == torch.float32
    assert prediction.log_grades is None
    assert set(prediction.maps) == {"attention"} | ({"gradient"} & set(subset))
    assert prediction.maps["attention"].shape == (6, network.levels, len(subset))
    torch.testing.assert_close(prediction.maps["attention"].sum(2), torch.ones(6, network.levels))
    if "gradient" in subset:
        assert prediction.maps["gradient"].shape == (6, 1, 48, 48)


@pytest.mark.parametrize("pool", ["mean", "saliency"])
@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_saliency_is_asked_for_exactly_where_it_is_needed(make_sfen, make_crops, subset, pool):
    network = make_sfen(perspectives=subset, pool=pool, saliency="sdsp").eval()
    crops = make_crops((2, 1), saliency=False)
    if "saliency" in subset or pool == "saliency":
        assert network.saliency_operator == "sdsp"
        with pytest.raises(ValueError, match=r"crops with saliency \(sdsp of the whole image\)"):
            network(crops)
    else:
        assert network.saliency_operator is None
        assert network(crops).unit_score.isfinite().all()


def test_perspectives_are_what_they_are_called(make_sfen, make_crops):
    crops = make_crops((2, 1))
    pixels = BackboneSettings(widths=(8, 8, 16), view="pixels")
    every = ("texture", *ALL)
    network = make_sfen(backbone=pixels, perspectives=every, texture="residual")
    views = network.perspectives(crops)
    assert list(views) == list(every)
    torch.testing.assert_close(views["texture"], residual(crops.pixels, 1.5) / TYPICAL["texture"])
    torch.testing.assert_close(views["gradient"], sobel(crops.pixels) / TYPICAL["gradient"])
    # The plain encoder's normalisation: mean 0.5, deviation 0.25.
    normal = (crops.pixels - 0.5) / 0.25
    torch.testing.assert_close(views["saliency"], normal * crops.saliency)
    torch.testing.assert_close(views["pixels"], normal)
    found = make_sfen(backbone=pixels, perspectives=("texture",)).perspectives(crops)["texture"]
    torch.testing.assert_close(found, mscn(crops.pixels))


def test_the_blur_of_the_residual_is_a_setting(make_sfen, make_crops):
    crops = make_crops((1, 1))
    found = make_sfen(perspectives=("texture",), sigma=0.8, texture="residual").perspectives(crops)[
        "texture"
    ]
    torch.testing.assert_close(found, residual(crops.pixels, 0.8) / TYPICAL["texture"])


def test_the_order_of_perspectives_is_the_settings(make_sfen, make_crops):
    network = make_sfen(perspectives=("saliency", "texture"))
    assert list(network.perspectives(make_crops((1, 1)))) == ["saliency", "texture"]


@pytest.mark.parametrize("subset", [("gradient",), ("texture", "saliency"), ALL], ids="+".join)
def test_separate_extractors_cost_one_each(make_sfen, subset):
    shared = make_sfen(perspectives=subset)
    separate = make_sfen(perspectives=subset, sharing="separate")
    extractor = count(shared.extractors[0])
    assert count(separate.extractors) == len(subset) * extractor
    assert count(separate) - count(shared) == (len(subset) - 1) * extractor


def test_shared_and_separate_agree_where_the_extractors_do(make_sfen, make_crops):
    shared, separate = make_sfen().eval(), make_sfen(sharing="separate").eval()
    state = shared.state_dict()
    for name in separate.state_dict():
        if name.startswith("extractors."):
            state[name] = state["extractors.0." + name.split(".", 2)[2]]
    separate.load_state_dict(state, strict=True)
    crops = make_crops((2, 1, 2))
    for network in (shared, separate):
        torch.nn.init.normal_(network.fusions[0].relevance.weight, std=3)
    separate.fusions.load_state_dict(shared.fusions.state_dict())
    a, b = shared(crops, prior_of(3)), separate(crops, prior_of(3))
    torch.testing.assert_close(a.unit_score, b.unit_score)
    torch.testing.assert_close(a.maps["attention"], b.maps["attention"])


def test_attention_belongs_to_the_perspective_it_names(make_sfen, make_crops):
    network = make_sfen(levels=1).eval()
    torch.nn.init.normal_(network.fusions[0].relevance.weight, std=3)
    crops = make_crops((3, 2))
    before = network(crops, prior_of(2)).maps["attention"]
    with torch.no_grad():
        # A perspective that the extractor sees as nothing changes its own weight the most.
        network.adapters[1].weight.zero_()
    network.adapters[1].bias.data.fill_(9.0)
    after = network(crops, prior_of(2)).maps["attention"]
    ratio = (after / before).log()[:, 0]
    # The other two keep their proportion.
    torch.testing.assert_close(ratio[:, 0], ratio[:, 2], rtol=1e-3, atol=1e-4)
    assert (ratio[:, 1] - ratio[:, 0]).abs().min() > 1e-3


def test_adapters_start_as_the_identity(make_sfen):
    x = torch.randn(2, 3, 8, 8)
    for adapter in make_sfen().adapters:
        torch.testing.assert_close(adapter(x), x)


@pytest.mark.parametrize("prior", PRIORS)
def test_no_prior_is_the_uniform_one(make_sfen, make_crops, prior):
    network = make_sfen(prior=prior).eval()
    crops = make_crops((2, 1))
    nothing = network.uninformed(2, crops.pixels)
    torch.testing.assert_close(nothing.log_grades, torch.full((2, 5), -math.log(5)))
    assert nothing.embedding.shape == (2, 12) and not nothing.embedding.any()
    torch.testing.assert_close(network(crops).unit_score, network(crops, nothing).unit_score)
    half = network.uninformed(2, crops.pixels.bfloat16())
    assert half.log_grades.dtype == half.embedding.dtype == torch.float32
    assert torch.equal(half.log_grades, nothing.log_grades)


@pytest.mark.parametrize("prior", PRIORS)
def test_each_image_is_guided_by_its_own_prior(make_sfen, make_crops, prior):
    network = make_sfen(prior=prior).eval()
    if prior == "film":
        torch.nn.init.normal_(network.guidance.scale_shift.weight)
    crops = make_crops((2, 3, 1))
    first = prior_of(3)
    second = Prior(first.log_grades.clone(), first.embedding.clone())
    second.log_grades[1] = second.log_grades[1].flip(0)
    second.embedding[1] *= -1
    a, b = network(crops, first).unit_score, network(crops, second).unit_score
    torch.testing.assert_close(a[[0, 2]], b[[0, 2]])
    assert torch.equal(a[1], b[1]) == (prior == "none")


def test_an_images_score_is_the_mean_over_its_crops(make_sfen, make_crops):
    network = make_sfen(prior="none").eval()
    crops = make_crops((2, 3))
    each = dataclasses.replace(crops, image=torch.arange(5), images=5)
    scores = network(each).unit_score
    torch.testing.assert_close(
        network(crops).unit_score, torch.stack([scores[:2].mean(), scores[2:].mean()])
    )


def test_levels_are_the_coarsest_ones(make_sfen):
    widths = [make_sfen(levels=n, pool="mean").project[0].in_features for n in (1, 2, 3, "all")]
    assert widths == [16, 24, 32, 32]
    with pytest.raises(SettingsError, match="levels: expected at most the backbone's 3, found 4"):
        make_sfen(levels=4)


def test_every_parameter_learns(make_sfen, make_crops):
    for prior in PRIORS:
        network = make_sfen(prior=prior, pool="saliency").eval()
        if prior == "film":  # starts closed: what lies behind learns from the second step on
            torch.nn.init.normal_(network.guidance.scale_shift.weight)
        for fusion in network.fusions:
            torch.nn.init.normal_(fusion.relevance.weight)
        network(make_crops((2, 1)), prior_of(2)).unit_score.square().sum().backward()
        idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        # A bias that all perspectives share cancels in the softmax, up to rounding.
        assert [n for n in idle if not n.endswith("relevance.bias")] == []


def test_a_timm_backbone_serves(make_sfen, make_crops):
    network = make_sfen(backbone=BackboneSettings(name="test_resnet"), levels=4, pool="mean").eval()
    assert network(make_crops((2, 1), size=64)).unit_score.shape == (2,)
    assert network.project[0].in_features == 32 + 48 + 192 + 96


@pytest.mark.parametrize(
    ("name", "features"), [("mobilenetv2_100", 32 + 96 + 320), ("resnet50", 512 + 1024 + 2048)]
)
def test_full_size_networks_on_three_coarsest_levels(grades, name, features):
    settings = SFENSettings(backbone=BackboneSettings(name=name), levels=3, pool="mean")
    with torch.device("meta"):
        network = SFEN(settings, grades)
    assert network.project[0].in_features == features
    extractor = count(network.extractors)
    assert extractor == {"mobilenetv2_100": 1_811_712, "resnet50": 23_508_032}[name]
    rest = count(network) - extractor
    assert rest == 3 * 12 + (features + 3) + (features * 128 + 128) + 2 * (128 * 5 + 5)


@pytest.mark.parametrize(("name", "channels"), [("mobilenetv2_100", 488), ("resnet50", 3904)])
def test_by_default_all_levels_count_by_mean_and_deviation(grades, name, channels):
    with torch.device("meta"):
        network = SFEN(SFENSettings(backbone=BackboneSettings(name=name)), grades)
    assert len(network.fusions) == network.levels == 5
    assert network.project[0].in_features == 2 * channels


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"perspectives": ()}, "expected distinct ones"),
        ({"perspectives": ("texture", "texture")}, "expected distinct ones"),
        ({"prior_dropout": -0.1}, "prior_dropout: expected 0 to 1, found -0.1"),
        ({"levels": 0}, "levels: expected .all. or at least 1, found 0"),
    ],
)
def test_settings_that_make_no_network_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        SFENSettings(**wrong)
