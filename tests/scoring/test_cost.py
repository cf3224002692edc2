"""What judging costs, against counts by hand."""

import pytest
import torch
from torch import nn

from hmtnet.data.crops import CropSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.scoring.cost import cost_of

CPU = torch.device("cpu")


class Small(QualityNetwork):
    """One convolution of known size, then a mean."""

    by_crop = True

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 8, 3, padding=1, bias=False)

    def forward(self, crops):
        return Prediction(unit_score=crops.mean_by_image(self.layer(crops.pixels).mean((1, 2, 3))))


def measure(network, megapixels=0.03, grid=2, **more):
    crops = CropSettings(size=32, count=1, grid=grid)
    return cost_of(network.eval(), crops, CPU, "abacus", megapixels, repeats=1, **more)


@pytest.mark.parametrize("batch_tiles", [1, 16])
def test_operations_are_those_of_the_convolution_over_all_tiles(batch_tiles):
    found = measure(Small(), batch_tiles=batch_tiles)
    per_place = 2 * 8 * 27  # a multiplication and an addition for each weight
    assert found.tiles == 4
    assert found.gflops * 1e9 == pytest.approx(4 * 32 * 32 * per_place)
    assert found.seconds > 0 and (found.device, found.threads) == (
        "abacus",
        torch.get_num_threads(),
    )
    assert found.megapixels == pytest.approx(0.03, rel=0.01)


def test_memory_grows_with_what_is_looked_at_together_and_is_freed_meanwhile():
    one, all_at_once = (measure(Small(), batch_tiles=count) for count in (1, 4))
    layer = 32 * 32 * 8 * 4 / 1e6  # float32, of one tile
    assert all_at_once.tensors_mb - one.tensors_mb >= 3 * layer
    assert one.tensors_mb < 3 * layer + 4 * 32 * 32 * 3 * 5 / 1e6
    assert measure(Small(), batch_tiles=1).tensors_mb == one.tensors_mb


def test_a_network_that_needs_a_reference_gets_one_and_one_that_reads_labels_has_no_cost():
    paired, labelled = Small(), Small()
    paired.needs_reference = True
    labelled.reads_labels = True
    assert measure(paired).gflops == measure(Small()).gflops
    assert measure(labelled) is None
