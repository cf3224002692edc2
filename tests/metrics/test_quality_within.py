import math

import pytest
import torch

from hmtnet.metrics import MetricError, within_reference_srcc, within_srcc, within_tau
from hmtnet.metrics.quality_within import WithinQuality


def columns(n: int = 60):
    generator = torch.Generator().manual_seed(0)
    mos = torch.rand(n, generator=generator)
    score = mos + 0.3 * torch.randn(n, generator=generator)
    return score, mos, torch.arange(n) % 5 - 1, torch.arange(n) // 10 - 1


def test_groups_spread_over_batches():
    rows = columns()
    metric = WithinQuality()
    for part in torch.randperm(60, generator=torch.Generator().manual_seed(1)).split(7):
        metric.update(*(column[part] for column in rows), torch.arange(60)[part])
    metric.update(*(column[:4] for column in rows), torch.arange(4))  # padding
    score, mos, cell, reference = rows
    cells = [None if c < 0 else c for c in cell.tolist()]
    references = [None if r < 0 else r for r in reference.tolist()]
    values = metric.compute()
    assert {name: value.item() for name, value in values.items()} == {
        "within_tau": within_tau(score, mos, cells),
        "within_srcc": within_srcc(score, mos, cells),
        "within_reference_srcc": within_reference_srcc(score, mos, references),
    }
    assert all(value.dtype == torch.float64 for value in values.values())


def test_images_without_cell_or_reference_are_left_out():
    score, mos, _, _ = columns()
    none = torch.full((60,), -1)
    metric = WithinQuality()
    metric.update(score, mos, none, torch.zeros(60, dtype=torch.int64), torch.arange(60))
    values = metric.compute()
    assert values["within_tau"].isnan() and values["within_srcc"].isnan()
    assert values["within_reference_srcc"].isfinite()


def test_an_image_stays_in_its_cell_however_large_the_numbers():
    # A tolerance relative to the largest number would let 500 pass for 501.
    metric = WithinQuality()
    ones, image = torch.ones(2), torch.tensor([3, 3])
    metric.update(ones, ones, torch.tensor([500, 501]), torch.tensor([0, 0]), image)
    with pytest.raises(MetricError, match=r"cell: expected one value per image.*image\(s\) 3\."):
        metric.compute()


def test_nothing_and_bad_input():
    metric = WithinQuality()
    whole = torch.arange(2)
    metric.update(torch.zeros(0), torch.zeros(0), *[torch.arange(0)] * 3)
    assert all(value.isnan() for value in metric.compute().values())
    with pytest.raises(MetricError, match=r"cell: expected shape \(2,\)"):
        metric.update(torch.zeros(2), torch.zeros(2), torch.arange(3), whole, whole)
    metric.update(torch.tensor([math.nan, 1.0]), torch.zeros(2), whole, whole, whole)
    with pytest.raises(MetricError, match=r"score: .* Images: 0\."):
        metric.compute()
