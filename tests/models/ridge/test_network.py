import numpy as np
import pytest
import torch

from hmtnet.data.crops import CropSettings
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.ridge import RidgeNet, RidgeSettings
from hmtnet.models.ridge.solving import Solution


@pytest.fixture
def network(plain):
    return RidgeNet(RidgeSettings(backbone=plain, levels=2))


def solution(width, seed=0):
    rng = np.random.default_rng(seed)
    return Solution(
        rng.normal(size=width), rng.uniform(1, 2, width), rng.normal(size=width), 0.4, 0.03
    )


def test_features_are_mean_and_deviation_over_all_places_of_all_crops(network, make_crops):
    crops = make_crops((2, 3), saliency=False)
    levels = network.backbone(network.backbone.normalise(crops.pixels))[-2:]
    for i, rows in enumerate((slice(0, 2), slice(2, 5))):
        expected = []
        for level in levels:
            places = level[rows].transpose(0, 1).flatten(1)
            expected += [places.mean(1), places.std(1, correction=0)]
        found = network.features(crops)[i]
        torch.testing.assert_close(found, torch.cat(expected))
    assert network.features(crops).shape == (2, network.width) == (2, 2 * (8 + 16))


def test_it_scores_as_its_solution_says(network, make_crops):
    crops = make_crops((2, 1, 3), saliency=False)
    assert network.alpha.isnan()
    solved = solution(network.width)
    network.take(solved)
    prediction = network(crops)
    assert prediction.unit_score.shape == (3,) and prediction.unit_score.dtype == torch.float32
    assert prediction.log_grades is None and network.saliency_operator is None
    expected = solved.score(network.features(crops).double().numpy())
    np.testing.assert_allclose(prediction.unit_score.detach().numpy(), expected, atol=1e-5)
    assert network.alpha.item() == pytest.approx(0.03)


def test_the_backbone_never_changes_and_never_trains(network, make_crops):
    network.take(solution(network.width))
    crops = make_crops((2, 2), saliency=False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for mode in (True, False):
        network.train(mode)
        assert network.training is mode
        assert not any(module.training for module in network.backbone.modules())
        network(crops)
    assert all(torch.equal(network.state_dict()[name], t) for name, t in before.items())
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert trained == {"score.weight", "score.bias"}


def test_half_precision_does_not_reach_it(network, make_crops):
    network.take(solution(network.width))
    crops = make_crops((2, 2), saliency=False)
    expected = network(crops).unit_score
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(crops).unit_score, expected)


def test_more_levels_than_the_backbone_has_are_refused(plain):
    with pytest.raises(SettingsError, match="levels: expected at most the backbone's 3, found 4"):
        RidgeNet(RidgeSettings(backbone=plain, levels=4))


def test_a_timm_backbone_serves_too(make_crops):
    backbone = BackboneSettings(name="test_efficientnet")
    network = RidgeNet(RidgeSettings(backbone=backbone)).eval()
    assert network(make_crops((2, 1), saliency=False)).unit_score.shape == (2,)


def test_it_judges_a_whole_image(network, assess):
    network.take(solution(network.width))
    image = torch.randint(0, 256, (3, 70, 50), dtype=torch.uint8)
    assert assess(network.eval(), image, CropSettings(size=48)).unit_score.isfinite().all()
