"""``hmtnet runs``: what is found, what is said of it, and what is removed and what never is."""

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest

from hmtnet.artifact.description import write_description
from hmtnet.cli import runs as command
from hmtnet.cli.main import BAD_INPUT
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.inventory import find_runs
from hmtnet.storage.lock import locked
from hmtnet.storage.status import Status

KEYS = {"grading": "a" * 12, "sfen": "b" * 12, "joint": "c" * 12}


def make(runs, stage, state="finished", upstream=(), key=None, **status):
    """Leave a run as a stage leaves it in this state."""
    key = key or KEYS[stage]
    directory = RunDirectory(runs / "demo" / "content" / f"{stage}-{key}")
    directory.path.mkdir(parents=True)
    (directory.path / ".lock").touch()
    begun = Status.begin(stage, key, 4).then(process_started="of another process")
    run_status.write(directory.status, begun.then(state=state, **status))
    if state == "finished":
        directory.weights.write_bytes(b"w" * 20_000)
        directory.predictions.write_text("image\n")
        made_of = {name: {"key": KEYS[name], "path": "…"} for name in upstream}
        write_description(directory.path, {"stage": stage, "key": key, "upstream": made_of})
    else:
        directory.checkpoints.mkdir()
        (directory.checkpoints / "epoch-0002.ckpt").write_bytes(b"c" * 5_000)
    return directory


@pytest.fixture
def folder(tmp_path):
    """A chain whose last stage was interrupted, a baseline, and what is no run."""
    runs = tmp_path / "runs"
    make(runs, "grading")
    make(runs, "sfen", upstream=["grading"])
    make(runs, "joint", state="running")  # as a killed process leaves it
    split = runs / "demo" / "content"
    (split / f"label-only-{'d' * 12}").mkdir()
    (split / f"label-only-{'d' * 12}" / "predictions.csv").write_text("image\n")
    (split / "thumbnails").mkdir()
    (split / "thumbnails" / "a.png").write_bytes(b"png")
    (runs / "notes").mkdir()
    (runs / "notes" / "read.me").write_text("mine")
    return runs


@pytest.fixture
def listed(hmtnet, folder):
    """List the runs as a program reads them, by stage."""

    def call():
        done = hmtnet("runs", "list", "--runs", folder, "--format", "json")
        assert done.code == 0, done.err
        return {run["stage"]: run for run in json.loads(done.out)}

    return call


