import math
import time

import numpy as np
import pytest
import scipy.stats

from hmtnet.metrics import (
    GroupResult,
    MetricError,
    by_group,
    krcc,
    rmse,
    srcc,
    within_reference_srcc,
    within_srcc,
    within_tau,
)
from hmtnet.metrics.groups import mean_over_datasets


def dataset(n: int = 1000, levels: int | None = None):
    """Cells of very different quality, and a score that orders images only half well within one."""
    random = np.random.default_rng(0)
    cells = [(f"method{i % 17}", 2 + i % 3) for i in range(n)]
    level = {cell: 10 * random.normal() for cell in sorted(set(cells))}
    mos = np.array([level[cell] for cell in cells]) + random.normal(size=n)
    score = mos + random.normal(size=n)
    if levels is not None:
        score, mos = np.round(score * levels), np.round(mos * levels)
    return score, mos, cells


@pytest.mark.parametrize("levels", [None, 2])
def test_tau_is_pooled_over_the_pairs_of_cells(levels):
    score, mos, cells = dataset(200, levels)
    agree = score_pairs = mos_pairs = 0
    for i in range(len(score)):
        for j in range(i):
            if cells[i] == cells[j]:
                by_score, by_mos = np.sign(score[i] - score[j]), np.sign(mos[i] - mos[j])
                agree += by_score * by_mos
                score_pairs += abs(by_score)
                mos_pairs += abs(by_mos)
    expected = agree / math.sqrt(score_pairs * mos_pairs)
    assert within_tau(score, mos, cells) == pytest.approx(expected, abs=1e-12)


def test_one_cell_is_kendall():
    score, mos, _ = dataset(100, 1)
    assert within_tau(score, mos, ["all"] * 100) == krcc(score, mos)


def test_knowing_only_the_cell_is_undefined_however_well_it_correlates():
    _, mos, cells = dataset()
    means = {
        cell: np.mean([m for m, c in zip(mos, cells, strict=True) if c == cell]) for cell in cells
    }
    label_only = [means[cell] for cell in cells]
    assert srcc(label_only, mos) > 0.95
    assert math.isnan(within_tau(label_only, mos, cells))
    assert math.isnan(within_srcc(label_only, mos, cells))


def test_offsets_between_cells_do_not_matter():
    score, mos, cells = dataset()
    shifted = score - 100 * np.array([cell[1] for cell in cells])
    assert within_tau(shifted, mos, cells) == within_tau(score, mos, cells)
    assert within_srcc(shifted, mos, cells) == within_srcc(score, mos, cells)


def test_srcc_is_the_weighted_mean_of_large_enough_cells():
    score, mos, cells = dataset(200)
    cells[0] = "alone"
    sizes = {cell: cells.count(cell) for cell in cells}
    assert {size for size in sizes.values() if size < 4}, "the test needs a cell to skip"
    total = weight = 0.0
    for cell, size in sizes.items():
        if size >= 4:
            rows = [i for i, other in enumerate(cells) if other == cell]
            total += size * scipy.stats.spearmanr(score[rows], mos[rows]).statistic
            weight += size
    assert within_srcc(score, mos, cells, minimum=4) == pytest.approx(total / weight, abs=1e-12)


def test_cells_without_a_correlation_are_skipped():
    score = [1, 2, 3, 4, 5, 7, 7, 7, 7, 7]
    mos = [1, 2, 3, 5, 4, 1, 2, 3, 4, 5]
    assert within_srcc(score, mos, ["a"] * 5 + ["b"] * 5) == pytest.approx(0.9, abs=1e-12)


def test_the_minimum_is_inclusive():
    rows = [1, 2, 3, 4, 5]
    assert within_srcc(rows, rows, ["a"] * 5) == pytest.approx(1)
    assert math.isnan(within_srcc(rows[:4], rows[:4], ["a"] * 4))


def test_images_without_a_cell_are_left_out():
    score, mos = [1, 2, 99, -99], [1, 2, -5, 50]
    assert within_tau(score, mos, ["a", "a", None, None]) == 1
    assert math.isnan(within_tau(score, mos, [None] * 4))
    assert math.isnan(within_srcc(score, mos, [None] * 4))
    assert math.isnan(within_tau([], [], []))
    assert math.isnan(within_srcc([], [], []))


