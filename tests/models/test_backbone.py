import time

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from hmtnet.errors import SettingsError, WeightsError
from hmtnet.models.backbone import NORMS, Backbone, BackboneSettings, PlainEncoder, timm_config
from hmtnet.perception import mscn


def on_meta(name):
    with torch.device("meta"):
        return Backbone(BackboneSettings(name=name))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def small_weights(tmp_path_factory):
    """A weights file of a network that runs in milliseconds, with statistics that matter."""
    torch.manual_seed(3)
    state = timm.create_model("test_efficientnet").state_dict()
    for name, tensor in state.items():
        if name.endswith("running_mean"):
            tensor.normal_()
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(state, path)
    return str(path)


@pytest.fixture
def pixels():
    return torch.rand(4, 3, 48, 48)


@pytest.mark.parametrize("widths", [(8, 16), (16, 16, 32, 64)])
def test_the_plain_encoder_halves_from_full_resolution(widths, pixels):
    backbone = Backbone(BackboneSettings(widths=widths))
    levels = backbone(pixels)
    assert backbone.channels == list(widths)
    assert backbone.reductions == [1, 2, 4, 8][: len(widths)]
    sizes = [48 // reduction for reduction in backbone.reductions]
    assert [level.shape for level in levels] == [
        (4, c, s, s) for c, s in zip(widths, sizes, strict=True)
    ]


@pytest.mark.parametrize("name", ["plain", "test_resnet"])
def test_everything_is_laid_out_channels_last(name):
    backbone = Backbone(BackboneSettings(name=name))
    kernels = [p for p in backbone.parameters() if p.ndim == 4 and p.shape[1] > 1]
    levels = backbone(torch.rand(2, 3, 64, 64))
    for x in [*kernels, *levels]:
        assert x.is_contiguous(memory_format=torch.channels_last)


def test_odd_sizes_pass():
    shapes = [level.shape[2:] for level in Backbone(BackboneSettings())(torch.rand(1, 3, 49, 35))]
    assert shapes == [(49, 35), (24, 17), (12, 8), (6, 4)]


@pytest.mark.parametrize(
    ("name", "channels", "parameters"),
    [
        # The published networks without what lies behind the last tap.
        ("mobilenetv2_100.ra_in1k", [16, 24, 32, 96, 320], 3_504_872 - 1_281_000 - 409_600 - 2_560),
        ("resnet50.a1_in1k", [64, 256, 512, 1024, 2048], 25_557_032 - 2_049_000),
    ],
)
def test_timm_backbones_give_five_levels(name, channels, parameters):
    backbone = on_meta(name)
    assert backbone.channels == channels and backbone.reductions == [2, 4, 8, 16, 32]
    levels = backbone.eval()(torch.zeros(2, 3, 64, 64, device="meta"))
    assert [level.shape for level in levels] == [
        (2, c, 64 // r, 64 // r) for c, r in zip(channels, backbone.reductions, strict=True)
    ]
    assert count(backbone) == parameters


def test_a_timm_name_needs_no_tag_without_weights():
    assert on_meta("mobilenetv2_100").channels == [16, 24, 32, 96, 320]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mobilenetv2_10", "Unknown backbone 'mobilenetv2_10'.*Did you mean 'mobilenetv2_1[0-9]+'"),
        ("resnt50.a1_in1k", "Did you mean 'resnet50'"),
        ("plane", "Did you mean 'plain'"),
        ("resnet50.a1_in1", "Backbone 'resnet50' has no tag 'a1_in1'. Did you mean 'a1_in1k'"),
        ("test_vit", "no feature pyramid .*reductions \\[16, 16, 16\\]"),
        ("test_mambaout", "no feature pyramid .*layout is NHWC"),
    ],
)
def test_a_name_that_does_not_serve_says_what_would(name, message):
    with pytest.raises(SettingsError, match=message):
        on_meta(name)


def test_a_name_near_nothing_does_not_list_a_thousand():
    with pytest.raises(SettingsError, match=r"timm\.list_models\(\)") as error:
        timm_config("qqqqqqqq")
    assert len(str(error.value)) < 200


