from pathlib import Path

import pytest

from hmtnet.artifact import store
from hmtnet.errors import SettingsError
from hmtnet.storage import status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status


def test_the_documented_places():
    run = RunDirectory.locate(Path("runs"), "qads", "content-0", "grading", "0123456789ab")
    assert run.path == Path("runs/qads/content-0/grading-0123456789ab")
    names = {
        name: str(getattr(run, name).relative_to(run.path))
        for name in (
            "settings", "status", "metrics", "predictions", "weights", "meta", "checkpoints",
        )
    }  # fmt: skip
    assert names == {
        "settings": "settings.yaml",
        "status": "status.json",
        "metrics": "metrics.csv",
        "predictions": "predictions.csv",
        "weights": "stage.safetensors",
        "meta": "stage.json",
        "checkpoints": "checkpoints",
    }


def test_an_artifact_is_where_the_run_directory_says():
    run = RunDirectory(Path("run"))
    assert (run.weights.name, run.meta.name) == (store.WEIGHTS_FILE, store.META_FILE)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("qads", "qads"),
        ("BIQ 2021 (small)", "BIQ-2021-small"),
        ("a/b\\c:d*e", "a-b-c-d-e"),
        ("../../etc", "etc"),
        (".hidden.", "hidden"),
        ("-rf", "rf"),
        ("content@0.6+x=1_y", "content@0.6+x=1_y"),
        ("数据", "数据"),
        ("e\u0301", "\u00e9"),
        ("new\nline\0", "new-line"),
    ],
)
def test_names_become_one_safe_folder(name, folder):
    run = RunDirectory.locate(Path("runs"), name, name, name, "k")
    assert run.path == Path("runs") / folder / folder / f"{folder}-k"


@pytest.mark.parametrize("name", ["", "..", "///", " ", "x" * 151, "数" * 51])
@pytest.mark.parametrize("which", ["dataset", "split", "stage", "key"])
def test_names_of_which_nothing_is_left_are_refused(name, which):
    names = {"dataset": "d", "split": "s", "stage": "g", "key": "k"}
    with pytest.raises(SettingsError, match=rf"The {which} .* cannot name a folder"):
        RunDirectory.locate(Path("runs"), **{**names, which: name})


def test_finished_needs_the_word_and_the_artifact(tmp_path):
    run = RunDirectory(tmp_path)
    assert not run.finished
    running = Status.begin("grading", "0123", epochs=3)
    status.write(run.status, running.then(state="finished"))
    assert not run.finished
    run.weights.touch()
    assert not run.finished
    run.meta.touch()
    assert run.finished
    run.weights.unlink()
    assert not run.finished
    run.weights.touch()
    for state in ("running", "interrupted", "failed"):
        status.write(run.status, running.then(state=state))
        assert not run.finished
    run.status.write_text("{")  # lost: the artifact, which is written last, is there
    assert run.finished
