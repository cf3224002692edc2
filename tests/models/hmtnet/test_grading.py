import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.data.crops import Crops
from hmtnet.data.grades import Grades
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet.grading import GradingNet, GradingSettings

TIMM = BackboneSettings(name="test_efficientnet")


@pytest.fixture(params=["plain", "timm"])
def network(request, make_grading, plain):
    return make_grading(encoder=plain if request.param == "plain" else TIMM).eval()


def test_what_is_said_of_crops_has_its_shapes(network, make_crops):
    prior = network.examine(make_crops((2, 3), size=64).pixels)
    assert prior.logits.shape == (5, 5) and prior.embedding.shape == (5, 12)
    finest = 64 // network.encoder.reductions[0]
    assert prior.evidence.shape == (5, 5, finest, finest)
    assert prior.weight.shape == (5, 1, finest, finest)


def test_weights_and_embeddings_are_normalised(network, make_crops):
    prior = network.examine(make_crops((2, 3), size=64).pixels)
    assert (prior.weight > 0).all()
    torch.testing.assert_close(prior.weight.sum((1, 2, 3)), torch.ones(5))
    torch.testing.assert_close(prior.embedding.norm(dim=1), torch.ones(5))


def test_logits_are_the_weighted_sum_of_the_evidence(network, make_crops):
    prior = network.examine(make_crops((2, 3), size=64).pixels)
    expected = torch.einsum("nkhw,nohw->nk", prior.evidence, prior.weight)
    torch.testing.assert_close(prior.logits, expected, rtol=1e-4, atol=1e-5)


def test_the_weight_map_decides_where_evidence_counts(make_grading, make_crops):
    network = make_grading().eval()
    crops = make_crops((1, 1))
    with torch.no_grad():
        network.weight.weight.zero_()
    prior = network.examine(crops.pixels)
    torch.testing.assert_close(prior.logits, prior.evidence.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_an_image_has_the_mean_of_its_crops_probabilities(network, make_crops):
    crops = make_crops((2, 1, 3), size=64)
    with torch.no_grad():  # so that crops disagree, and a mean of logits would be another one
        network.evidence.weight.mul_(100)
    prediction = network(crops)
    softmax = network.examine(crops.pixels).logits.softmax(1)
    expected = torch.stack([softmax[:2].mean(0), softmax[2], softmax[3:].mean(0)])
    torch.testing.assert_close(prediction.log_grades.exp(), expected)
    torch.testing.assert_close(prediction.log_grades.exp().sum(1), torch.ones(3))
    midpoints = torch.tensor([0.075, 0.275, 0.5, 0.725, 0.925])
    torch.testing.assert_close(prediction.unit_score, (expected * midpoints).sum(1))
    embedding = prediction.prior.embedding
    torch.testing.assert_close(prediction.embedding[0], embedding[:2].mean(0))


@settings(max_examples=15, deadline=None)
@given(
    edges=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6, unique=True),
    scale=st.floats(0.01, 1e4),
)
def test_the_score_stays_between_the_outer_midpoints_however_sure(edges, scale):
    grades = Grades(tuple(sorted(edges)))
    network = GradingNet(GradingSettings(encoder=BackboneSettings(widths=(8, 8))), grades).eval()
    with torch.no_grad():
        network.evidence.weight.mul_(scale)
        prediction = network(Crops(torch.rand(3, 3, 16, 16), torch.tensor([0, 1, 1]), 2))
    low, high = grades.midpoints[0], grades.midpoints[-1]
    assert ((prediction.unit_score >= low - 1e-6) & (prediction.unit_score <= high + 1e-6)).all()
    assert low > 0 and high < 1 and prediction.log_grades.isfinite().all()


def test_crops_are_graded_each_by_itself(network, make_crops):
    pixels = make_crops((2, 3), size=64).pixels
    together, alone = network.examine(pixels), network.examine(pixels[3:4])
    torch.testing.assert_close(together.logits[3:4], alone.logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [16, 33, 50])
def test_any_crop_size_passes(network, make_crops, size):
    prior = network.examine(make_crops((1, 1), size=size).pixels)
    assert prior.logits.isfinite().all()


def test_every_parameter_serves_grade_or_contrast(make_grading, make_crops):
    network = make_grading().eval()
    crops = make_crops((2, 3))
    prediction = network(crops)
    (prediction.unit_score.square().sum() + prediction.prior.embedding[:, 0].sum()).backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_an_empty_decoder_halves_the_encoder(make_grading):
    network = make_grading(encoder=BackboneSettings(widths=(8, 20, 32, 64)))
    # Of 64 behind and 32 beside it comes 16, of 16 and 20 comes 10, of 10 and 8 no less than 8.
    found = [(block[0].in_channels, block[0].out_channels) for block in network.decoder]
    assert found == [(64 + 32, 16), (16 + 20, 10), (10 + 8, 8)]
    assert network.evidence.out_channels == 5


def test_the_decoders_widths_are_a_setting(make_grading):
    network = make_grading(decoder=(24, 12))
    assert [block[0].out_channels for block in network.decoder] == [24, 12]
    with pytest.raises(SettingsError, match=r"decoder: expected 2 widths for 3 encoder .* found 3"):
        make_grading(decoder=(24, 12, 8))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_any_number_of_grades(grading_settings, make_crops, count):
    grades = Grades(tuple((k + 1) / count for k in range(count - 1)))
    prediction = GradingNet(grading_settings, grades)(make_crops((1, 2)))
    assert prediction.log_grades.shape == (2, count)


def test_grades_are_no_weights(make_grading, grading_settings):
    assert "midpoints" not in make_grading().state_dict()
    other = GradingNet(grading_settings, Grades((0.1, 0.2, 0.3, 0.4)))
    other.load_state_dict(make_grading().state_dict(), strict=True)
    assert other.midpoints[0] == pytest.approx(0.05)


def test_full_size_networks_have_the_shapes_of_their_encoders():
    with torch.device("meta"):
        for name, parameters in (("mobilenetv2_100", 3e6), ("resnet50", 40e6)):
            encoder = BackboneSettings(name=name, view="pixels")
            network = GradingNet(GradingSettings(encoder=encoder), Grades((0.2, 0.4, 0.6, 0.8)))
            prior = network.eval().examine(torch.zeros(2, 3, 224, 224, device="meta"))
            assert prior.evidence.shape == (2, 5, 112, 112) and prior.embedding.shape == (2, 128)
            count = sum(p.numel() for p in network.parameters())
            assert parameters / 2 < count < parameters * 2


def test_settings_are_frozen_and_typed(grading_settings):
    with pytest.raises(dataclasses.FrozenInstanceError):
        grading_settings.embedding = 3


def test_what_the_crop_as_a_whole_says_counts_at_each_of_its_places(make_grading, make_crops):
    network = make_grading().eval()
    pixels = make_crops((2, 1)).pixels
    with torch.no_grad():
        before = network.examine(pixels)
        network.evidence.weight.zero_()
        network.evidence.bias.zero_()
        whole = network.examine(pixels)
        pooled = network.encoder(network.encoder.normalise(pixels))[-1].mean((2, 3))
    expected = network.context(pooled)
    assert not torch.allclose(expected, torch.zeros(()))
    torch.testing.assert_close(whole.evidence, expected[:, :, None, None].expand_as(whole.evidence))
    torch.testing.assert_close(whole.logits, expected)
    assert not torch.allclose(before.logits, expected)