def files_of(folder):
    return {path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_each_run_is_listed_with_its_state_and_its_users(listed, hmtnet, folder):
    found = listed()
    assert {name: run["state"] for name, run in found.items()} == {
        "grading": "finished",
        "sfen": "finished",
        "joint": "interrupted",
        "label-only": "finished",
    }
    assert found["grading"]["used_by"] == [found["sfen"]["path"]]
    assert found["sfen"]["used_by"] == [] and found["grading"]["size"] > 20_000
    text = hmtnet("runs", "list", "--runs", folder).out
    assert "demo/content/joint-cccccccccccc" in text and "4 runs, " in text


def test_states(folder, listed):
    here, elsewhere = socket.gethostname(), "another-machine"
    past = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    for number, (state, more, expected) in enumerate(
        [
            ("failed", {"message": "ValueError: no"}, "failed"),
            ("running", {"host": elsewhere}, "running"),
            ("running", {"host": elsewhere, "updated": past}, "interrupted"),
            ("running", {"host": here}, "interrupted"),
            ("running", {"process_started": Status.begin("", "", 1).process_started}, "running"),
            ("interrupted", {"message": "stopped by Ctrl-C"}, "interrupted"),
        ]
    ):
        make(folder, f"s{number}", state, key=f"{number}" * 12, **more)
        assert listed()[f"s{number}"]["state"] == expected
    RunDirectory(folder / "demo" / "content" / f"sfen-{'b' * 12}").weights.unlink()
    assert listed()["sfen"]["state"] == "incomplete"
    killed = folder / "demo" / "content" / f"begun-{'e' * 12}"
    killed.mkdir()
    (killed / ".lock").touch()
    assert listed()["begun"]["state"] == "empty"
    with locked(killed):
        assert listed()["begun"]["state"] == "running"


def test_a_run_with_damaged_files_is_still_found_and_kept(hmtnet, folder, listed):
    joint = RunDirectory(folder / "demo" / "content" / f"joint-{'c' * 12}")
    joint.status.write_text('{"state": ')
    assert listed()["joint"]["state"] == "interrupted"
    assert "nothing to remove" in hmtnet("runs", "prune", "--runs", folder, "--yes").out
    sfen = RunDirectory(folder / "demo" / "content" / f"sfen-{'b' * 12}")
    sfen.meta.write_text("[]")
    assert listed()["sfen"]["builds_on"] == []


def test_show_tells_what_a_run_is_made_from_and_what_uses_it(hmtnet, folder):
    done = hmtnet("runs", "show", "b" * 12, "--runs", folder)
    assert done.code == 0 and f"made from  demo/content/grading-{'a' * 12}" in done.out
    done = hmtnet(
        "runs", "show", folder / "demo" / "content" / f"grading-{'a' * 12}", "--runs", folder
    )
    assert f"used by    demo/content/sfen-{'b' * 12}" in done.out
    assert "files      as they were written" in done.out
    (folder / "demo" / "content" / f"grading-{'a' * 12}" / "predictions.csv").write_text("x\n")
    done = hmtnet("runs", "show", "a" * 12, "--runs", folder)
    assert "files      predictions.csv was changed after it was written" in done.out
    slip = hmtnet("runs", "show", f"sfen-{'b' * 11}", "--runs", folder)
    assert slip.code == BAD_INPUT and f"Did you mean 'sfen-{'b' * 12}'?" in slip.err


def test_rm_says_who_uses_it_and_removes_that_run_alone(hmtnet, folder):
    before = files_of(folder)
    done = hmtnet("runs", "rm", "a" * 12, "--runs", folder, "--yes")
    assert done.code == 0, done.err
    assert f"it is used by demo/content/sfen-{'b' * 12}\n" in done.out
    assert f"not finished, and may use it: demo/content/joint-{'c' * 12}\n" in done.out
    gone = before - files_of(folder)
    assert {path.parent.name for path in gone} == {f"grading-{'a' * 12}"}
    assert not (folder / "demo" / "content" / f"grading-{'a' * 12}").exists()


def test_nothing_goes_unasked(hmtnet, folder, monkeypatch):
    before = files_of(folder)
    done = hmtnet("runs", "rm", "b" * 12, "--runs", folder)  # nobody can be asked
    assert done.code == BAD_INPUT and "--yes" in done.err and files_of(folder) == before
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for answer, left in (("", before), ("n", before), ("y", None)):
        monkeypatch.setattr("builtins.input", lambda _, answer=answer: answer)
        done = hmtnet("runs", "rm", "b" * 12, "--runs", folder)
        assert done.code == 0
        assert (files_of(folder) == before) is (left is before), answer


@pytest.mark.parametrize("word", ["notes", "thumbnails", "demo", "demo/content", "..", "/"])
def test_what_is_no_run_is_never_removed(hmtnet, folder, monkeypatch, word):
    monkeypatch.chdir(folder)
    before = files_of(folder)
    done = hmtnet("runs", "rm", word, "--runs", folder, "--yes")
    assert done.code == BAD_INPUT and files_of(folder) == before


def test_a_run_in_use_is_not_removed(hmtnet, folder, monkeypatch):
    path = folder / "demo" / "content" / f"joint-{'c' * 12}"
    before = files_of(folder)
    with locked(path):
        for words in (["rm", "c" * 12], ["prune", "--unfinished"]):
            done = hmtnet("runs", *words, "--runs", folder, "--yes")
            assert "running" in done.err or "nothing to remove" in done.out
            assert files_of(folder) == before
        # Taken up after it was looked at.
        seen = find_runs(folder)
    with locked(path):
        idle = [run.__class__(**{**vars(run), "state": "interrupted"}) for run in seen]
        monkeypatch.setattr(command, "find_runs", lambda _: idle)
        done = hmtnet("runs", "rm", "c" * 12, "--runs", folder, "--yes")
        assert done.code == BAD_INPUT and "in use" in done.err and files_of(folder) == before


def test_a_run_whose_fold_is_in_use_is_not_removed(hmtnet, folder):
    fold = folder / "demo" / "content" / f"sfen-{'b' * 12}" / "folds" / f"1of2-{'e' * 12}"
    with locked(fold):
        done = hmtnet("runs", "rm", "b" * 12, "--runs", folder, "--yes")
        assert done.code == BAD_INPUT and fold.is_dir()
    assert hmtnet("runs", "rm", "b" * 12, "--runs", folder, "--yes").code == 0
    assert not fold.exists()


def test_links_are_never_followed(hmtnet, folder, tmp_path, listed):
    outside = make(tmp_path / "outside", "sfen", key="9" * 12)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / ".x-abcdefgh.csv").write_text("looks like a leftover")
    (folder / "demo" / "content" / "linked").symlink_to(outside.path)
    (folder / "other").symlink_to(tmp_path / "outside")
    inside = folder / "demo" / "content" / f"joint-{'c' * 12}"
    (inside / "link").symlink_to(precious)
    (inside / ".y-abcdefgh.csv").symlink_to(precious / ".x-abcdefgh.csv")
    assert all(run["key"] != "9" * 12 for run in listed().values())
    for word in ("linked", "9" * 12, str(outside.path)):
        assert hmtnet("runs", "rm", word, "--runs", folder, "--yes").code == BAD_INPUT
    assert hmtnet("runs", "prune", "--runs", folder, "--yes").code == 0
    assert hmtnet("runs", "rm", "c" * 12, "--runs", folder, "--yes").code == 0
    assert not inside.exists() and outside.finished
    assert [path.name for path in precious.iterdir()] == [".x-abcdefgh.csv"]


def test_prune_removes_what_killed_processes_left_and_nothing_that_resumes(hmtnet, folder):
    split = folder / "demo" / "content"
    sfen, joint = split / f"sfen-{'b' * 12}", split / f"joint-{'c' * 12}"
    killed = split / f"grading-{'e' * 12}"
    killed.mkdir()
    before = files_of(folder)
    left = [
        sfen / ".predictions-abcd_123.csv",
        sfen / "checkpoints" / "epoch-0004.ckpt",
        joint / ".status-zzzzzzzz.json",
        joint / "checkpoints" / ".epoch-0003-a1b2c3d4.ckpt",
        joint / "checkpoints" / "epoch-0001.damaged",
        killed / ".lock",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    done = hmtnet("runs", "prune", "--runs", folder, "--yes")
    assert done.code == 0, done.err
    assert files_of(folder) == before and not killed.exists()
    assert "nothing to remove" in hmtnet("runs", "prune", "--runs", folder, "--yes").out
    assert hmtnet("runs", "prune", "--unfinished", "--runs", folder, "--yes").code == 0
    assert not joint.exists() and sfen.is_dir()


def test_a_folder_that_is_not_there_is_named(hmtnet, tmp_path):
    done = hmtnet("runs", "list", "--runs", tmp_path / "none")
    assert done.code == BAD_INPUT and "--runs" in done.err
