import dataclasses

import numpy as np
import pytest

from hmtnet.artifact.predictions import read
from hmtnet.baselines.labels import label_only, scale_only
from hmtnet.data.labels import Labels
from hmtnet.data.record import Record
from hmtnet.data.split import Split
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.reference_rows import reference_rows, training_means


def rows(runs):
    return {row.name: row for row in reference_rows(collect([runs.root]).runs)}


@pytest.mark.parametrize(
    ("name", "baseline"), [("label-only", label_only), ("scale-only", scale_only)]
)
def test_they_are_the_baselines_of_training(runs, tmp_path, name, baseline):
    found = read(runs.write() / "predictions.csv")
    records = tuple(
        Record(image=i, mos=float(m), reference=r, method=k, scale=s)
        for i, m, r, k, s in zip(
            found.image, found.mos, found.reference, found.method, found.scale, strict=True
        )
    )
    labels = Labels(
        name="tiny",
        root=tmp_path,
        records=records,
        label_kind="human",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
    )
    subsets = [
        tuple(i for i, s in enumerate(found.subset) if s == subset)
        for subset in ("train", "val", "test")
    ]
    expected = baseline(labels, Split("content", 0, *subsets, id="x", leaky=False)).scores
    (test,) = rows(runs)[name].tests.values()
    assert test.score == pytest.approx(expected[list(subsets[2])], abs=1e-14)
    assert test.mos.tolist() == found.mos[list(subsets[2])].tolist()


def test_oracle_grade_knows_the_true_grade_only(runs):
    found = read(runs.write() / "predictions.csv")
    train, test = found.select("train"), found.select("test")
    (oracle,) = rows(runs)["oracle-grade"].tests.values()
    for grade in range(5):
        mean = train.mos[train.true_grade == grade].mean()
        assert oracle.score[test.true_grade == grade] == pytest.approx(mean)
    assert (oracle.grade == -1).all()


def test_a_baseline_is_graded_by_the_edges(runs):
    runs.write()
    (test,) = rows(runs)["label-only"].tests.values()
    assert test.grade.tolist() == [int(5 * s) for s in test.score]
    assert test.probabilities.shape == (40, 0)


def test_where_lower_is_better_edges_turn(runs):
    dataset = {
        "name": "tiny",
        "fingerprint": "f",
        "label_kind": "human",
        "mos_range": [0.0, 1.0],
        "higher_is_better": False,
    }
    runs.write(parts={"dataset": dataset})
    (test,) = rows(runs)["label-only"].tests.values()
    assert test.grade.tolist() == [int(5 * (1 - s)) for s in test.score]


def test_an_unseen_method_falls_back_and_it_is_told(runs):
    def methods(table):
        return tuple(
            "new" if s == "test" else m for s, m in zip(table.subset, table.method, strict=True)
        )

    plain = read(runs.write() / "predictions.csv")
    runs.write("other", seed=1, columns={"method": methods(plain)}, protocol="method")
    found = [r for r in collect([runs.root]).runs if r.protocol == "method"]
    label, scale, _ = reference_rows(found)
    assert label.fallback == 1.0
    (a,), (b,) = label.tests.values(), scale.tests.values()
    assert a.score.tolist() == b.score.tolist()


def test_without_training_images_they_say_why(runs):
    found = read(runs.write() / "predictions.csv")
    test = found.select("test")
    runs.write("z", seed=1, protocol="official", columns=dataclasses.asdict(test))
    only = [r for r in collect([runs.root]).runs if r.protocol == "official"]
    for row in reference_rows(only):
        assert row.tests == {}
        assert "training images" in row.reason


def test_without_methods_or_scales_or_grades_they_say_why(runs):
    runs.write(
        columns={"method": (None,) * 200, "scale": (None,) * 200, "true_grade": np.full(200, -1)}
    )
    found = rows(runs)
    assert found["label-only"].reason == "no SR method is named"
    assert found["scale-only"].reason == "no scale is named"
    assert "true grade" in found["oracle-grade"].reason


def test_other_grades_have_an_oracle_of_their_own(runs):
    runs.write()
    three = {"edges_unit": [0.3, 0.6], "edges": [0.3, 0.6], "rule": "kmeans"}
    runs.write(stage="three", grades=three)
    assert {"oracle-grade (5 width)", "oracle-grade (3 kmeans)"} <= rows(runs).keys()


def test_training_means():
    found = training_means(["a", "a", "b", None], np.array([1.0, 3.0, 5.0, 9.0]), ["a", "c", None])
    assert found[0] == 2.0
    assert np.isnan(found[1:]).all()
