import re

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hmtnet.errors import SettingsError, WeightsError
from hmtnet.models.backbone import NORMS, Backbone, BackboneSettings
from hmtnet.models.mfen.van import LKA, SIZES, VAN, Block, VANBackbone, extractor


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "without", "with_head"),
    # The paper's millions with the classifier of 1000 classes; to the last one without.
    [
        ("van_b0", 3_848_800, 4.1e6),
        ("van_b1", 13_348_800, 13.9e6),
        ("van_b2", 26_065_472, 26.6e6),
        ("van_b3", 44_252_608, 44.8e6),
    ],
)
def test_published_sizes_have_the_published_parameters(name, without, with_head):
    with torch.device("meta"):
        van = VAN(SIZES[name])
        head = nn.Linear(SIZES[name].channels[-1], 1000)
    assert count(van) == without
    assert round(count(van) + count(head), -5) == with_head


@pytest.mark.parametrize("name", ["van_b0", "van_b1"])
def test_the_stages_have_strides_of_4_to_32(name):
    with torch.device("meta"):
        levels = VAN(SIZES[name])(torch.zeros(2, 3, 224, 224))
    sizes = zip(SIZES[name].channels, (56, 28, 14, 7), strict=True)
    assert [level.shape for level in levels] == [(2, c, s, s) for c, s in sizes]


