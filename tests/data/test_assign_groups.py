import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmtnet.data.assign_groups import collect, cut, members, shuffled, sizes

parts = st.lists(st.integers(1, 100), min_size=2, max_size=5).map(
    lambda weights: [weight / sum(weights) for weight in weights]
)


@given(st.integers(0, 500), parts)
def test_sizes_are_the_parts_to_the_nearest_group_and_none_is_empty(count, fractions):
    found = sizes(count, fractions)
    assert sum(found) == count and min(found) >= 0
    if count >= len(fractions):
        assert min(found) >= 1
    for size, fraction in zip(found, fractions, strict=True):
        exact = fraction * count / sum(fractions)
        # A small part gets the one group that it must have, which larger parts give.
        assert abs(size - exact) < 1 + 1e-9 or size == 1 or exact - size < len(fractions)


@pytest.mark.parametrize(
    ("count", "fractions", "expected"),
    [
        (20, (0.6, 0.2, 0.2), [12, 4, 4]),
        (30, (0.6, 0.2, 0.2), [18, 6, 6]),
        (17, (0.6, 0.2, 0.2), [10, 3, 4]),
        (12, (0.6, 0.2, 0.2), [7, 2, 3]),
        (20, (0.64, 0.16, 0.2), [13, 3, 4]),
        (16, (0.6, 0.2), [12, 4]),
        (3, (0.98, 0.01, 0.01), [1, 1, 1]),
        (2, (0.6, 0.2), [1, 1]),
        (10, (0.35, 0.3, 0.35), [3, 3, 4]),
        # As written, both remainders are a half; in binary, 0.55 is a little more than that.
        (10, (0.55, 0.25, 0.2), [5, 3, 2]),
        (2, (0.6, 0.2, 0.2), [1, 0, 1]),
        (0, (0.6, 0.2, 0.2), [0, 0, 0]),
    ],
)
def test_known_sizes(count, fractions, expected):
    assert sizes(count, fractions) == expected


@given(st.lists(st.text(max_size=5), unique=True, max_size=20), st.integers(0, 99))
def test_an_order_is_that_of_the_names_digests(names, seed):
    keys = {f"key {name}": name for name in names}
    expected = sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    assert shuffled(seed, keys) == [f"key {name}" for name in expected]
    assert shuffled(seed, dict(reversed(keys.items()))) == [f"key {name}" for name in expected]


def test_equal_names_are_told_apart_by_their_keys():
    assert shuffled(0, {"b": "x", "a": "x"}) == ["a", "b"]


@given(st.lists(st.text(max_size=3), unique=True, max_size=30), parts)
def test_a_cut_order_is_the_order(order, fractions):
    found = cut(order, fractions)
    assert [key for part in found for key in part] == order
    assert [len(part) for part in found] == sizes(len(order), fractions)


def test_groups_and_their_rows():
    rows_of = members(["b", "a", "b", "c"])
    assert rows_of == {"b": [0, 2], "a": [1], "c": [3]}
    assert collect(["c", "b"], rows_of) == (0, 2, 3)
    assert collect([], rows_of) == ()
