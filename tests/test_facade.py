"""What ``import hmtnet`` gives: every name there is, and none before it is asked for."""

import math
from itertools import combinations

import pytest

import hmtnet
from hmtnet.errors import ArtifactError, DataError, SettingsError


def test_every_name_is_there_and_no_other():
    for name in hmtnet.__all__:
        assert getattr(hmtnet, name) is not None and name in dir(hmtnet)
    with pytest.raises(AttributeError, match="no attribute 'scorer'"):
        _ = hmtnet.scorer


def test_a_dataset_is_read_and_split_by_name(demo_root):
    demo = hmtnet.read_dataset("demo")
    found = hmtnet.split(demo, "method", seed=3)
    assert found.protocol == "method" and found.seed == 3
    assert {"demo", "table"} <= set(hmtnet.list_datasets()) and "plain" in hmtnet.list_systems()
    with pytest.raises(SettingsError, match=r"sed.*seed"):
        hmtnet.split(demo, sed=3)
    with pytest.raises(SettingsError, match=r"rot.*root"):
        hmtnet.read_dataset("demo", rot="x")


def test_labels_are_read_without_their_images(tiny_root, tmp_path):
    (tmp_path / "mos_with_names.txt").write_bytes((tiny_root / "mos_with_names.txt").read_bytes())
    labels = hmtnet.read_dataset("qads", root=str(tmp_path), labels_only=True)
    assert len(labels) == 24 and labels.fingerprint.startswith("labels-")
    whole = hmtnet.read_dataset("qads", name="mine", root=str(tiny_root))  # QADS has more images
    assert hmtnet.verify(whole).sound and (whole.mos == labels.mos).all()
    with pytest.raises(hmtnet.HmtnetError):
        hmtnet.read_dataset("qads", root=str(tmp_path))


def test_training_returns_what_the_command_has_left(finished, tiny, runs, capsys):
    _, *words = map(str, tiny(runs))
    stages = hmtnet.train(*words)
    assert list(stages) == ["grading", "sfen", "joint"]
    assert [path.name for path in stages.values()] == [p.name for p in finished.stages.values()]
    assert capsys.readouterr().out == ""
    with pytest.raises(SettingsError, match=r"use sweep"):
        hmtnet.train("-m", *words)
    with pytest.raises(SettingsError, match=r"Put -m before"):
        hmtnet.train(*words, "seed=0,1")


def test_a_sweep_returns_its_trials(finished, tiny, runs, capsys):
    _, *words = map(str, tiny(runs, "stages=[grading]", "evaluate.train=false"))
    table = hmtnet.sweep(*words, "system.grading.optimizer.lr=1e-3,3e-3")
    assert table.lr.tolist() == ["0.001", "0.003"] and set(table.state) == {"complete"}
    assert finished.stages["grading"].name == f"grading-{table.key[1]}"  # tiny's own rate
    with_curve = hmtnet.curves(next(runs.glob(f"*/*/grading-{table.key[0]}")))
    assert with_curve["val/srcc"].max() == pytest.approx(table.val_srcc[0])
    assert "best: trial" in capsys.readouterr().out


def test_curves_and_predictions_are_frames(finished, tmp_path):
    joint = finished.stages["joint"]
    curve, tested = hmtnet.curves(joint), hmtnet.predictions(joint, "test")
    assert curve.epoch.tolist() == [0, 1]
    assert set(tested.subset) == {"test"} and len(hmtnet.predictions(joint)) == 24
    frame = hmtnet.runs(joint)
    found = hmtnet.metrics.srcc(tested.score, tested.mos)
    assert found == frame[frame.stage == "joint"].srcc.iloc[0]
    assert tested[["p_1", "p_2", "p_3"]].sum(axis=1).to_numpy() == pytest.approx(1)
    with pytest.raises(ArtifactError, match="no learning curves"):
        hmtnet.curves(tmp_path)
    with pytest.raises(ArtifactError):
        hmtnet.predictions(tmp_path)


def test_runs_and_the_tests_between_them_are_frames(finished):
    frame = hmtnet.runs(finished.runs)
    trained = frame[frame.kind == "system"]
    assert set(trained.stage) == {"grading", "sfen", "joint"}
    joint = trained[trained.stage == "joint"].iloc[0]
    predictions = hmtnet.runs(joint.path)
    assert predictions[predictions.stage == "joint"].iloc[0].srcc == joint.srcc
    assert math.isfinite(joint.srcc) and set(frame[frame.kind == "reference"].path) == {None}
    pairs = hmtnet.compare_runs(finished.runs)
    assert {(a, b) for a, b in combinations(trained.name, 2)} <= {
        (a, b)
        for first, second in zip(pairs["first"], pairs["second"], strict=True)
        for a, b in ((first, second), (second, first))
    }


def test_without_runs_it_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="hmtnet train"):
        hmtnet.runs(tmp_path)