@pytest.mark.parametrize(("height", "width"), [(49, 35), (16, 16), (96, 160)])
def test_other_sizes_round_up(height, width):
    backbone = extractor(BackboneSettings(name="van_tiny")).eval()
    levels = backbone(torch.rand(1, 3, height, width))
    for level, channels, r in zip(levels, backbone.channels, backbone.reductions, strict=True):
        assert level.shape == (1, channels, -(-height // r), -(-width // r))


def test_large_kernel_attention_by_hand():
    """One channel, and the formula in loops over its places."""
    lka = LKA(1).requires_grad_(False)
    lka.conv0.bias.fill_(0.3)
    x = torch.randn(24, 24)
    padded = nn.functional.pad(x, (2, 2, 2, 2))
    near = torch.tensor(
        [
            [(padded[i : i + 5, j : j + 5] * lka.conv0.weight[0, 0]).sum() + 0.3 for j in range(24)]
            for i in range(24)
        ]
    )
    padded = nn.functional.pad(near, (9, 9, 9, 9))
    for i, j in ((0, 0), (12, 7), (23, 20)):
        window = padded[i : i + 19 : 3, j : j + 19 : 3]
        far = (window * lka.conv_spatial.weight[0, 0]).sum() + lka.conv_spatial.bias
        expected = x[i, j] * (lka.conv1.weight.item() * far + lka.conv1.bias)
        torch.testing.assert_close(lka(x[None, None])[0, 0, i, j], expected[0])


def test_only_the_1x1_of_the_attention_mixes_channels():
    lka = LKA(2).requires_grad_(False)
    lka.conv1.weight.copy_(torch.eye(2)[:, :, None, None])
    x = torch.rand(1, 2, 9, 9)
    changed = x.clone()
    changed[:, 1] += 1
    assert torch.equal(lka(x)[:, 0], lka(changed)[:, 0])
    lka.conv1.weight.copy_(torch.eye(2).flip(0)[:, :, None, None])
    assert not torch.equal(lka(x)[:, 0], lka(changed)[:, 0])


def test_a_block_adds_a_hundredth_of_its_branches_at_first():
    block = Block(4, 2).eval()
    x = torch.randn(2, 4, 6, 6)
    middle = x + 0.01 * block.attn(block.norm1(x))
    torch.testing.assert_close(block(x), middle + 0.01 * block.mlp(block.norm2(middle)))
    half = block.attn.proj_1(x)
    gated = block.attn.spatial_gating_unit(nn.functional.gelu(half))
    torch.testing.assert_close(block.attn(x), x + block.attn.proj_2(gated))


def test_each_level_is_normalised_over_its_channels():
    backbone = extractor(BackboneSettings(name="van_tiny")).eval()
    for level in backbone(torch.rand(2, 3, 64, 64)):
        torch.testing.assert_close(level.mean(1), torch.zeros_like(level[:, 0]), atol=1e-5, rtol=0)
        assert (level.var(1, correction=0) - 1).abs().max() < 0.1


def test_modules_are_called_as_in_the_widespread_weights():
    layer = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
    patterns = [
        rf"patch_embed[1-4]\.(proj|norm)\.{layer}",
        rf"block[1-4]\.\d+\.(norm1|norm2)\.{layer}",
        rf"block[1-4]\.\d+\.attn\.(proj_1|proj_2)\.{layer}",
        rf"block[1-4]\.\d+\.attn\.spatial_gating_unit\.(conv0|conv_spatial|conv1)\.{layer}",
        rf"block[1-4]\.\d+\.mlp\.(fc1|dwconv\.dwconv|fc2)\.{layer}",
        r"block[1-4]\.\d+\.layer_scale_[12]",
        rf"norm[1-4]\.{layer}",
    ]
    with torch.device("meta"):
        names = list(VAN(SIZES["van_b0"]).state_dict())
    assert all(any(re.fullmatch(p, name) for p in patterns) for name in names)
    assert all(any(re.fullmatch(p, name) for name in names) for p in patterns)


@pytest.fixture
def weights(tmp_path):
    """A file as the released ones: with a classifier, which a backbone has no use for."""
    torch.manual_seed(5)
    state = VAN(SIZES["van_tiny"]).state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    state["head.weight"], state["head.bias"] = torch.zeros(1000, 64), torch.zeros(1000)
    path = tmp_path / "van.pth"
    torch.save({"state_dict": state}, path)
    return path, state


def test_weights_are_loaded_whole_and_norms_then_stay(weights):
    path, state = weights
    backbone = extractor(BackboneSettings(name="van_tiny", weights=str(path)))
    assert backbone.loaded and backbone.settings.frozen_norms
    for name, tensor in backbone.body.state_dict().items():
        assert torch.equal(tensor, state[name])
    norms = [m for m in backbone.train().modules() if isinstance(m, NORMS)]
    assert norms and not any(norm.training for norm in norms)
    pixels = torch.rand(2, 3, 48, 48)
    expected = (pixels - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    torch.testing.assert_close(backbone.normalise(pixels), expected)


def test_weights_of_another_size_are_refused(tmp_path):
    state = VAN(SIZES["van_tiny"]).state_dict()
    state["norm4.weight"] = torch.zeros(3)
    del state["patch_embed2.proj.bias"]
    save_file(state, tmp_path / "van.safetensors")
    settings = BackboneSettings(name="van_tiny", weights=str(tmp_path / "van.safetensors"))
    with pytest.raises(WeightsError) as error:
        extractor(settings)
    for part in ("backbone 'van_tiny'", "missing patch_embed2.proj.bias", "norm4.weight"):
        assert part in str(error.value)


def test_the_hub_has_none():
    message = r"'van_b0' has no weights on the hub.*path of a file \(weights=<file>\)"
    with pytest.raises(SettingsError, match=message):
        extractor(BackboneSettings(name="van_b0", weights="hub"))


def test_an_unknown_van_names_the_nearest():
    with pytest.raises(SettingsError, match=r"Unknown VAN 'van_b9'. Did you mean 'van_b"):
        extractor(BackboneSettings(name="van_b9"))


def test_other_names_are_the_factory_s():
    backbone = extractor(BackboneSettings())
    assert type(backbone) is Backbone
    assert isinstance(extractor(BackboneSettings(name="van_tiny")), VANBackbone)


def test_everything_is_laid_out_channels_last():
    backbone = extractor(BackboneSettings(name="van_tiny"))
    kernels = [p for p in backbone.parameters() if p.ndim == 4 and p.shape[1] > 1]
    for x in [*kernels, *backbone(torch.rand(2, 3, 64, 64))]:
        assert x.is_contiguous(memory_format=torch.channels_last)


def test_every_parameter_learns():
    backbone = extractor(BackboneSettings(name="van_tiny"))
    levels = backbone(torch.rand(4, 3, 64, 64))
    sum((level * torch.randn_like(level)).sum() for level in levels).backward()
    lifeless = [name for name, p in backbone.named_parameters() if not p.grad.any()]
    assert lifeless == []
