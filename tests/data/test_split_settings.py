"""Split settings: what a protocol has no use for is refused, not ignored."""

import pytest

from hmtnet.data.split import SplitSettings
from hmtnet.errors import SettingsError
from hmtnet.settings import build


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"index": 1}, "index: split=content has no use for it, only split=kfold and split=publ"),
        ({"protocol": "method", "scale": 2}, "scale: split=method has no use for it, only"),
        ({"clean": True}, "clean: split=content has no use for it, only split=official"),
        ({"file": "a.json"}, "file: split=content has no use for it, only split=file"),
        ({"protocol": "kfold", "index": 5}, "index: expected below folds=5, found 5"),
        ({"folds": 2}, "folds: expected at least 3"),
        ({"seed": -1}, "seed: expected 0 or more, found -1"),
        ({"fractions": [0.5, 0.5, 0.5]}, "expected three parts above 0 that sum to 1"),
    ],
)
def test_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        build(SplitSettings, values)


@pytest.mark.parametrize(
    "values",
    [
        {"protocol": "kfold", "index": 4},
        {"protocol": "published", "index": 999},
        {"protocol": "scale", "scale": 2},
        {"protocol": "official", "clean": True},
        {"protocol": "file", "file": "a.json"},
    ],
)
def test_taken(values):
    assert build(SplitSettings, values).protocol == values["protocol"]
