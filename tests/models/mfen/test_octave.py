import pytest
import torch
import torch.nn.functional as F

from hmtnet.errors import SettingsError
from hmtnet.models.mfen.octave import HFEN, OctaveConvolution


@pytest.mark.parametrize("stride", [1, 2])
def test_without_a_low_path_it_is_a_plain_convolution(stride):
    octave = OctaveConvolution(4, 6, 0, 0, stride)
    x = torch.rand(2, 4, 9, 8)
    high, low = octave(x, None)
    assert low is None
    torch.testing.assert_close(
        high, F.conv2d(x, octave.high_to_high.weight, stride=stride, padding=1)
    )
    assert [name for name, _ in octave.named_parameters()] == ["high_to_high.weight"]


def only_the_middle(octave, **weights):
    """Make every 3×3 kernel a factor: one input channel, one output channel."""
    for name, value in weights.items():
        kernel = getattr(octave, name).weight
        kernel.data.zero_()
        kernel.data[0, 0, 1, 1] = value


def test_paths_by_hand():
    octave = OctaveConvolution(2, 2, 0.5, 0.5)
    only_the_middle(octave, high_to_high=2, low_to_high=10, low_to_low=3, high_to_low=100)
    x_high = torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8], [0, 0, 0, 4], [0, 0, 4, 0]])[None, None]
    x_low = torch.tensor([[1.0, 2], [3, 4]])[None, None]
    high, low = octave(x_high, x_low)
    # Y_H = 2 X_H + 10 up(X_L)
    assert high[0, 0].tolist() == [
        [12, 14, 26, 28],
        [20, 22, 34, 36],
        [30, 30, 40, 48],
        [30, 30, 48, 40],
    ]
    # Y_L = 3 X_L + 100 avgpool(X_H); the means are 3.5, 5.5, 0, 2.
    assert low[0, 0].tolist() == [[353, 556], [9, 212]]


def test_a_low_path_begins_and_is_dropped():
    begins = OctaveConvolution(4, 6, 0, 0.5)
    high, low = begins(torch.rand(1, 4, 8, 8), None)
    assert (high.shape, low.shape) == ((1, 3, 8, 8), (1, 3, 4, 4))
    assert begins.low_to_high is None and begins.low_to_low is None
    drops = OctaveConvolution(6, 5, 0.5, 0)
    high, low = drops(high, low)
    assert high.shape == (1, 5, 8, 8) and low is None
    assert drops.high_to_low is None and drops.low_to_low is None
    assert drops.low_to_high is not None


@pytest.mark.parametrize("stride", [1, 2])
def test_halves_of_odd_sizes_fit(stride):
    octave = OctaveConvolution(4, 4, 0.5, 0.5, stride)
    high, low = octave(torch.rand(1, 2, 7, 5), torch.rand(1, 2, 4, 3))
    height, width = -(-7 // stride), -(-5 // stride)
    assert high.shape == (1, 2, height, width)
    assert low.shape == (1, 2, -(-height // 2), -(-width // 2))


@pytest.mark.parametrize("reductions", [(4, 8, 16, 32), (2, 4, 8, 16), (1, 2, 4, 8), (4, 8, 8, 8)])
@pytest.mark.parametrize("size", [(64, 96), (49, 35)])
def test_it_follows_a_backbone_s_strides(reductions, size):
    network = HFEN((8, 8, 16, 16), reductions)
    maps = network(torch.rand(2, 3, *size))
    # Half of the channels are low, except in the last block, which has no low path.
    assert network.channels == [4, 4, 8, 16]
    for x, channels, r in zip(maps, network.channels, reductions, strict=True):
        assert x.shape == (2, channels, -(-size[0] // r), -(-size[1] // r))


def test_its_blocks_begin_keep_and_drop_the_low_path():
    blocks = HFEN((8, 8, 16, 16), (4, 8, 16, 32)).blocks
    assert [block.convolution.low for block in blocks] == [4, 4, 8, 0]
    assert [block.convolution.low_to_high is None for block in blocks] == [True] + [False] * 3
    assert [block.convolution.high_to_high.stride for block in blocks] == [(1, 1)] + [(2, 2)] * 3


def test_every_parameter_learns():
    network = HFEN((8, 8, 16, 16), (4, 8, 16, 32))
    sum(x.square().sum() for x in network(torch.rand(4, 3, 64, 64))).backward()
    assert [name for name, p in network.named_parameters() if not p.grad.any()] == []


def test_what_cannot_be_followed_is_refused():
    for reductions in ((8, 16, 32, 64), (4, 16, 32, 64), (4, 8, 16), (32, 16, 8, 4)):
        with pytest.raises(SettingsError, match=r"strides of 1, 2 or 4.*hfen=false") as error:
            HFEN((8, 8, 16, 16), reductions)
        assert f"found {list(reductions)}" in str(error.value)
    for widths in ((8, 8, 8), (8, 8, 8, 1)):
        with pytest.raises(SettingsError, match="hfen_widths: expected 4 of at least 2"):
            HFEN(widths, (4, 8, 16, 32))
