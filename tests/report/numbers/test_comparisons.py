import itertools
import math

import numpy as np
import pytest

from hmtnet.errors import DataError
from hmtnet.metrics import srcc
from hmtnet.metrics.resampling import paired_bootstrap
from hmtnet.metrics.significance import compare_systems, holm, rank_stability, wilcoxon
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.comparisons import paired_scores
from hmtnet.report.numbers.intervals import RESAMPLES, SEED

NOISES = {"good": 0.02, "middling": 0.1, "bad": 0.3}


def section(runs):
    (found,) = build_report(collect([runs.root])).sections
    return found


def by_system(runs):
    """Test predictions by system and split."""
    found = {}
    for run in collect([runs.root]).runs:
        found.setdefault(f"{run.system} {run.stage}", {})[run.split] = run.predictions.select(
            "test"
        )
    return found


def test_within_one_split_it_is_the_paired_bootstrap(runs):
    for name, noise in NOISES.items():
        runs.write(name, noise=noise, references=60)
    found = section(runs)
    (test,) = found.comparison.tests
    assert set(test.names) == {"good joint", "middling joint", "bad joint", "label-only"}
    views = {row.name: row.view for row in found.entries}
    expected = {}
    for a, b in itertools.combinations(test.names, 2):
        rows = views[a]
        expected[a, b] = paired_bootstrap(
            rows.score, views[b].score, rows.mos, rows.reference, "srcc", RESAMPLES, SEED
        )
    adjusted = holm([d.p for d in expected.values()])
    for ((a, b), difference), p in zip(expected.items(), adjusted, strict=True):
        cell = test.cells[a, b]
        assert (cell.point, cell.low, cell.high) == (
            difference.point, difference.low, difference.high
        )  # fmt: skip
        assert cell.p == p
        turned = test.cells[b, a]
        assert (turned.point, turned.low, turned.high) == (-cell.point, -cell.high, -cell.low)


def test_over_splits_it_is_the_corrected_t_test(runs):
    for name, noise in NOISES.items():
        for split in range(4):
            runs.write(name, noise=noise, split=split)
    found = section(runs)
    test = found.comparison.tests[-1]
    assert "Corrected resampled t-test over 4 splits" in test.title
    tables = by_system(runs)
    splits = list(next(iter(tables.values())))
    results = {
        name: [srcc(tables[name][s].score, tables[name][s].mos) for s in splits]
        for name in test.names
        if name in tables
    }
    label = next(row for row in found.entries if row.name == "label-only")
    results["label-only"] = [o.measured.values["srcc"] for o in label.outcomes]
    ordered = {name: results[name] for name in test.names}
    expected = compare_systems(ordered, 120, 40)
    for pair, comparison in expected.items():
        assert test.cells[pair].point == pytest.approx(comparison.test.mean)
        assert test.cells[pair].p == pytest.approx(comparison.p_holm)
    ranks = rank_stability(list(ordered.values()))
    assert sorted(r.mean for r in found.comparison.ranks) == pytest.approx(sorted(ranks.mean_rank))
    assert f"{ranks.concordance:.2f}" in found.comparison.rank_note


def test_over_six_disjoint_folds_it_is_wilcoxon(runs):
    for name, noise in NOISES.items():
        for fold in range(6):
            write_fold(runs, name, noise, fold)
    test = section(runs).comparison.tests[-1]
    assert "Wilcoxon signed-rank test over 6 disjoint folds" in test.title
    tables = by_system(runs)
    a, b = "good joint", "bad joint"
    differences = [
        srcc(tables[a][s].score, tables[a][s].mos) - srcc(tables[b][s].score, tables[b][s].mos)
        for s in tables[a]
    ]
    single = wilcoxon(differences, [tables[a][s].image for s in tables[a]])
    cell = test.cells[a, b]
    assert cell.point == pytest.approx(np.mean(differences))
    assert single.p <= cell.p <= 6 * single.p
    assert any("6 folds cannot tell 6 pairs apart" in note for note in test.notes)


