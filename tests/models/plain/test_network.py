import pytest
import torch

from hmtnet.data.crops import CropSettings
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.plain import PlainNet, PlainSettings


@pytest.fixture
def network(plain):
    return PlainNet(PlainSettings(backbone=plain)).eval()


def test_a_score_an_image_and_no_more(network, make_crops):
    prediction = network(make_crops((2, 1, 3), saliency=False))
    assert prediction.unit_score.shape == (3,) and prediction.unit_score.dtype == torch.float32
    assert prediction.log_grades is None and prediction.maps == {}
    assert network.saliency_operator is None
    assert not network.graded and not network.needs_reference


def test_an_image_s_score_is_the_mean_over_its_crops(network, make_crops):
    crops = make_crops((2, 3), saliency=False)
    alone = [network(make_single(crops, i)).unit_score for i in range(5)]
    expected = torch.stack([torch.cat(alone[:2]).mean(), torch.cat(alone[2:]).mean()])
    torch.testing.assert_close(network(crops).unit_score, expected)


def make_single(crops, i):
    return type(crops)(crops.pixels[i : i + 1], torch.zeros(1, dtype=torch.long), 1)


def test_it_is_pooling_and_a_linear_map_of_the_coarsest_level(network, make_crops):
    crops = make_crops((1, 1), saliency=False)
    coarsest = network.backbone(network.backbone.normalise(crops.pixels))[-1]
    known = torch.nn.functional.layer_norm(coarsest.mean((2, 3)), coarsest.shape[1:2])
    expected = known @ network.score.linear.weight[0] + network.score.linear.bias
    torch.testing.assert_close(network(crops).unit_score, expected)


def test_every_parameter_learns(network, make_crops):
    network.train()(make_crops((2, 2), saliency=False)).unit_score.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.score.parameters())
    # A bias before a batch norm and a dead channel may go without; there is no such bias here.
    weights = [p for p in network.backbone.parameters() if p.ndim > 1]
    assert all(p.grad is not None and p.grad.any() for p in weights)


def test_a_timm_backbone_serves_too(make_crops):
    backbone = BackboneSettings(name="test_efficientnet")
    network = PlainNet(PlainSettings(backbone=backbone)).eval()
    assert network(make_crops((2, 1), saliency=False)).unit_score.shape == (2,)


def test_it_judges_a_whole_image(network, assess):
    image = torch.randint(0, 256, (3, 70, 50), dtype=torch.uint8)
    assert assess(network, image, CropSettings(size=48)).unit_score.shape == (1,)
