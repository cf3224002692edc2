import pytest

from hmtnet.data.record import Record
from hmtnet.data.split import Split, SplitSettings, members_digest
from hmtnet.errors import SettingsError
from hmtnet.files import digest_text
from hmtnet.settings import build


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fractions": [0.6, 0.4, 0.0]}, "three parts above 0 that sum to 1"),
        ({"fractions": [0.6, 0.3, 0.2]}, "three parts above 0 that sum to 1"),
        ({"seed": -1}, "seed: expected 0 or more, found -1"),
        ({"index": -1}, "index: expected 0 or more, found -1"),
        ({"folds": 2}, "folds: expected at least 3.* found 2"),
        ({"protocol": "kfold", "index": 5}, "index: expected below folds=5, found 5"),
        ({"protocol": "contents"}, "Did you mean 'content'"),
    ],
)
def test_settings_are_checked(values, message):
    with pytest.raises(SettingsError, match=message):
        build(SplitSettings, values, "split")


def test_a_stored_order_may_have_any_index():
    assert build(SplitSettings, {"protocol": "published", "index": 999}, "split").index == 999


def test_a_leaky_split_says_so():
    split = Split("image", 7, (0, 3), (1,), (2,), "image-s7-x", leaky=True)
    assert split.label == "image (leaky)"
    assert split.subsets == {"train": (0, 3), "val": (1,), "test": (2,)}
    assert Split("content", 7, (0,), (1,), (2,), "content-s7-x", leaky=False).label == "content"


def test_the_digest_is_over_the_names_in_each_subset(manifest_of):
    manifest = manifest_of([Record(image=name, mos=0.5) for name in ("b", "a", "c", "d")])
    expected = digest_text("train:a\ntrain:b\nval:c\ntest:d", 8)
    assert members_digest(manifest, ((0, 1), (2,), (3,))) == expected
    assert members_digest(manifest, ((1, 0), (2,), (3,))) == expected
    assert members_digest(manifest, ((0, 1), (3,), (2,))) != expected
    assert members_digest(manifest, ((0, 1), (2, 3), ())) != expected
