"""What ``import hmtnet`` gives: every name there is, and none before it is asked for."""

import math
from itertools import combinations

import pytest

import hmtnet
from hmtnet.errors import DataError, SettingsError


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
