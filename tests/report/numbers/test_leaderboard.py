import math

import numpy as np
import pytest
from scipy import stats

from hmtnet.metrics import krcc, median_grade, plcc, rmse, srcc, within_reference_srcc, within_tau
from hmtnet.metrics.mapping import fit_mapping
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.intervals import difference, interval, standard_ranks
from hmtnet.report.numbers.leaderboard import averaged
from hmtnet.report.numbers.quantities import FURTHER, measure, spread
from hmtnet.report.render.formats import DASH, decimals, percent
from hmtnet.report.render.tables import leaderboard_table


def section(runs):
    (found,) = build_report(collect([runs.root])).sections
    return found


def entry(runs, name="hmtnet joint"):
    return next(row for row in section(runs).entries if row.name == name)


def rows_of_test(runs):
    return [run.predictions.select("test") for run in collect([runs.root]).runs]


def test_every_number_of_one_run(runs):
    runs.write()
    (test,) = rows_of_test(runs)
    row = entry(runs)
    cells = list(zip(test.method, test.scale, strict=True))
    mapped = fit_mapping(test.score, test.mos)(test.score)
    expected = {
        "srcc": srcc(test.score, test.mos),
        "plcc": plcc(test.score, test.mos),
        "krcc": krcc(test.score, test.mos),
        "rmse": rmse(test.score, test.mos),
        "plcc_mapped": plcc(mapped, test.mos),
        "rmse_mapped": rmse(mapped, test.mos),
        "within_tau": within_tau(test.score, test.mos, cells),
        "accuracy": float(np.mean(test.grade == test.true_grade)),
        "within_reference": within_reference_srcc(test.score, test.mos, test.reference),
    }
    if np.isfinite(test.mos_std).any():
        far = np.abs(mapped - test.mos) > 2 * test.mos_std
        expected["outlier_ratio"] = float(np.mean(far[np.isfinite(test.mos_std)]))
    for key, value in expected.items():
        assert row.spreads[key].median == row.spreads[key].mean == value, key
        assert math.isnan(row.spreads[key].sd)
    assert (len(row.splits), row.seeds) == (1, (0,))
    assert sum(row.fits.values()) == 1


def test_splits_are_summarised_and_seeds_averaged_before(runs):
    for split in (0, 1, 2):
        for seed in (0, 1):
            runs.write(split=split, seed=seed)
    row = entry(runs)
    values = {}
    for run in collect([runs.root]).runs:
        test = run.predictions.select("test")
        values.setdefault(run.split, []).append(srcc(test.score, test.mos))
    by_split = [np.mean(v) for v in values.values()]
    assert row.spreads["srcc"].median == pytest.approx(np.median(by_split))
    assert row.spreads["srcc"].mean == pytest.approx(np.mean(by_split))
    assert row.spreads["srcc"].sd == pytest.approx(np.std(by_split, ddof=1))
    assert (len(row.splits), row.seeds) == (3, (0, 1))


def rows_of_test_stand_by_median_srcc_with_reference_rows_among_them(runs):
    runs.write("good", noise=0.01)
    runs.write("bad", noise=0.5)
    rows = section(runs).entries
    medians = [row.spreads["srcc"].median for row in rows]
    assert medians == sorted(medians, reverse=True)
    assert {row.name for row in rows if row.kind == "reference"} == {
        "label-only", "scale-only", "oracle-grade"
    }  # fmt: skip
    names = [row.name for row in rows]
    assert names.index("good joint") < names.index("label-only") < names.index("bad joint")


def test_a_constant_prediction_is_undefined_and_last(runs):
    runs.write("constant", columns={"score": np.full(200, 0.5)})
    runs.write("other")
    rows = section(runs).entries
    assert rows[-1].name == "constant joint"
    assert math.isnan(rows[-1].spreads["srcc"].median)
    assert rows[-1].spreads["rmse"].median > 0
    assert rows[-1].fits == {"undefined": 1}
    assert rows[-1].marks == ("SRCC undefined in 1 of 1 runs",)


def test_few_references_have_a_range_and_no_interval(runs):
    runs.write()
    row = entry(runs)
    assert row.interval.groups == 5
    assert math.isnan(row.interval.low)
    low, high = row.extent
    assert low <= high
    (test,) = rows_of_test(runs)
    own = [
        stats.spearmanr(
            [s for s, r in zip(test.score, test.reference, strict=True) if r == name],
            [m for m, r in zip(test.mos, test.reference, strict=True) if r == name],
        ).statistic
        for name in sorted(set(test.reference))
    ]
    assert (low, high) == pytest.approx((min(own), max(own)))


