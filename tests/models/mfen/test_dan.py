import pytest
import torch
import torch.nn.functional as F

from hmtnet.data.crops import Crops
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.mfen import DAN, DANSettings


def test_its_score_is_what_the_types_score(make_dan, make_crops):
    dan = make_dan().eval()
    prediction = dan(make_crops((2, 3), saliency=False))
    p = prediction.log_types.exp()
    assert p.shape == (2, 3)
    torch.testing.assert_close(p.sum(1), torch.ones(2))
    torch.testing.assert_close(prediction.unit_score, 0.2 * p[:, 0] + 0.5 * p[:, 1] + 0.9 * p[:, 2])
    assert prediction.log_grades is None and not dan.graded and dan.by_crop


def test_certain_of_a_type_it_gives_that_type_s_score(make_dan, make_crops):
    dan = make_dan().eval()
    torch.nn.init.zeros_(dan.types.weight)
    dan.types.bias.data.copy_(torch.tensor([0.0, 0.0, 50.0]))
    found = dan(make_crops((1, 2), saliency=False)).unit_score
    torch.testing.assert_close(found, torch.full((2,), 0.9))


def test_an_image_is_the_mean_over_its_crops(make_dan, make_crops):
    dan = make_dan().eval()
    crops = make_crops((2, 3), saliency=False)
    one = torch.zeros(1, dtype=torch.long)
    alone = [dan(Crops(crops.pixels[i : i + 1], one, 1)) for i in range(5)]
    prediction = dan(crops)
    for name in ("unit_score", "log_types"):
        parts = [getattr(found, name) for found in alone]
        if name == "log_types":
            parts = [part.exp() for part in parts]
        expected = torch.stack([torch.cat(parts[:2]).mean(0), torch.cat(parts[2:]).mean(0)])
        found = getattr(prediction, name)
        torch.testing.assert_close(found if name == "unit_score" else found.exp(), expected)


def test_embeddings_are_unit_vectors_a_crop(make_dan, make_crops):
    embedding = make_dan().eval()(make_crops((2, 1, 3), saliency=False)).embedding
    assert embedding.shape == (6, 12)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(6))


def test_the_classifier_does_not_shape_the_features(make_dan, make_crops):
    dan = make_dan()
    prediction = dan(make_crops((2, 2), saliency=False))
    F.nll_loss(prediction.log_types, torch.tensor([0, 2])).backward()
    learn = {name.split(".")[0] for name, p in dan.named_parameters() if p.grad is not None}
    assert learn == {"types"}


def test_the_contrast_does_not_shape_the_classifier(make_dan, make_crops):
    dan = make_dan()
    dan(make_crops((2, 2), saliency=False)).embedding[:, 0].sum().backward()
    learn = {name.split(".")[0] for name, p in dan.named_parameters() if p.grad is not None}
    assert learn == {"backbone", "project"}


@pytest.mark.parametrize("size", [32, 48, 75])
def test_other_crop_sizes_pass(make_dan, make_crops, size):
    assert make_dan()(make_crops((2, 1), size=size, saliency=False)).unit_score.isfinite().all()


@pytest.mark.parametrize("name", ["test_resnet", "van_tiny"])
def test_any_backbone_serves(make_dan, make_crops, name):
    dan = make_dan(BackboneSettings(name=name)).eval()
    assert dan(make_crops((2, 1), saliency=False)).unit_score.shape == (2,)


@pytest.mark.parametrize("count", [0, 1])
def test_one_type_cannot_be_told_apart(count):
    with pytest.raises(SettingsError) as error:
        DAN(DANSettings(), torch.zeros(count))
    for part in (
        f"at least two distortion types (SR method and scale) among the training images, to tell "
        f"them apart; found {count}",
        "upstream.dan=<run directory> stages=[quality]",
        "system.quality.network.dan=false stages=[quality]",
    ):
        assert part in str(error.value)


def test_type_scores_are_in_its_artifact(make_dan):
    assert "type_mos" in make_dan().own_state()
