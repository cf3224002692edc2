from collections import Counter
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


@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=4),
    worlds,
    st.integers(1, 4),
    st.integers(0, 9),
)
def test_of_several_datasets_a_batch_has_two_images_of_each_or_none(sizes, world, half, epoch):
    datasets = [number for number, size in enumerate(sizes) for _ in range(size)]
    options = {"seed": 0, "shuffle": True, "datasets": datasets}
    ranks = []
    for rank in range(world):
        sampler = EpochSampler(range(len(datasets)), rank=rank, world=world, **options)
        sampler.set_epoch(epoch)
        ranks.append(list(sampler))
        assert len(ranks[-1]) == len(sampler)
    drawn = [draw for draws in ranks for draw in draws if not draw.repeated]
    visited = [draw.row for draw in drawn]
    assert len(set(visited)) == len(visited) == sum(size // 2 * 2 for size in sizes)
    size = 2 * half
    for start in range(0, len(ranks[0]), size):
        batch = [d for draws in ranks for d in draws[start : start + size] if not d.repeated]
        counts = Counter(datasets[draw.row] for draw in batch)
        assert all(count >= 2 for count in counts.values())


def test_the_image_that_sits_out_is_another_one_by_epoch():
    sampler = EpochSampler(range(7), seed=0, shuffle=True, datasets=[0, 0, 0, 0, 1, 1, 1])
    absent = set()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        absent |= {4, 5, 6} - {draw.row for draw in sampler}
    assert absent == {4, 5, 6}