def test_enough_references_have_an_interval_around_the_value(runs):
    runs.write(references=60)
    row = entry(runs)
    assert row.interval.groups == 12
    assert row.interval.low < row.spreads["srcc"].median < row.interval.high


def test_over_folds_the_interval_is_of_the_mean_of_folds(runs):
    for split in range(5):
        runs.write(split=split, protocol="kfold")
    row = entry(runs)
    assert row.view_label == "5 folds of kfold5-s0"
    assert sorted(row.view.image) == sorted(i for t in rows_of_test(runs) for i in t.image)
    assert len(set(row.view.image)) == 200
    assert row.interval.groups == 25
    assert row.interval.point == pytest.approx(row.spreads["srcc"].mean, abs=1e-12)
    label = entry(runs, "label-only")
    assert label.interval.point == pytest.approx(label.spreads["srcc"].mean, abs=1e-12)


def test_offsets_of_folds_do_not_count(runs):
    for split in range(5):
        folder = runs.write("plain", split=split, protocol="kfold", noise=0.05)
        del folder
        score = next(r.predictions.score for r in collect([runs.root]).runs if r.fold[1] == split)
        runs.write("moved", split=split, protocol="kfold", columns={"score": score + split})
    plain, moved = (entry(runs, f"{name} joint") for name in ("plain", "moved"))
    assert moved.interval.point == pytest.approx(plain.interval.point)


def test_standard_ranks():
    values = np.array([3.0, 1.0, 2.0, 10.0, 10.0, 30.0])
    found = standard_ranks(values, [3, 3])
    assert found[:3] == pytest.approx(np.array([1, -1, 0]) / np.std([1, 2, 3]))
    assert found[3:] == pytest.approx((np.array([1.5, 1.5, 3]) - 2) / np.std([1.5, 1.5, 3]))
    assert standard_ranks(np.array([1.0, 2.0, 5.0, 5.0]), [2, 2]) is None


def test_a_fold_without_an_order_has_no_interval(predictions):
    table = predictions(n=60)
    constant = np.where(np.arange(60) < 30, table.score, 0.5)
    rows = predictions(n=60, score=constant)
    assert "undefined on a fold" in interval(rows, [30, 30]).reason
    groups = list(map(str, table.reference))
    found = difference(table.score, constant, table.mos, groups, [30, 30])
    assert math.isnan(found.p)
    assert "undefined on a fold" in found.reason


def test_seeds_are_averaged_image_by_image(predictions):
    first, second = predictions(), predictions(seed=1)
    turned = type(second)(
        **{
            name: column[::-1] if isinstance(column, tuple) else column[::-1].copy()
            for name, column in vars(second).items()
        }
    )
    found = averaged([first, turned])
    assert found.image == first.image
    assert found.score == pytest.approx((first.score + second.score) / 2)
    p = (first.probabilities + second.probabilities) / 2
    assert found.grade.tolist() == median_grade(p).tolist()
    assert averaged([first]) is first
    assert (averaged([predictions(grades=0), predictions(grades=0)]).grade == -1).all()


def test_across_datasets_raw_rmse_means_nothing(predictions):
    test = predictions()
    assert math.isnan(measure(test, own_unit=False).values["rmse"])
    assert measure(test, own_unit=False).values["rmse_mapped"] > 0
    assert measure(test).values["rmse"] > 0


def test_spread_counts_where_it_is_defined():
    found = spread([0.5, math.nan, 0.7])
    assert (found.median, found.mean, found.defined, found.splits) == (0.6, 0.6, 2, 3)
    assert math.isnan(spread([math.nan]).median)
    assert spread([math.nan]).defined == 0


def test_numbers_as_text():
    assert (decimals(math.nan), percent(math.nan)) == (DASH, DASH)
    assert (decimals(-0.0512), decimals(250.0), percent(0.7123)) == ("-0.051", "250.0", "71.2 %")


def test_further_columns_are_shown_only_where_a_row_has_them(runs):
    runs.write()
    found = section(runs)
    titles = [column.title for column in leaderboard_table(found).columns]
    for quantity in FURTHER:
        defined = any(row.spreads[quantity.key].defined for row in found.entries)
        shown = any(title.startswith(quantity.title) for title in titles)
        assert shown == defined, quantity.key
    assert all(len(row.cells) == len(titles) for row in leaderboard_table(found).rows)
