"""A finished stage's files are as they were written, or are named."""

import json
import os

import pytest
import torch

from hmtnet.artifact import store
from hmtnet.artifact.description import amend_description, check_files, read_description
from hmtnet.artifact.digests import RECORDED, changed_files, record
from hmtnet.errors import ArtifactError


@pytest.fixture
def stage(tmp_path):
    """A stage that has left all it can."""
    for name in RECORDED[1:]:
        (tmp_path / name).write_text(f"the content of {name}")
    store.save(tmp_path, {"w": torch.zeros(3)}, {"seed": 1, "edges": [0.1, 1e-9]})
    return tmp_path


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "replaced": lambda path: path.write_bytes(b"of another stage"),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", RECORDED)
def test_each_damage_to_each_file_is_noticed_and_named(stage, name, damage):
    assert check_files(stage, RECORDED)
    DAMAGES[damage](stage / name)
    said = "is missing" if damage == "removed" else "was changed after it was written"
    with pytest.raises(ArtifactError, match=f"{name} {said}.* Put the original back"):
        check_files(stage, RECORDED)
    assert check_files(stage, [other for other in RECORDED if other != name])


def test_a_description_may_be_laid_out_anew_but_not_say_something_else(stage):
    path = stage / store.META_FILE
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document, sort_keys=True))
    assert read_description(stage) == {"seed": 1, "edges": [0.1, 1e-9]}
    for key, value in {"seed": 2, "edges": [0.1], "new": 0, "files": {}, "sha256": "0"}.items():
        path.write_text(json.dumps({**document, key: value}))
        with pytest.raises(ArtifactError, match=r"stage\.json was changed after it was written"):
            read_description(stage)


def test_a_large_file_is_read_only_where_size_or_time_differ(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(bytes(2**21))
    recorded = {"weights": record(path)}
    stamp = recorded["weights"]["modified_ns"]
    path.write_bytes(b"1" * 2**21)
    os.utime(path, ns=(stamp, stamp))
    assert not changed_files(tmp_path, recorded, recorded)  # the price of being quick
    os.utime(path, ns=(stamp, stamp + 1))
    assert changed_files(tmp_path, recorded, recorded)
    path.write_bytes(bytes(2**21))  # copied, or checked out
    assert not changed_files(tmp_path, recorded, recorded)


def test_an_amended_description_records_what_was_written_with_it(stage, tmp_path):
    new = tmp_path / "aside.csv"
    new.write_text("other predictions")
    amend_description(stage, {"predictions": {"key": "k"}}, {"predictions.csv": new})
    assert read_description(stage)["predictions"] == {"key": "k"}
    with pytest.raises(ArtifactError, match=r"predictions\.csv was changed"):
        check_files(stage, RECORDED)
    new.replace(stage / "predictions.csv")
    assert check_files(stage, RECORDED)


def test_a_stage_of_before_is_read_and_amended_and_stays_unverified(stage, unverified):
    unverified(stage)
    flip(stage / "predictions.csv")
    assert not check_files(stage, RECORDED) and store.load(stage).meta["seed"] == 1
    amend_description(stage, {"seed": 2}, {"predictions.csv": stage / "predictions.csv"})
    assert not check_files(stage, RECORDED) and store.load(stage).meta["seed"] == 2
    flip(stage / store.WEIGHTS_FILE)
    with pytest.raises(ArtifactError, match=r"stage\.safetensors was changed"):
        store.load(stage)
