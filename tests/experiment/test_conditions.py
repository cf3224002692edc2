"""Under which conditions a stage was trained, and what is said where they differ from today's."""

import subprocess

import pytest
import torch

from hmtnet.experiment import machine
from hmtnet.experiment.conditions import conditions, differences, record, recorded
from hmtnet.experiment.devices import threads
from hmtnet.experiment.run_settings import TrainerSettings

HERE = {
    "threads": 2,
    "cpu": "A",
    "instructions": "AVX2",
    "gpu": None,
    "driver": None,
    "deterministic": False,
    "versions": {"python": "3.11.7", "torch": "2.15.0"},
    "source": {"commit": "abc", "clean": True},
}


def test_a_training_in_one_go_has_one_entry(tmp_path):
    file = tmp_path / "conditions.json"
    record(file, 0, HERE)
    record(file, 3, HERE)  # resumed where it was
    assert recorded(file) == [{"epoch": 0, **HERE}]


def test_each_change_is_an_entry_and_epochs_that_are_trained_again_count_once(tmp_path):
    file = tmp_path / "conditions.json"
    for epoch, count in ((0, 1), (2, 2), (5, 4), (3, 8)):  # what came after epoch 3 was damaged
        record(file, epoch, {**HERE, "threads": count})
    assert [(entry["epoch"], entry["threads"]) for entry in recorded(file)] == [
        (0, 1),
        (2, 2),
        (3, 8),
    ]


@pytest.mark.parametrize("text", ["", "[{", "3", '{"epoch": 1}', '[{"epoch": "x"}]', "[3]"])
def test_a_damaged_record_says_nothing_and_is_replaced(tmp_path, text):
    file = tmp_path / "conditions.json"
    file.write_text(text)
    assert recorded(file) == []
    record(file, 1, HERE)
    assert recorded(file) == [{"epoch": 1, **HERE}]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"source": {"commit": "def", "clean": False}}, ""),  # the key knows the sources
        ({"versions": {"python": "3.12.1", "torch": "2.15.0"}}, ""),
        ({"driver": "570.1"}, ""),  # of a GPU that did not train
        ({"threads": 1}, "threads 1 (here 2)"),
        ({"deterministic": True}, "deterministic on (here off)"),
        ({"cpu": "B", "threads": 4}, "threads 4 (here 2), cpu B (here A)"),
        ({"versions": {"torch": "2.11.0"}}, "torch 2.11.0 (here 2.15.0)"),
        ({"gpu": "G"}, "gpu G (here none)"),
    ],
)
def test_only_what_decides_about_bits_is_a_difference(change, told):
    assert differences([{"epoch": 0, **HERE, **change}], HERE) == told


def test_on_a_gpu_the_cpu_does_not_count():
    gpu = {**HERE, "gpu": "G", "driver": "1"}
    assert differences([{**gpu, "threads": 8, "cpu": "B"}], gpu) == ""
    assert differences([{**gpu, "driver": "2"}], gpu) == "driver 2 (here 1)"


def test_a_training_under_changing_conditions_says_all_of_them():
    parts = [{"epoch": 0, **HERE, "threads": 1}, {"epoch": 3, **HERE}]
    assert differences(parts, HERE) == "threads 1 then 2 (here 2)"


@pytest.mark.parametrize("unknown", [None, [], 3, {}, [3], [{"versions": 3}], [{"x": []}]])
def test_what_does_not_say_its_conditions_differs_in_nothing(unknown):
    assert differences(unknown, HERE) == ""


def test_conditions_name_what_is_here():
    found = conditions(TrainerSettings(accelerator="cpu", deterministic=True))
    assert found["threads"] == torch.get_num_threads() and found["cpu"]
    assert found["gpu"] is None and found["driver"] is None and found["deterministic"] is True
    assert torch.__version__.startswith(found["versions"]["torch"])
    assert set(machine.VERSIONED) < found["versions"].keys()


def test_threads_are_set_for_a_block_alone():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
        with threads(None):
            assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of its own whose package is taken for ours."""
    (tmp_path / "src").mkdir()
    (tmp_path / "conf").mkdir()
    package = tmp_path / "src" / "__init__.py"
    package.write_text("")

    def git(*words):
        identity = ("-c", "user.name=n", "-c", "user.email=e")
        subprocess.run(["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True)

    git("init")
    monkeypatch.setattr(machine.hmtnet, "__file__", str(package))
    machine.source_state.cache_clear()
    yield git
    machine.source_state.cache_clear()


def state():
    machine.source_state.cache_clear()
    return machine.source_state()


def test_the_commit_is_ours_and_clean_until_a_source_changes(repository, tmp_path):
    assert state() is None  # a repository that does not track us
    repository("add", ".")
    repository("commit", "-m", "first")
    found = state()
    assert len(found["commit"]) == 40 and found["clean"] is True
    (tmp_path / "notes.txt").write_text("beside the sources")
    assert state() == found
    (tmp_path / "conf" / "new.yaml").write_text("a: 1")
    assert state() == {**found, "clean": False}


def test_without_git_no_commit_is_known(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert state() is None
