"""Scores that were computed elsewhere stand beside those of trained systems."""

import json
import shutil

import pytest

import hmtnet as package
from hmtnet.artifact import predictions as prediction_files


@pytest.fixture
def scores(tmp_path, tiny_root, finished):
    """Two metrics: the trained joint stage's scores in another unit, and one of half the images."""
    known = prediction_files.read(finished.stages["joint"] / "predictions.csv")
    lines = ["image,twin,distance"]
    for row, (image, score) in enumerate(zip(known.image, known.score, strict=True)):
        lines.append(f"{image},{200 * score + 7},{-score + 0.2 * (row % 3) if row % 2 else ''}")
    path = tmp_path / "metrics.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def data(tiny_root):
    return ("data=qads", f"data.root={tiny_root}")


def test_they_stand_in_one_table_with_trained_ones(hmtnet, scores, data, finished, tmp_path):
    runs = shutil.copytree(finished.runs, tmp_path / "runs")
    done = hmtnet("adopt", scores, *data, "columns=[twin]", f"runs={runs}")
    assert done.code == 0, done.err
    assert "24 of 24" in done.out and "hmtnet report" in done.out
    frame = package.runs(runs).set_index("name")
    twin, joint = frame.loc["twin scores"], frame.loc["hmtnet joint"]
    assert twin.srcc == joint.srcc and twin.plcc == pytest.approx(joint.plcc)
    assert twin.split == joint.split and frame.loc["label-only"].srcc is not None
    # The unit is the dataset's, by the training images alone.
    assert twin.rmse < 1


def test_of_a_part_all_are_compared_on_the_common_part(hmtnet, scores, data, finished, tmp_path):
    runs = shutil.copytree(finished.runs, tmp_path / "runs")
    words = (scores, *data, "lower=[distance]", "reference=[distance]", f"runs={runs}")
    document = json.loads(hmtnet("adopt", *words, "format=json").out)
    counts = {metric["name"]: metric["scored"] for metric in document["metrics"]}
    assert counts == {"twin": 24, "distance": 12}
    frame = package.runs(runs)
    assert len(set(frame.images)) == 1  # also of rows that never look at a pixel
    whole = package.runs(finished.runs)
    assert frame.images.iloc[0] < whole.images.iloc[0]
    assert frame.set_index("name").loc["distance scores"].srcc > 0  # lower is better
    printed = hmtnet("report", runs, "--output", tmp_path / "report").out
    assert "distance scores: scores of a part of the images" in printed
    assert "distance scores: full reference" in printed


def test_a_label_table_is_enough(hmtnet, scores, tiny_root, tmp_path):
    alone = tmp_path / "labels"
    alone.mkdir()
    shutil.copy(tiny_root / "mos_with_names.txt", alone)
    runs = tmp_path / "runs"
    words = (scores, "data=qads", f"data.root={alone}", f"runs={runs}", "columns=[twin]")
    done = hmtnet("adopt", *words, "splits=2")
    assert done.code == 0 and "labels alone count" in done.err
    assert len(package.runs(runs).query("name == 'twin scores'")) == 2
    printed = hmtnet("report", runs, "--output", tmp_path / "report").out
    assert "Only the labels of the dataset were there" in printed


def test_bad_input_is_one_message_and_writes_nothing(hmtnet, scores, data, tmp_path):
    runs = tmp_path / "runs"
    foreign = tmp_path / "foreign.csv"
    foreign.write_text("image,niqe\nother.png,1\n")
    for words, told in {
        (scores, "lower=[dist]"): "Did you mean 'distance'?",
        (foreign,): "name no image of 'qads'",
        (tmp_path / "none.csv",): "cannot be read",
        (scores, "split=all"): "tests nothing",
        (): "scores=<value>",
    }.items():
        done = hmtnet("adopt", *words, *data, f"runs={runs}")
        assert (done.code, done.out) == (2, "") and told in done.err, done.err
    assert not runs.exists()


def test_there_is_nothing_to_score_with(hmtnet, scores, data, tmp_path, tiny_root):
    runs = tmp_path / "runs"
    hmtnet("adopt", scores, *data, "columns=[twin]", f"runs={runs}")
    (folder,) = runs.glob("*/*/twin-*")
    done = hmtnet("score", tiny_root, "--model", folder)
    assert done.code == 2 and "computed elsewhere" in done.err
    (run,) = json.loads(hmtnet("runs", "list", "--runs", runs, "--format", "json").out)
    assert run["state"] == "finished"  # though it has no weights
