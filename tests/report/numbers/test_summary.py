import dataclasses
import math

import numpy as np
import pytest
import scipy.stats

from hmtnet.artifact.predictions import read, write
from hmtnet.errors import DataError
from hmtnet.metrics import within_srcc, within_tau
from hmtnet.report.numbers.summary import summarise


def test_every_number_is_that_of_the_subset_alone(predictions):
    table = predictions(subset=("train",) * 20 + ("test",) * 40)
    summary = summarise(table, "test")
    score, mos = table.score[20:], table.mos[20:]
    true, grade = table.true_grade[20:], table.grade[20:]
    cells = list(zip(table.method, table.scale, strict=True))[20:]
    right = grade == true
    assert summary.n == 40
    assert summary.srcc == pytest.approx(scipy.stats.spearmanr(score, mos).statistic, abs=1e-12)
    assert summary.plcc == pytest.approx(scipy.stats.pearsonr(score, mos).statistic, abs=1e-12)
    assert summary.krcc == pytest.approx(scipy.stats.kendalltau(score, mos).statistic, abs=1e-12)
    assert summary.rmse == pytest.approx(np.sqrt(np.mean((score - mos) ** 2)), abs=1e-12)
    assert summary.within_tau == within_tau(score, mos, cells)
    assert 0 < summary.within_tau < 1
    assert summary.accuracy == pytest.approx(right.mean())
    assert summary.adjacent_accuracy == pytest.approx(np.mean(abs(grade - true) <= 1))
    assert 0 < summary.kappa < 1
    assert summary.ece == pytest.approx(abs(right.mean() - 0.8))


def test_within_srcc_needs_cells_of_five(predictions):
    table = predictions(methods=2, scales=3)
    cells = list(zip(table.method, table.scale, strict=True))
    expected = within_srcc(table.score, table.mos, cells)
    assert summarise(table, "test").within_srcc == expected
    assert math.isnan(summarise(predictions(20), "test").within_srcc)


def test_what_a_baseline_does_not_predict_is_not_applicable(predictions):
    summary = summarise(predictions(grades=0, methods=0), "test")
    undefined = {name for name, value in dataclasses.asdict(summary).items() if math.isnan(value)}
    assert undefined == {
        "within_tau",
        "within_srcc",
        "accuracy",
        "adjacent_accuracy",
        "kappa",
        "ece",
    }


def test_grades_of_a_part_of_the_images_are_no_accuracy(predictions):
    table = predictions()
    grade = table.grade.copy()
    grade[3] = -1
    summary = summarise(dataclasses.replace(table, grade=grade), "test")
    assert math.isnan(summary.accuracy)
    assert math.isnan(summary.kappa)
    assert summary.ece > 0  # needs probabilities and true grades only
    true = table.true_grade.copy()
    true[3] = -1
    assert math.isnan(summarise(dataclasses.replace(table, true_grade=true), "test").ece)


def test_without_a_scale_the_method_is_the_cell(predictions):
    table = predictions(scales=0)
    assert summarise(table, "test").within_tau == within_tau(table.score, table.mos, table.method)


def test_a_constant_prediction_is_undefined_and_not_zero(predictions):
    summary = summarise(predictions(score=np.full(60, 0.3)), "test")
    assert all(math.isnan(v) for v in (summary.srcc, summary.plcc, summary.krcc))
    assert summary.rmse > 0


def test_a_subset_without_predictions_is_an_error(predictions):
    with pytest.raises(DataError, match=r"has predictions \(test\), found 'val'"):
        summarise(predictions(), "val")


def test_the_file_alone_gives_the_same_numbers(predictions, tmp_path):
    table = predictions()
    write(tmp_path / "predictions.csv", table)
    assert summarise(read(tmp_path / "predictions.csv"), "test") == summarise(table, "test")
