"""Baselines over many splits, against numbers computed by hand."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hmtnet.baselines.study import study
from hmtnet.data.labels import Labels
from hmtnet.data.protocols import make
from hmtnet.data.record import Record
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError


def labels_of(methods=("a", "b", "c"), noise=0.3):
    rng = np.random.default_rng(0)
    records = tuple(
        Record(
            image=f"{reference}_{method}_{scale}.png",
            mos=10 - 2 * scale - 0.3 * methods.index(method) + float(rng.uniform(-noise, 0)),
            reference=str(reference),
            method=method,
            scale=scale,
        )
        for reference in range(10)
        for method in methods
        for scale in (2, 3, 4)
    )
    return Labels(
        name="fake",
        root=Path("nowhere"),
        records=records,
        label_kind="human",
        mos_range=(0.0, 10.0),
        higher_is_better=True,
    )


def test_every_number_is_that_of_the_test_images_predicted_by_training_means():
    labels = labels_of()
    settings = SplitSettings(seed=3)
    found = {outcome.baseline: outcome for outcome in study(labels, [settings]).outcomes}
    split = make(labels, settings)
    train, test = ([labels.records[row] for row in rows] for rows in (split.train, split.test))
    truth = [record.mos for record in test]
    for name, key in (("scale-only", "scale"), ("label-only", "method")):

        def alike(one, other, key=key):
            return one.scale == other.scale and getattr(one, key) == getattr(other, key)

        scores = [np.mean([r.mos for r in train if alike(r, record)]) for record in test]
        outcome = found[name]
        assert outcome.split == split.id and outcome.n == len(test)
        assert outcome.srcc == pytest.approx(stats.spearmanr(scores, truth)[0], abs=1e-9)
        assert outcome.plcc == pytest.approx(stats.pearsonr(scores, truth)[0], abs=1e-9)
        assert outcome.krcc == pytest.approx(stats.kendalltau(scores, truth)[0], abs=1e-9)
        error = np.sqrt(np.mean((np.array(scores) - truth) ** 2))
        assert outcome.rmse == pytest.approx(error, abs=1e-9)
    used = {"method and scale": len(test), "scale": 0, "method": 0, "all": 0}
    assert found["label-only"].used == used
    assert found["scale-only"].used == {"scale": len(test), "all": 0}


def test_an_unseen_method_is_predicted_by_its_scale():
    outcomes = study(labels_of(), [SplitSettings(protocol="method")]).outcomes
    label_only = next(o for o in outcomes if o.baseline == "label-only")
    assert label_only.used == {"method and scale": 0, "scale": label_only.n, "method": 0, "all": 0}


def test_a_baseline_that_does_not_apply_says_why():
    found = study(labels_of(methods=(None,)), [SplitSettings()])
    assert [outcome.baseline for outcome in found.outcomes] == ["scale-only"]
    assert found.reasons == {"label-only": "no SR method is named"}


def test_a_split_that_shows_test_references_in_training_has_a_third_row():
    outcomes = study(labels_of(), [SplitSettings(protocol="image")]).outcomes
    assert [o.baseline for o in outcomes] == ["scale-only", "label-only", "label+reference"]
    assert outcomes[-1].used["method, scale and reference"] == outcomes[-1].n


def test_sharpness_stands_beside_them_where_it_is_known():
    labels = labels_of()
    outcomes = study(labels, [SplitSettings()], variance=np.exp(-labels.mos)).outcomes
    assert [o.baseline for o in outcomes] == ["scale-only", "label-only", "sharpness"]
    assert outcomes[-1].srcc == pytest.approx(1)  # the more the worse, as training images say


def test_a_leaky_protocol_is_known_to_be_leaky():
    assert study(labels_of(), [SplitSettings(protocol="image")]).leaky
    assert not study(labels_of(), [SplitSettings()]).leaky


def test_a_final_fit_tests_nothing():
    with pytest.raises(DataError, match=r"split=all tests nothing"):
        study(labels_of(), [SplitSettings(protocol="all")])
