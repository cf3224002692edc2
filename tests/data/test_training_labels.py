from pathlib import Path

import numpy as np
import pytest
import torch

from hmtnet.data.labels import Labels
from hmtnet.data.record import Record
from hmtnet.data.training_labels import TrainingLabels
from hmtnet.errors import SettingsError

# (MOS, SR method, scale, deviation); 5 is the best of 1 to 5.
ROWS = [
    (5.0, "b", 2, 0.4),
    (3.0, "a", 2, None),
    (1.0, "a", None, 1.0),
    (2.0, None, None, 0.0),
    (4.0, "c", 4, 0.8),  # a test image
    (4.0, "a", 2, 0.2),
]
TRAIN = (5, 0, 1, 2, 3)
NAN = torch.nan


@pytest.fixture
def labels():
    records = tuple(
        Record(image=f"{i}.png", mos=mos, method=method, scale=scale, mos_std=std)
        for i, (mos, method, scale, std) in enumerate(ROWS)
    )
    table = Labels(
        name="made up",
        root=Path(),
        records=records,
        label_kind="human",
        mos_range=(1.0, 5.0),
        higher_is_better=True,
    )
    return TrainingLabels.of(table, TRAIN)


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_nothing_of_another_image_is_in_it(labels):
    assert [*labels.records] == [0, 1, 2, 3, 5] == labels.rows.tolist() and labels.count == 6
    same(labels.unit_mos, [1, 0.5, 0, 0.25, NAN, 0.75])
    for tensor in (labels.column("scale"), labels.column("mos")):
        assert len(tensor) == 6 and tensor[4].isnan()
    assert "c" not in repr([record.method for record in labels.records.values()])


def test_a_deviation_is_one_of_unit_scores_and_what_is_unknown_is_nan(labels):
    same(labels.column("mos_std"), [0.1, NAN, 0.25, 0, NAN, 0.05])
    same(labels.column("scale"), [2, 2, NAN, NAN, NAN, 2])
    assert torch.equal(labels.column("mos")[:4], labels.unit_mos[:4].float())


def test_keys_number_what_training_images_have(labels):
    assert labels.keys("method").tolist() == [1, 0, 0, -1, -1, 0]
    # One of the fields is enough; ('a', 2) and ('a', None) are two kinds.
    keys = labels.keys("method", "scale")
    assert keys.tolist() == [2, 0, 1, -1, -1, 0]
    means = labels.mean_unit_mos(keys)
    assert means.dtype == torch.float32
    same(means, [(0.5 + 0.75) / 2, 0, 1])
    nothing = labels.keys("reference")
    assert nothing.tolist() == [-1] * 6 and len(labels.mean_unit_mos(nothing)) == 0


def test_what_cannot_be_had_is_told(labels):
    with pytest.raises(SettingsError, match=r"no field 'mos_sd'\. Did you mean 'mos_std'"):
        labels.column("mos_sd")
    with pytest.raises(SettingsError, match="no field 'methods'"):
        labels.keys("methods")
    with pytest.raises(SettingsError, match=r"'method' holds text, 'b'.*keys\('method'\)"):
        labels.column("method")
