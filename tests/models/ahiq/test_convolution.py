import pytest
import timm
import torch
from safetensors.torch import save_file

from hmtnet.errors import SettingsError
from hmtnet.models.ahiq.convolution import EarlyMaps
from hmtnet.models.backbone import BackboneSettings


@pytest.fixture
def pixels():
    return torch.rand(2, 3, 48, 48)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_of_a_resnet_50_the_three_bottlenecks_of_its_first_stage_are_used():
    with torch.device("meta"):
        cnn = EarlyMaps(BackboneSettings(name="resnet50.a1_in1k")).eval()
        assert cnn(torch.zeros(2, 3, 224, 224)).shape == (2, 768, 56, 56)
    assert (cnn.blocks, cnn.channels) == (3, 768)
    stem, shortcut = 64 * 3 * 49 + 128, 64 * 256 + 512
    first = 64 * 64 + 9 * 64 * 64 + 64 * 256 + 768 + shortcut
    other = 256 * 64 + 9 * 64 * 64 + 64 * 256 + 768
    assert count(cnn) == stem + first + 2 * other == 225_344


def test_they_are_each_block_s_own_output(pixels, tmp_path):
    torch.manual_seed(1)
    whole = timm.create_model("resnet18").eval()
    for module in [whole.bn1, *whole.layer1.modules()]:
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.normal_(module.weight)
    save_file(whole.state_dict(), tmp_path / "resnet.safetensors")
    settings = BackboneSettings(name="resnet18", weights=str(tmp_path / "resnet.safetensors"))
    cnn = EarlyMaps(settings).eval()
    x = whole.maxpool(whole.act1(whole.bn1(whole.conv1(pixels))))
    first = whole.layer1[0](x)
    expected = torch.cat([first, whole.layer1[1](first)], 1)
    assert cnn.loaded and expected.std() > 0.1
    torch.testing.assert_close(cnn(pixels), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "channels", "level"),
    [
        ("plain", 16, 2),
        ("mobilenetv2_100.ra_in1k", 24, 1),
        ("test_resnet", 32, 1),  # a ResNet whose first stage is one block
        ("convnext_atto", 40, 0),
    ],
)
def test_of_another_backbone_its_level_of_stride_4_is(name, channels, level, pixels):
    from hmtnet.models.backbone import Backbone

    settings = BackboneSettings(name=name, widths=(8, 8, 16, 16))
    cnn = EarlyMaps(settings).eval()
    found = cnn(pixels)
    assert (cnn.blocks, cnn.channels) == (1, channels) and found.shape == (2, channels, 12, 12)
    whole = Backbone(settings).eval()
    missing, unexpected = whole.load_state_dict(cnn.backbone.state_dict(), strict=False)
    assert missing and not unexpected  # what lies behind is not kept
    torch.testing.assert_close(found, whole(pixels)[level])


def test_every_parameter_that_is_kept_is_used(pixels):
    for name in ("plain", "mobilenetv2_100", "resnet18"):
        cnn = EarlyMaps(BackboneSettings(name=name))
        cnn(pixels).square().sum().backward()
        unused = [n for n, p in cnn.named_parameters() if p.grad is None]
        assert not unused, name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (BackboneSettings(widths=(8, 8)), r"levels of stride \[1, 2\].*at least 3 widths"),
        (BackboneSettings(name="test_mambaout"), "gives no feature pyramid"),
        (BackboneSettings(name="mobilenetv3_small_050"), "MobileNetV3Features.*cannot be kept"),
    ],
)
def test_a_backbone_without_such_maps_is_refused(settings, message):
    with torch.device("meta"), pytest.raises(SettingsError, match=message):
        EarlyMaps(settings)


def test_a_backbone_that_begins_at_stride_8_is_refused(monkeypatch):
    # There is none in timm that the factory takes; another package may add one.
    from hmtnet.models import backbone

    made = torch.nn.Identity(), [8, 8], [8, 16]
    monkeypatch.setattr(backbone, "_timm_body", lambda _: made)
    with pytest.raises(SettingsError, match=r"stride \[8, 16\]: expected one of stride 4"):
        EarlyMaps(BackboneSettings(name="resnet18"))