def test_a_network_that_timm_cannot_tap_is_refused(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("features_only not implemented")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(SettingsError, match=r"'test_resnet' gives no feature pyramid \(features_o"):
        Backbone(BackboneSettings(name="test_resnet"))


def test_normalisation_is_the_one_of_the_weights():
    config = timm.get_pretrained_cfg("resnet50.a1_in1k")
    backbone = Backbone(BackboneSettings(name="test_resnet", view="pixels"))
    own = timm.get_pretrained_cfg("test_resnet")
    assert backbone.mean.flatten().tolist() == pytest.approx(own.mean)
    assert backbone.std.flatten().tolist() == pytest.approx(own.std)
    assert timm_config("resnet50.a1_in1k").mean == config.mean
    grey = torch.tensor(own.mean).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    assert backbone.normalise(grey).abs().max() < 1e-6


def test_without_weights_pixels_enter_by_their_local_contrast(small_weights, pixels):
    def view_of(**changes):
        backbone = Backbone(BackboneSettings(name="test_efficientnet", **changes))
        seen = backbone.normalise(pixels)
        return "mscn" if torch.equal(seen, mscn(pixels)) else "pixels"

    assert view_of() == view_of(view="mscn", weights=small_weights) == "mscn"
    assert view_of(weights=small_weights) == view_of(view="pixels") == "pixels"


def test_normalisation_is_no_weight():
    assert not {"mean", "std"} & set(Backbone(BackboneSettings()).state_dict())


def test_weights_by_path_are_loaded_completely(small_weights, pixels):
    backbone = Backbone(BackboneSettings(name="test_efficientnet", weights=small_weights))
    source = timm.create_model("test_efficientnet", checkpoint_path=small_weights).eval()
    expected = source.forward_intermediates(pixels, intermediates_only=True)
    for level, wanted in zip(backbone.eval()(pixels), expected, strict=True):
        torch.testing.assert_close(level, wanted)
    assert backbone.loaded and not Backbone(BackboneSettings(name="test_efficientnet")).loaded


@pytest.mark.parametrize("norm", ["auto", "frozen"])
def test_loaded_norms_stay_frozen_while_the_rest_learns(norm, small_weights, pixels):
    settings = BackboneSettings(name="test_efficientnet", weights=small_weights, norm=norm)
    backbone = Backbone(settings)
    statistics = {n: b.clone() for n, b in backbone.named_buffers() if "running" in n}
    assert statistics
    # As it comes, and after any change of mode.
    as_made = backbone(pixels)[-1]
    in_evaluation = backbone.eval()(pixels)[-1]
    in_training = backbone.train()(pixels)[-1]
    assert torch.equal(as_made, in_evaluation) and torch.equal(in_training, in_evaluation)
    assert backbone.training
    optimizer = torch.optim.SGD(backbone.parameters(), 0.1)
    for _ in range(2):
        backbone(pixels)[-1].square().mean().backward()
        optimizer.step()
    assert not torch.equal(backbone.eval()(pixels)[-1], in_evaluation)
    buffers = dict(backbone.named_buffers())
    assert all(torch.equal(buffers[name], before) for name, before in statistics.items())


@pytest.mark.parametrize(
    "changes",
    [{"norm": "train"}, {"norm": "auto", "weights": "none"}, {"norm": "train", "weights": "none"}],
)
def test_other_norms_learn_statistics(changes, small_weights, pixels):
    options = {"name": "test_efficientnet", "weights": small_weights} | changes
    backbone = Backbone(BackboneSettings(**options))
    before = {n: b.clone() for n, b in backbone.named_buffers() if "running" in n}
    backbone.train()(pixels)
    assert all(m.training for m in backbone.modules() if isinstance(m, NORMS))
    after = dict(backbone.named_buffers())
    assert all(not torch.equal(after[name], old) for name, old in before.items())


@pytest.mark.parametrize("view", ["auto", "pixels", "mscn"])
@pytest.mark.parametrize("norm", ["auto", "frozen", "train"])
@pytest.mark.parametrize("weights", ["none", "some.pth"])
def test_unweighted_settings_behave_as_before(norm, weights, view):
    settings = BackboneSettings(name="resnet50", weights=weights, norm=norm, view=view)
    bare = settings.unweighted()
    assert (bare.weights, bare.name) == ("none", "resnet50")
    assert bare.frozen_norms == settings.frozen_norms and bare.sees_mscn == settings.sees_mscn
    assert bare.unweighted() == bare


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": "hub"}, "the plain encoder has none to load"),
        ({"widths": (8,)}, r"at least 2 positive widths, found \(8,\)"),
        ({"widths": (8, 0)}, "positive widths"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        BackboneSettings(**wrong)


def test_a_missing_weights_file_is_named():
    with pytest.raises(WeightsError, match=r"no file 'nowhere\.pth'.*'hub'.*'none'"):
        Backbone(BackboneSettings(name="test_resnet", weights="nowhere.pth"))


def test_the_hub_offline_fails_at_once_with_the_file_and_a_way_out(monkeypatch):
    import huggingface_hub

    monkeypatch.setenv("HMTNET_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args: None)
    started = time.perf_counter()
    with pytest.raises(WeightsError) as error:
        Backbone(BackboneSettings(name="mobilenetv2_100.ra_in1k", weights="hub"))
    assert time.perf_counter() - started < 2
    for part in ("HMTNET_OFFLINE=1", "timm/mobilenetv2_100.ra_in1k/model.safetensors", "=<file>"):
        assert part in str(error.value)


def test_the_plain_encoder_is_unets_contracting_path():
    encoder = PlainEncoder((8, 16))
    convolutions = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == [
        (3, 8),
        (8, 8),
        (8, 16),
        (16, 16),
    ]
    assert count(encoder) == 9 * (3 * 8 + 8 * 8 + 8 * 16 + 16 * 16) + 2 * (8 + 8 + 16 + 16)