def write_fold(runs, name, noise, fold):
    subsets = {fold: "test", (fold + 1) % 6: "val"}
    named = tuple(subsets.get(r % 6, "train") for r in range(24) for _ in range(8))
    split = {
        "id": f"kfold6-s0-i{fold}-0000000{fold}",
        "protocol": "kfold",
        "variant": "kfold6",
        "seed": 0,
        "index": fold,
        "folds": 6,
        "leaky": False,
        "images": {},
    }
    runs.write(
        name,
        noise=noise,
        references=24,
        columns={"subset": named},
        parts={"split": split},
        protocol="kfold",
        key=f"{name}{fold}",
    )


def test_the_winner_beats_every_other_row(runs):
    for split in range(5):
        runs.write("good", noise=0.005, split=split)
        runs.write("bad", noise=0.4, split=split)
    name, why = section(runs).comparison.winner
    assert name == "good joint"
    assert "Corrected resampled t-test" in why


def test_no_winner_where_no_test_tells(runs):
    runs.write("a", noise=0.05)
    runs.write("b", noise=0.05)
    found = section(runs).comparison
    assert found.winner is None
    assert any("5 groups" in note for note in found.tests[0].notes)
    assert all(math.isnan(cell.p) for cell in found.tests[0].cells.values())


def test_runs_of_different_splits_are_not_paired(runs):
    runs.write("a", split=0)
    runs.write("b", split=1)
    found = section(runs)
    rows = {row.name: row for row in found.entries}
    with pytest.raises(DataError, match=r"'a joint' and 'b joint' were tested on different splits"):
        paired_scores(rows["a joint"], rows["b joint"])
    (within,) = found.comparison.tests
    assert ("a joint", "b joint") not in within.cells
    assert any("split.seed" in note for note in within.notes)
    assert any("different splits" in note for note in found.notes)


def test_a_row_that_lacks_splits_is_left_out_of_tests_over_splits_and_named(runs):
    for split in range(3):
        runs.write("whole", split=split)
        runs.write("also", split=split)
    runs.write("part", split=0)
    test = section(runs).comparison.tests[-1]
    assert "part joint" not in test.names
    assert any("'part joint' was tested on 1 of these 3 splits" in note for note in test.notes)


def test_a_row_that_is_undefined_is_not_compared_and_named(runs):
    for split in range(2):
        runs.write("good", split=split)
        runs.write("flat", split=split, columns={"score": np.full(200, 0.5)})
    test = section(runs).comparison.tests[-1]
    assert "flat joint" not in test.names
    assert any("'flat joint'" in note for note in test.notes)


def test_numbers_by_method_and_scale(runs):
    for split in (0, 1):
        runs.write("a", split=split)
    method, scale = section(runs).breakdowns
    assert method.groups == ("method0", "method1", "method2", "method3")
    assert scale.groups == ("×2", "×4")
    table = next(iter(by_system(runs)["a joint"].values()))
    rows = [i for i, s in enumerate(table.scale) if s == 2]
    assert scale.values["a joint", "×2"] == srcc(table.score[rows], table.mos[rows])
    assert scale.images == {"×2": 20, "×4": 20}


def test_fractional_scales_stand_in_the_order_of_their_size(runs):
    scales = tuple((10, 1.5, 1.25, 2)[i % 4] for i in range(200))
    for split in (0, 1):
        runs.write("a", split=split, columns={"scale": scales})
    assert section(runs).breakdowns[-1].groups == ("×1.25", "×1.5", "×2", "×10")


def test_over_folds_they_are_means_of_folds(runs):
    for split in range(5):
        runs.write("a", split=split, protocol="kfold")
    _, scale = section(runs).breakdowns
    own = []
    for table in by_system(runs)["a joint"].values():
        rows = [i for i, s in enumerate(table.scale) if s == 4]
        own.append(srcc(table.score[rows], table.mos[rows]))
    assert scale.values["a joint", "×4"] == pytest.approx(np.mean(own))
    assert scale.images["×4"] == 100


def test_of_many_rows_the_best_are_compared_and_it_is_told(runs):
    for seed in range(12):
        runs.write(f"system{seed}")
    (test,) = section(runs).comparison.tests
    assert len(test.names) == 10
    assert any("Of 13 rows, the best 10 are compared" in note for note in test.notes)
