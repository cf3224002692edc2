import pytest
import torch

from hmtnet.errors import SettingsError
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.nemg.stride import keep_third_stage_fine


@pytest.mark.parametrize("name", ["resnet50.a1_in1k", "resnet18.a1_in1k", "resnet26d.bt_in1k"])
def test_a_resnet_s_third_stage_is_as_fine_as_its_second(name):
    with torch.device("meta"):
        backbone = Backbone(BackboneSettings(name=name))
        names = set(backbone.state_dict())
        keep_third_stage_fine(backbone)
        levels = backbone(torch.empty(2, 3, 224, 224))
    assert [level.shape[-1] for level in levels] == [112, 56, 28, 28, 14]
    assert backbone.reductions == [2, 4, 8, 8, 16]
    assert set(backbone.state_dict()) == names


def test_its_weights_mean_what_they_meant():
    torch.manual_seed(0)
    backbone = Backbone(BackboneSettings(name="resnet10t.c3_in1k")).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = backbone(image)
        keep_third_stage_fine(backbone)
        after = backbone(image)
    for old, new in zip(before[:3], after[:3], strict=True):
        assert torch.equal(old, new)
    assert after[3].shape[-1] == 2 * before[3].shape[-1]
    assert after[4].shape[-1] == 2 * before[4].shape[-1]


@pytest.mark.parametrize("name", ["plain", "mobilenetv2_100.ra_in1k"])
def test_other_backbones_are_left_alone(name):
    with torch.device("meta"):
        backbone = Backbone(BackboneSettings(name=name))
        before = list(backbone.reductions)
        keep_third_stage_fine(backbone)
        levels = backbone(torch.empty(1, 3, 64, 64))
    assert backbone.reductions == before == [64 // level.shape[-1] for level in levels]


def test_a_stride_that_cannot_be_taken_out_is_refused():
    with torch.device("meta"):
        backbone = Backbone(BackboneSettings(name="resnetblur50.bt_in1k"))
        message = r"'resnetblur50.bt_in1k' reduces its third stage by a BlurPool2d.*resnet50"
        with pytest.raises(SettingsError, match=message):
            keep_third_stage_fine(backbone)
