"""Which splits a protocol yields."""

from pathlib import Path

import numpy as np
import pytest

from hmtnet.data.labels import Labels, Published
from hmtnet.data.record import Record
from hmtnet.data.series import USUAL, series
from hmtnet.data.split import SplitSettings
from hmtnet.errors import SettingsError


def labels_with(orders=0):
    records = tuple(Record(image=f"{i}.png", mos=0.5, reference=str(i)) for i in range(4))
    published = None
    if orders:
        stored = np.tile(np.arange(1, 5), (orders, 1))
        published = Published(np.arange(1, 5), stored)
    return Labels(
        name="fake",
        root=Path("nowhere"),
        records=records,
        label_kind="human",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
        published=published,
    )


@pytest.mark.parametrize(
    ("options", "count", "seeds", "indices"),
    [
        ({"protocol": "content"}, None, range(USUAL), [0]),
        ({"protocol": "method", "seed": 5}, 3, [5, 6, 7], [0]),
        ({"protocol": "kfold"}, None, [0], range(5)),
        ({"protocol": "kfold", "folds": 3, "index": 1}, None, [0], [1, 2]),
        ({"protocol": "published"}, None, [0], range(9)),
        ({"protocol": "published", "index": 7}, None, [0], [7, 8]),
        ({"protocol": "official"}, None, [0], [0]),
    ],
)
def test_what_is_repeated(options, count, seeds, indices):
    found = list(series(labels_with(orders=9), SplitSettings(**options), count))
    assert list(dict.fromkeys(s.seed for s in found)) == list(seeds)
    assert list(dict.fromkeys(s.index for s in found)) == list(indices)
    assert len(found) == len(seeds) * len(indices) == len(set(found))


@pytest.mark.parametrize(
    ("options", "count", "most"),
    [
        ({"protocol": "kfold"}, 6, 5),
        ({"protocol": "published", "index": 3}, 7, 6),
        ({"protocol": "official"}, 2, 1),
        ({"protocol": "content"}, 0, 2**31),
    ],
)
def test_more_splits_than_there_are(options, count, most):
    with pytest.raises(SettingsError, match=rf"splits={count}: .*yields 1 to {most} splits"):
        list(series(labels_with(orders=9), SplitSettings(**options), count))
