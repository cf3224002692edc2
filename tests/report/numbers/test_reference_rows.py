import dataclasses

import numpy as np
import pytest

from hmtnet.artifact.digests import record_beside
from hmtnet.artifact.predictions import read, write
from hmtnet.metrics import srcc
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.reference_rows import reference_rows


def rows(runs):
    return {row.name: row for row in reference_rows(collect([runs.root]).runs)}


def test_an_unseen_scale_falls_back_to_the_method(runs):
    """As ``hmtnet baseline`` does: it is the same function."""
    plain = read(runs.write() / "predictions.csv")
    scales = tuple(8 if s == "test" else x for s, x in zip(plain.subset, plain.scale, strict=True))
    runs.write("other", seed=1, columns={"scale": scales}, protocol="scale")
    found = [r for r in collect([runs.root]).runs if r.protocol == "scale"]
    label = next(row for row in reference_rows(found) if row.name == "label-only")
    (test,) = label.tests.values()
    train = plain.select("train")
    for method, score in zip(test.method, test.score, strict=True):
        alike = [m for m, k in zip(train.mos, train.method, strict=True) if k == method]
        assert score == pytest.approx(np.mean(alike))
    assert label.fallback == 1.0
    assert len(set(test.score)) > 1  # so that it ranks: SRCC is defined


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
    scale, label, _ = reference_rows(found)
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


def test_a_shared_reference_adds_a_row(runs):
    assert "label+reference" not in {row.name for row in reference_rows_of(runs, "content")}
    found = {row.name: row for row in reference_rows_of(runs, "official", shared=True)}
    (label,), (both,) = (found[n].tests.values() for n in ("label-only", "label+reference"))
    assert srcc(both.score, both.mos) > srcc(label.score, label.mos)


def reference_rows_of(runs, protocol, shared=False):
    plain = read(runs.write(protocol=protocol) / "predictions.csv")
    if shared:
        subsets = tuple("test" if i % 5 == 0 else "train" for i in range(len(plain)))
        runs.write("other", protocol=protocol, columns={"subset": subsets}, split=1)
    return reference_rows(
        [
            run
            for run in collect([runs.root]).runs
            if run.protocol == protocol and (run.system == "other") == shared
        ]
    )


def test_sharpness_is_read_from_where_training_left_it(runs):
    folder = runs.write()
    test = read(folder / "predictions.csv").select("test")
    left = dataclasses.replace(
        test, score=test.mos / 2 + 0.1, probabilities=np.zeros((len(test), 0))
    )
    assert "sharpness" not in rows(runs)
    write(folder.parent / "sharpness-0a1b" / "predictions.csv", left)
    found = rows(runs)["sharpness"]
    (shown,) = found.tests.values()
    assert shown.score.tolist() == left.score.tolist() and found.reason == ""
    assert shown.grade.tolist() == [int(5 * s) for s in shown.score]
    runs.write(split=1)
    assert rows(runs)["sharpness"].reason == "not measured in 1 of 2 splits"
    # What was left of other labels is not taken.
    write(
        folder.parent / "sharpness-0a1b" / "predictions.csv",
        dataclasses.replace(left, mos=left.mos + 0.01),
    )
    assert "sharpness" not in rows(runs)


def test_what_is_left_of_sharpness_is_told_where_it_was_changed(runs):
    folder = runs.write()
    path = folder.parent / "sharpness-0a1b" / "predictions.csv"
    write(path, read(folder / "predictions.csv").select("test"))
    assert collect([runs.root]).problems == ()  # of a version that wrote no digest
    record_beside(path)
    assert collect([runs.root]).problems == () and "sharpness" in rows(runs)
    edited = path.read_text().replace(",0.", ",1.", 1)
    for spoil in (lambda: path.write_text(edited), lambda: path.write_text(""), path.unlink):
        spoil()
        (problem,) = collect([folder]).problems
        assert problem.path == path.parent and "predictions.csv" in problem.message
        assert "sharpness" not in rows(runs)


def test_other_grades_have_an_oracle_of_their_own(runs):
    runs.write()
    three = {"edges_unit": [0.3, 0.6], "edges": [0.3, 0.6], "rule": "kmeans"}
    runs.write(stage="three", grades=three)
    assert {"oracle-grade (5 width)", "oracle-grade (3 kmeans)"} <= rows(runs).keys()
