"""What validation logs of the whole set: after the mapping, and within groups of images."""

import pytest
import torch

from hmtnet.data.crops import CropSettings
from hmtnet.metrics import (
    mapped_plcc,
    mapped_rmse,
    srcc,
    within_reference_srcc,
    within_srcc,
    within_tau,
)
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.task import QualityTask

COUNT = 24
CELLS = [-1, *(row % 2 for row in range(1, COUNT))]  # of one image the method is unknown
REFERENCES = [row // 8 for row in range(COUNT)]


class Uneven(QualityNetwork):
    """Score an image by its contrast and, wrongly, its mean."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, crops):
        pixels = crops.pixels.flatten(1)
        return Prediction(crops.mean_by_image(self.weight * (pixels.std(1) + 5 * pixels.mean(1))))


def validate(groups, data, grades, datasets=None):
    """Return what was logged, and the scores and MOS of the same images."""
    settings = FitSettings(crops=CropSettings(size=48, count=1))
    task = QualityTask(
        Uneven(), settings, StageInputs(grades, groups=groups, datasets=datasets)
    ).eval()
    task.losses = lambda prediction, batch, crops: {}
    logged = {}
    task.log_dict = lambda found, **_: logged.update(found)
    for _ in range(2):  # nothing is left of an earlier epoch
        for batch in data.val_dataloader():
            task.validation_step(batch, 0)
        rows = task.quality.unique_rows()
        task.on_validation_epoch_end()
    assert rows["image"].tolist() == list(range(COUNT))
    return logged, rows["score"], rows["mos"]


@pytest.mark.parametrize("batch_size", [5, COUNT])
def test_it_is_what_the_whole_set_gives(make_data, grades, batch_size):
    groups = torch.tensor([CELLS, REFERENCES]).T
    logged, score, mos = validate(groups, make_data(COUNT, batch_size=batch_size), grades)
    cells = [None if cell < 0 else cell for cell in CELLS]
    expected = {
        "mapped_plcc": mapped_plcc(score, mos).value,
        "mapped_rmse": mapped_rmse(score, mos).value,
        "within_tau": within_tau(score, mos, cells),
        "within_srcc": within_srcc(score, mos, cells),
        "within_reference_srcc": within_reference_srcc(score, mos, REFERENCES),
    }
    for name, value in expected.items():
        assert logged[f"val/{name}"].item() == pytest.approx(value, abs=1e-6), name
    assert len({round(value, 4) for value in expected.values()}) == 5


def test_without_methods_nothing_is_said_within_groups(make_data, grades):
    logged, _, _ = validate(None, make_data(COUNT), grades)
    assert "val/mapped_plcc" in logged
    assert not any("within" in name for name in logged)


def test_of_several_datasets_each_counts_once_in_what_chooses_the_epoch(make_data, grades):
    datasets = torch.tensor([row % 3 % 2 for row in range(COUNT)])
    logged, score, mos = validate(None, make_data(COUNT), grades, datasets)
    apart = [srcc(score[datasets == number], mos[datasets == number]) for number in (0, 1)]
    assert logged["val/srcc"].item() == pytest.approx(sum(apart) / 2, abs=1e-6)
    assert abs(sum(apart) / 2 - srcc(score, mos)) > 1e-3
    assert not any("mapped" in name for name in logged)
