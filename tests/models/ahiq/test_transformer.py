import dataclasses

import pytest
import timm
import torch
from safetensors.torch import save_file

from hmtnet.errors import SettingsError, WeightsError
from hmtnet.models.ahiq.transformer import Transformer, TransformerSettings
from hmtnet.models.weights import OFFLINE

TEST = "test_vit.r160_in1k"


def small(**changes):
    return TransformerSettings(**{"name": TEST, "weights": "none", "blocks": 3, **changes})


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of timm's smallest vision transformer, and its whole network."""
    torch.manual_seed(4)
    whole = timm.create_model("test_vit", dynamic_img_size=True).eval()
    for parameter in whole.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(whole.state_dict(), path)
    return str(path), whole


def test_it_is_the_published_one_unless_told_otherwise():
    settings = TransformerSettings()
    assert settings.name == "vit_base_patch8_224.augreg_in21k_ft_in1k"
    assert (settings.weights, settings.blocks) == ("hub", 5)


@pytest.mark.parametrize(("patch", "side"), [(8, 28), (16, 14)])
def test_five_blocks_of_the_base_size_give_3840_channels(patch, side):
    name = f"vit_base_patch{patch}_224"
    with torch.device("meta"):
        network = Transformer(TransformerSettings(name=name, weights="none"))
        assert network(torch.zeros(2, 3, 224, 224)).shape == (2, 3840, side, side)
    assert (network.channels, network.patch) == (3840, patch)
    # Seven of twelve blocks, the last norm and the classifier are not there.
    tokens = (side**2 + 1) * 768 + 768
    block = 12 * 768**2 + 13 * 768
    count = sum(p.numel() for p in network.parameters())
    assert count == 5 * block + tokens + 3 * patch**2 * 768 + 768


def test_its_maps_are_the_blocks_outputs_in_order_without_the_class_token(weights):
    path, whole = weights
    network = Transformer(small(weights=path)).eval()
    pixels = torch.rand(2, 3, 160, 160)
    x = whole.norm_pre(whole._pos_embed(whole.patch_embed(pixels)))
    expected = []
    for block in whole.blocks[:3]:
        x = block(x)
        expected.append(x[:, 1:].transpose(1, 2).unflatten(2, (10, 10)))
    found = network(pixels)
    torch.testing.assert_close(found, torch.cat(expected, 1), rtol=1e-5, atol=1e-5)
    assert network.loaded and found.std() > 0.1


@pytest.mark.parametrize("size", [16, 48, 224])
def test_crops_of_another_size_than_it_was_trained_with_serve(size):
    found = Transformer(small())(torch.rand(1, 3, size, size))
    assert found.shape == (1, 3 * 64, size // 16, size // 16)


def test_a_crop_that_patches_do_not_divide_is_refused():
    network = Transformer(small())
    with pytest.raises(SettingsError, match=r"50 pixels .* patches of 16.*size\.crops\.size=48"):
        network(torch.rand(1, 3, 50, 50))
    with pytest.raises(SettingsError, match=r"size\.crops\.size=16"):
        network(torch.rand(1, 3, 10, 10))


def test_width_and_heads_can_be_others():
    network = Transformer(small(width=12, heads=3, blocks=2))
    assert network.channels == 24 and not network.loaded
    assert network.body.blocks[0].attn.num_heads == 3


def test_pixels_enter_as_the_weights_expect():
    standardised = Transformer(small()).standardise(torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3))
    torch.testing.assert_close(standardised[0, :, 0], torch.tensor([[-1.0, 0.0, 1.0]]).repeat(3, 1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"blocks": 0}, "blocks: expected at least 1, found 0"),
        ({"width": 0}, "width: expected at least 1 or null, found 0"),
        ({"heads": -1}, "heads: expected at least 1 or null, found -1"),
        ({"weights": "hub", "width": 12}, "width: the weights are those of the network as it is"),
        ({"weights": "vit.pth", "heads": 1}, "heads: the weights are those .*weights=none"),
        ({"weights": "hub", "name": "vit_base_patch8_224"}, "'vit_base_patch8_224' has no tag"),
        ({"weights": "vit.pth", "name": "test_vit"}, r"has no tag, .* Give name\.tag"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        small(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "vit_tiny_patch16_22"}, "Did you mean 'vit_tiny_patch16_224'"),
        ({"name": "test_vit.r160"}, "'test_vit' has no tag 'r160'. Did you mean 'r160_in1k'"),
        ({"name": "resnet18"}, "'resnet18' cannot be made with crops of any size .*vit_tiny"),
        ({"name": "swin_tiny_patch4_window7_224"}, "vision transformer of timm"),
        ({"name": "beit_base_patch16_224"}, "vision transformer of timm"),
        ({"blocks": 7}, "blocks: expected at most the 6 that 'test_vit.r160_in1k' has, found 7"),
        ({"width": 12, "heads": 5}, "a width that its heads divide"),
    ],
)
def test_what_is_no_such_transformer_is_refused(wrong, message):
    with torch.device("meta"), pytest.raises(SettingsError, match=message):
        Transformer(small(**wrong))


def test_weights_of_another_transformer_are_refused(tmp_path, weights):
    path = tmp_path / "wide.safetensors"
    save_file(timm.create_model("test_vit2").state_dict(), path)
    with pytest.raises(WeightsError, match=r"do not fit transformer 'test_vit\.r160_in1k'"):
        Transformer(small(weights=str(path)))
    with pytest.raises(WeightsError, match=r"no file 'nowhere\.pth'"):
        Transformer(small(weights="nowhere.pth"))


def test_offline_it_says_at_once_which_setting_may_name_a_file(monkeypatch):
    monkeypatch.setenv(OFFLINE, "1")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(WeightsError, match=r"system\.ahiq\.network\.transformer\.weights=<file>"):
        Transformer(small(weights="hub"))


def test_without_weights_it_is_the_same_transformer(weights):
    settings = small(weights=weights[0])
    assert settings.unweighted() == dataclasses.replace(settings, weights="none")