def test_within_references_by_hand():
    # a: 1 − 6·2 / (5·24) = .9 of five; b: −1 of six; c has too few; d is constant.
    score = [1, 2, 3, 5, 4, *range(6), 1, 2, *[3] * 5, 9]
    mos = [1, 2, 3, 4, 5, *range(6, 0, -1), 2, 1, *range(5), 0]
    references = ["a"] * 5 + ["b"] * 6 + ["c"] * 2 + ["d"] * 5 + [None]
    expected = (5 * 0.9 - 6 * 1) / 11
    assert within_reference_srcc(score, mos, references) == pytest.approx(expected, abs=1e-12)
    with_c = (5 * 0.9 - 6 * 1 - 2 * 1) / 13
    assert within_reference_srcc(score, mos, references, minimum=2) == pytest.approx(with_c)
    assert math.isnan(within_reference_srcc(score, mos, [None] * len(score)))


def test_a_table_by_group_equals_scipy():
    score, mos, cells = dataset(300, 2)
    cells[5] = None
    table = by_group(score, mos, cells)
    assert list(table) == list(dict.fromkeys(cell for cell in cells if cell is not None))
    assert sum(result.n for result in table.values()) == 299
    for cell, result in table.items():
        rows = [i for i, other in enumerate(cells) if other == cell]
        x, y = score[rows], mos[rows]
        expected = (
            scipy.stats.spearmanr(x, y).statistic,
            scipy.stats.pearsonr(x, y).statistic,
            scipy.stats.kendalltau(x, y).statistic,
            np.sqrt(np.mean((x - y) ** 2)),
        )
        found = (result.srcc, result.plcc, result.krcc, result.rmse)
        assert result.n == len(rows)
        assert found == pytest.approx(expected, abs=1e-9)


def test_a_group_of_one_and_a_constant_group():
    table = by_group([1, 2, 2], [4, 5, 6], [2, 4.0, 4])
    assert list(table) == [2, 4.0]
    assert table[2].n == 1 and table[2].rmse == 3 and math.isnan(table[2].srcc)
    constant = table[4]  # 4 and 4.0 are one scale
    assert constant.n == 2 and math.isnan(constant.plcc) and math.isnan(constant.krcc)
    assert by_group([], [], []) == {}
    assert by_group([1.0], [2.0], [None]) == {}
    assert by_group([1, 2], [1, 2], ["a", "a"]) == {"a": GroupResult(2, 1.0, 1.0, 1.0, 0.0)}


def test_bad_input():
    with pytest.raises(MetricError, match="cells: expected 2, one for each of the scores, found 1"):
        within_tau([1, 2], [1, 2], ["a"])
    with pytest.raises(MetricError, match="score: expected finite"):
        within_srcc([1, math.nan], [1, 2], [None, None])
    with pytest.raises(MetricError, match="cells: expected 2, one for each of the scores, found 3"):
        by_group([1, 2], [1, 2], ["a", "a", "a"])


def test_each_dataset_counts_once_and_is_never_compared_with_another():
    score, mos = [1, 2, 3, 30, 10, 20, 5], [1, 2, 3, 1, 2, 3, 9]
    of = ["a", "a", "a", None, None, None, "c"]  # an image alone has no order
    assert mean_over_datasets(srcc, score, mos, of) == pytest.approx(
        (1 + srcc([3, 1, 2], mos[:3])) / 2
    )
    assert mean_over_datasets(srcc, score, mos, [0] * 7) == srcc(score, mos)
    # A constant prediction of one dataset is undefined, not left out.
    assert math.isnan(mean_over_datasets(srcc, [1, 2, 5, 5], [1, 2, 1, 2], [0, 0, 1, 1]))
    assert mean_over_datasets(rmse, [1, 2], [3, 3], [0, 0]) == rmse([1, 2], [3, 3])
    assert math.isnan(mean_over_datasets(srcc, [1, 2], [3, 3], [0, 1]))


@pytest.mark.parametrize(("metric", "seconds"), [(within_tau, 0.02), (within_srcc, 0.05)])
def test_a_thousand_images_take_milliseconds(metric, seconds):
    score, mos, cells = dataset()
    metric(score, mos, cells)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        metric(score, mos, cells)
        times.append(time.perf_counter() - start)
    assert min(times) < seconds
