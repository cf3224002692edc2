"""`hmtnet train` by the protocols that need more than one dataset's contents."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from hmtnet.artifact import predictions as prediction_files
from hmtnet.cli.main import BAD_INPUT


@pytest.fixture
def trained(hmtnet, tiny, tmp_path):
    """Train the first stage, and return the outcome and the predictions."""

    def train(*words):
        runs = tmp_path / "runs"
        done = hmtnet(*tiny(runs, "stages=[grading]", "format=json", *words))
        assert done.code == 0, done.err
        (path,) = runs.glob("*/*/grading-*/predictions.csv")
        return json.loads(done.out), prediction_files.read(path)

    return train


def test_a_final_fit_tests_nothing(trained):
    document, predictions = trained("split=all")
    assert document["split"].startswith("all-s0-")
    assert len(predictions) == 24 and set(predictions.subsets) == {"train", "val"}
    assert {entry["subset"] for entry in document["results"]} == {"val"}


def test_every_fold_tests_other_references(trained):
    _, predictions = trained("split=kfold", "split.index=2", "split.folds=3")
    tested = {
        r for r, s in zip(predictions.reference, predictions.subset, strict=True) if s == "test"
    }
    assert len(tested) == 2


def test_training_on_one_dataset_and_testing_on_another(trained, tiny_root, tmp_path):
    other = shutil.copytree(tiny_root, tmp_path / "other")
    rng = np.random.default_rng(5)
    for path in (other / "source_images").iterdir():
        if path.stem != "img04":  # which both datasets show
            Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    for path in (other / "super-resolved_images").iterdir():
        # Another file of the same look: what is tested must not be identical to what trains.
        image = np.asarray(Image.open(path)).copy()
        image[0, 0] ^= 1
        Image.fromarray(image).save(path)
    words = ("data@other=qads", "other.name=theirs", f"other.root={other}", "split=cross")
    document, predictions = trained(*words)
    assert document["dataset"] == "qads-to-theirs" and not document["leaky"]
    tested = predictions.select("test")
    assert len(tested) == 24 and all(name.startswith("theirs/") for name in tested.image)
    rest = [
        r for r, s in zip(predictions.reference, predictions.subset, strict=True) if s != "test"
    ]
    assert len(rest) == 20 and "qads/img04" not in rest
    assert np.all((tested.mos >= 0) & (tested.mos <= 1))


def test_two_datasets_need_the_protocol_for_them(hmtnet, tiny, tiny_root, tmp_path):
    words = ("data@other=qads", "other.name=theirs", f"other.root={tiny_root}")
    done = hmtnet(*tiny(tmp_path / "runs", *words))
    assert done.code == BAD_INPUT and "data@other and split=cross go together" in done.err


def test_a_split_that_only_tests_cannot_train(hmtnet, tiny, tiny_root, tmp_path):
    done = hmtnet(*tiny(tmp_path / "runs", "split=whole"))
    assert done.code == BAD_INPUT and "it is for hmtnet evaluate" in done.err
    path = tmp_path / "whole.json"
    on = ("data=qads", f"data.root={tiny_root}")
    assert hmtnet("data", "split", *on, "split=whole", f"output={path}").code == 0
    done = hmtnet(*tiny(tmp_path / "runs", "split=file", f"split.file={path}"))
    assert done.code == BAD_INPUT and "names no images to train" in done.err
    done = hmtnet("data", "split", *on, f"output={tmp_path}")
    assert done.code == BAD_INPUT and "cannot be written" in done.err
