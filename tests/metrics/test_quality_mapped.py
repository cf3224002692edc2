import math

import pytest
import torch

from hmtnet.metrics import MetricError, mapped_plcc, mapped_rmse
from hmtnet.metrics.quality_mapped import MappedQuality


def columns(n: int = 53):
    generator = torch.Generator().manual_seed(0)
    score = 6 * torch.rand(n, generator=generator) - 3
    return score, torch.sigmoid(2 * score) + 0.05 * torch.randn(n, generator=generator)


@pytest.mark.parametrize("parameters", [4, 5])
def test_batches_their_order_and_padding_do_not_change_a_bit(parameters):
    score, mos = columns()
    image = torch.arange(53)
    metric = MappedQuality(parameters)
    for rows in torch.randperm(53, generator=torch.Generator().manual_seed(1)).split(8):
        metric.update(score[rows], mos[rows], image[rows])
    metric.update(score[:3], mos[:3], image[:3])
    values = metric.compute()
    assert {name: value.item() for name, value in values.items()} == {
        "mapped_plcc": mapped_plcc(score, mos, parameters).value,
        "mapped_rmse": mapped_rmse(score, mos, parameters).value,
    }
    assert all(value.dtype == torch.float64 for value in values.values())


def test_the_mapping_is_fitted_to_all_images_not_batch_by_batch():
    score, mos = columns()
    metric = MappedQuality()
    for part in (slice(0, 10), slice(10, 53)):  # each batch in a unit of its own would fit better
        metric.update(score[part], mos[part] + (part.start > 0), torch.arange(53)[part])
    assert metric.compute()["mapped_plcc"] < 0.9


def test_a_constant_is_undefined():
    metric = MappedQuality()
    metric.update(torch.full((9,), 0.1), torch.arange(9.0), torch.arange(9))
    values = metric.compute()
    assert values["mapped_plcc"].isnan()
    assert values["mapped_rmse"].item() == pytest.approx(math.sqrt(60 / 9), abs=1e-12)


def test_without_images_all_is_undefined_and_reset_forgets():
    metric = MappedQuality()
    score, mos = columns()
    metric.update(score, mos, torch.arange(53))
    metric.reset()
    metric.update(score[:0], mos[:0], torch.arange(0))
    assert all(value.isnan() for value in metric.compute().values())


def test_bad_input():
    with pytest.raises(MetricError, match="parameters: expected 4 or 5, found 3"):
        MappedQuality(3)
    metric = MappedQuality()
    with pytest.raises(MetricError, match=r"mos: expected shape \(2,\)"):
        metric.update(torch.zeros(2), torch.zeros(3), torch.arange(2))
    metric.update(torch.tensor([1.0, math.nan]), torch.zeros(2), torch.tensor([7, 8]))
    with pytest.raises(MetricError, match=r"Images: 8\."):
        metric.compute()
