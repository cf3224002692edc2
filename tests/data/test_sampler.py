from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmtnet.data.sampler import Draw, EpochSampler

ROWS = [4, 8, 15, 16, 23, 42, 99]
rows = st.lists(st.integers(0, 1000), min_size=1, max_size=40, unique=True)
worlds = st.integers(1, 5)


def order(sampler):
    return [draw.row for draw in sampler]


def all_ranks(rows, world, **options):
    return [order(EpochSampler(rows, rank=rank, world=world, **options)) for rank in range(world)]


def test_order_is_a_function_of_seed_and_epoch():
    first = EpochSampler(ROWS, seed=1, shuffle=True)
    orders = {}
    for epoch in (0, 1, 2):
        first.set_epoch(epoch)
        orders[epoch] = order(first)
    # Asked again in another order, by another object.
    second = EpochSampler(ROWS, seed=1, shuffle=True)
    for epoch in (2, 0, 1):
        second.set_epoch(epoch)
        assert order(second) == order(second) == orders[epoch]
    assert len({tuple(o) for o in orders.values()}) == 3
    assert order(EpochSampler(ROWS, seed=2, shuffle=True)) != orders[0]


def test_seed_and_epoch_are_not_exchangeable():
    sampler = EpochSampler(ROWS, seed=1, shuffle=True)
    sampler.set_epoch(2)
    other = EpochSampler(ROWS, seed=2, shuffle=True)
    other.set_epoch(1)
    assert order(sampler) != order(other)


@given(rows, worlds)
def test_what_only_makes_processes_equally_long_is_marked(rows, world):
    draws = [d for rank in range(world) for d in EpochSampler(rows, 1, True, rank, world)]
    assert sorted(draw.row for draw in draws if not draw.repeated) == sorted(rows)
    assert len(draws) % world == 0 and len(draws) - len(rows) < world


def test_the_epoch_travels_with_the_row():
    sampler = EpochSampler([7, 9], seed=0, shuffle=False)
    sampler.set_epoch(5)
    assert list(sampler) == [Draw(5, 7), Draw(5, 9)]


@given(rows=rows, epoch=st.integers(0, 50), shuffle=st.booleans())
def test_every_row_comes_once(rows, epoch, shuffle):
    sampler = EpochSampler(rows, seed=0, shuffle=shuffle)
    sampler.set_epoch(epoch)
    assert sorted(order(sampler)) == sorted(rows)
    assert shuffle or order(sampler) == rows


@given(rows=rows, world=worlds)
def test_in_evaluation_ranks_share_the_rows_without_duplicates(rows, world):
    parts = all_ranks(rows, world, seed=0, shuffle=False)
    assert sorted(chain(*parts)) == sorted(rows)


@given(rows=rows, world=worlds)
def test_in_training_ranks_get_equally_many_and_no_row_is_left_out(rows, world):
    parts = all_ranks(rows, world, seed=0, shuffle=True)
    assert {len(part) for part in parts} == {-(-len(rows) // world)}
    drawn = list(chain(*parts))
    assert set(drawn) == set(rows)
    assert max(drawn.count(row) for row in rows) <= -(-world // len(rows)) + 1


@given(rows=rows, world=worlds, shuffle=st.booleans())
def test_the_length_is_what_is_yielded(rows, world, shuffle):
    for rank in range(world):
        sampler = EpochSampler(rows, seed=0, shuffle=shuffle, rank=rank, world=world)
        assert len(sampler) == len(list(sampler))


@pytest.mark.parametrize("shuffle", [True, False])
def test_no_rows_are_no_draws(shuffle):
    sampler = EpochSampler([], seed=0, shuffle=shuffle)
    assert (list(sampler), len(sampler)) == ([], 0)


def test_rows_are_plain_integers():
    assert all(type(draw.row) is int for draw in EpochSampler(ROWS, seed=0, shuffle=True))
