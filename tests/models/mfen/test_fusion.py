import math

import pytest
import torch
import torch.nn.functional as F

from hmtnet.models.mfen.fusion import AFF, FUSIONS, LevelFusion


def set_to(bottleneck, first, second):
    """Make a bottleneck of one channel z ↦ second · relu(first · z); its norms do nothing."""
    for layer, value in ((bottleneck[0], first), (bottleneck[3], second)):
        torch.nn.init.constant_(layer.weight, value)
        torch.nn.init.zeros_(layer.bias)
    for norm in (bottleneck[1], bottleneck[4]):
        norm.eps = 0.0


def test_attention_by_hand():
    aff = AFF(1).eval()
    set_to(aff.local_attention, 2.0, -0.5)
    set_to(aff.global_attention, 1.0, 3.0)
    x = torch.tensor([[1.0, 0.0]])[None, None]
    y = torch.tensor([[0.5, -0.5]])[None, None]
    # X + Y = 1.5, -0.5; its mean is 0.5, so G = 3 · 0.5; L = -0.5 · 2 · 1.5 and 0.
    masks = [1 / (1 + math.exp(-(1.5 - 1.5))), 1 / (1 + math.exp(-1.5))]
    expected = [masks[0] * 1.0 + (1 - masks[0]) * 0.5, masks[1] * 0.0 + (1 - masks[1]) * -0.5]
    torch.testing.assert_close(aff(x, y)[0, 0, 0], torch.tensor(expected))


def test_attention_lies_between_and_leaves_what_is_agreed_on():
    aff = AFF(8)
    x, y = torch.randn(2, 3, 8, 5, 5)
    found = aff(x, y)
    assert (found >= torch.minimum(x, y) - 1e-6).all()
    assert (found <= torch.maximum(x, y) + 1e-6).all()
    torch.testing.assert_close(aff(x, x), x)


def test_attention_is_a_quarter_as_wide_inside():
    aff = AFF(32)
    for part in (aff.local_attention, aff.global_attention):
        assert (part[0].out_channels, part[3].in_channels) == (8, 8)
    assert AFF(2).local_attention[0].out_channels == 1


def test_the_alternatives_are_what_they_are_called():
    x, y = torch.randn(2, 3, 8, 5, 5)
    assert torch.equal(FUSIONS["add"](8)(x, y), x + y)
    concat = FUSIONS["concat"](8).eval()
    norm = concat.mix[1]
    expected = F.conv2d(torch.cat([x, y], 1), concat.mix[0].weight) / math.sqrt(1 + norm.eps)
    torch.testing.assert_close(concat(x, y), expected.relu())


@pytest.mark.parametrize("fuse", sorted(FUSIONS))
def test_levels_keep_the_first_branch_s_shape(fuse):
    fusion = LevelFusion([3, 5], [8, 16], fuse)
    # A second branch may be finer or coarser.
    levels = [torch.randn(4, 8, 6, 7), torch.randn(4, 16, 3, 4)]
    others = [torch.randn(4, 3, 12, 14), torch.randn(4, 5, 2, 2)]
    assert [x.shape for x in fusion(levels, others)] == [x.shape for x in levels]


def test_a_finer_map_is_averaged_and_a_coarser_repeated():
    fusion = LevelFusion([1, 1], [1, 1], "add").eval()
    for adapt in fusion.adapters:
        torch.nn.init.ones_(adapt[0].weight)
        adapt[1].eps = 0.0
    zeros = [torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 2, 2)]
    finer = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]])[None, None]
    coarser = torch.tensor([[9.0]])[None, None]
    averaged, repeated = fusion(zeros, [finer, coarser])
    assert averaged[0, 0].tolist() == [[3.5, 5.5]]
    assert repeated[0, 0].tolist() == [[9, 9], [9, 9]]
