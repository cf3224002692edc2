"""Killed, failed, or started twice: what is left, and that the next run makes it whole."""

import csv
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.artifact.description import read_description
from hmtnet.cli.main import BAD_INPUT, INTERRUPTED
from hmtnet.experiment import callbacks, checkpoints, stage, training
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import GONE

# Five epochs on a third of the references, whose best is neither the first nor always the last.
WORDS = (
    *("stages=[grading,sfen]", "system.sfen.epochs=5", "split.fractions=[0.34,0.33,0.33]"),
    *("seed=6", "system.sfen.optimizer.loaded_lr=1e-3"),
)
EPOCHS = 5


def directory_of(runs, name):
    (path,) = runs.glob(f"*/*/{name}-*")
    return RunDirectory(path)


def until(condition, seconds=300):
    ending = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ending, "nothing happened"
        time.sleep(0.01)


def rows_of(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def scores_of(runs):
    """Return what the epochs of stage 2 are chosen by."""
    return [float(row["val/srcc"]) for row in rows_of(directory_of(runs, "sfen").metrics)]


def assert_equal_results(one, other):
    """Weights and predictions agree to the last bit, and the curves by what was computed."""
    ours, theirs = store.load(one.path).tensors, store.load(other.path).tensors
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert one.predictions.read_bytes() == other.predictions.read_bytes()
    assert one.metrics.read_bytes() == other.metrics.read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(hmtnet, tiny, tmp_path_factory):
    """The first two stages in one go."""
    runs = tmp_path_factory.mktemp("uninterrupted") / "runs"
    done = hmtnet(*tiny(runs, *WORDS))
    assert done.code == 0, done.err
    chosen = scores_of(runs)
    assert max(chosen) > chosen[0], "choose another seed: the first epoch must not be the best"
    return runs


@pytest.fixture
def words(tiny, tmp_path, uninterrupted):
    """The same command in a folder of its own, where stage 1 is finished."""
    runs = shutil.copytree(uninterrupted, tmp_path / "runs")
    shutil.rmtree(directory_of(runs, "sfen").path)
    return tiny(runs, *WORDS)


@pytest.mark.full
def test_killed_in_the_middle_of_stage_2_it_resumes_to_the_same_bits(
    hmtnet, hmtnet_process, words, tmp_path, uninterrupted
):
    runs = tmp_path / "runs"
    process = hmtnet_process(*words)
    until(lambda: list(runs.glob("*/*/sfen-*/metrics.csv")) or process.poll() is not None)
    process.kill()
    process.communicate()
    killed = directory_of(runs, "sfen")
    assert 1 <= len(rows_of(killed.metrics)) < EPOCHS, (
        "killed too early or too late to prove anything"
    )
    status = run_status.read(killed.status)
    assert (status.state, status.message) == ("interrupted", GONE) and not killed.finished
    assert not killed.meta.exists() and not killed.predictions.exists()
    # What a kill in the midst of writing leaves.
    for half in (killed.path / ".stage-x1.safetensors", killed.checkpoints / ".epoch-0002-x2.ckpt"):
        half.parent.mkdir(exist_ok=True)
        half.write_bytes(b"half")

    done = hmtnet(*words)
    assert done.code == 0, done.err
    assert "grading: reused" in done.err
    # Killed before the first checkpoint was written, it starts over; else it goes on from there.
    resumed = "sfen: resuming" in done.err
    assert resumed or "sfen: training" in done.err
    assert [int(row["epoch"]) for row in rows_of(killed.metrics)] == [1, 2, 3, 4, 5]
    meta = store.read_meta(killed.path)
    assert [part["epoch"] for part in meta["conditions"]] == [0]  # the same, before and after
    timed = meta["cost"]["epochs_timed"]
    assert timed < EPOCHS if resumed else timed == EPOCHS
    assert_equal_results(killed, directory_of(uninterrupted, "sfen"))
    assert not killed.checkpoints.exists() and not list(killed.path.glob(".stage-*"))


class Killed(BaseException):
    """Stands for a kill at an exact place: nothing in between may catch it."""


def kill_at(monkeypatch, where, name, call, after, counts=lambda *_: True):
    """Stop all work at the given call, of those that count, of a function: before it or after."""
    function = getattr(where, name)
    calls = []

    def dying(*arguments, **options):
        calls.extend([1] if counts(*arguments) else [])
        at_last = len(calls) == call and counts(*arguments)
        if at_last and not after:
            raise Killed
        result = function(*arguments, **options)
        if at_last:
            raise Killed
        return result

    monkeypatch.setattr(where, name, dying)


CHECKPOINTS = (checkpoints.ProvenCheckpoints, "save_checkpoint")
PLACES = {
    "before anything is trained": (training, "fit", 1, False),
    "after an epoch's curve": (callbacks.curves, "write", 3, True),
    "before a checkpoint": (*CHECKPOINTS, 2, False),
    "between a checkpoint's digest and its name": (checkpoints, "record_beside", 3, True),
    "after a checkpoint": (*CHECKPOINTS, 3, True),
    "after the last epoch": (training, "fit_stage", 1, True),
    "before predictions are written": (training.prediction_files, "write", 1, False),
    "between predictions and artifact": (training.store, "save", 1, False),
    "between artifact and status": (training.store, "save", 1, True),
    "before test images are predicted": (training.prediction_files, "write", 2, False),
}


# One of each kind; the others take as long, and a real kill comes after an epoch's curve.
QUICK = ("between a checkpoint's digest and its name", "between artifact and status")


@pytest.mark.parametrize(
    "place",
    [pytest.param(p, marks=[] if p in QUICK else pytest.mark.full, id=p) for p in PLACES],
)
def test_killed_anywhere_it_ends_the_same(hmtnet, words, tmp_path, uninterrupted, place):
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, *PLACES[place])
        with pytest.raises(Killed):
            hmtnet(*words)
    killed = directory_of(tmp_path / "runs", "sfen")
    assert killed.finished == (place == "before test images are predicted")
    leftovers = [p for p in killed.path.rglob(".*") if p.name != ".lock"]
    done = hmtnet(*words)
    assert done.code == 0, done.err
    assert killed.finished and not leftovers
    assert_equal_results(killed, directory_of(uninterrupted, "sfen"))
    assert not killed.checkpoints.exists()


@pytest.mark.full
def test_a_stage_whose_start_is_a_candidate_resumes_to_the_same_bits(
    hmtnet, tiny, finished, tmp_path
):
    given = [f"upstream.{name}={finished.stages[name]}" for name in ("grading", "sfen")]

    def words(runs):
        return tiny(tmp_path / runs, "stages=[joint]", "system.joint.epochs=3", *given)

    assert hmtnet(*words("whole")).code == 0
    whole = directory_of(tmp_path / "whole", "joint")
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, *CHECKPOINTS, 2, True)
        with pytest.raises(Killed):
            hmtnet(*words("killed"))
    killed = directory_of(tmp_path / "killed", "joint")
    killed.metrics.write_bytes(b"\x00 what a fault has left of a curve")
    done = hmtnet(*words("killed"))
    assert done.code == 0 and "joint: resuming" in done.err, done.err
    assert [int(row["epoch"]) for row in rows_of(killed.metrics)] == [0, 1, 2, 3]
    assert_equal_results(killed, whole)


def test_moved_while_it_was_interrupted_it_keeps_the_best_epoch(
    hmtnet, words, tmp_path, uninterrupted
):
    best = max(range(EPOCHS), key=lambda i: scores_of(uninterrupted)[i])
    assert best + 1 < EPOCHS, "choose another seed: the last epoch must not be the best"
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, *CHECKPOINTS, best + 1, True)
        with pytest.raises(Killed):
            hmtnet(*words)
    moved = (tmp_path / "runs").rename(tmp_path / "elsewhere")
    done = hmtnet(*(word.replace(str(tmp_path / "runs"), str(moved)) for word in words))
    assert done.code == 0 and "sfen: resuming" in done.err, done.err
    assert_equal_results(directory_of(moved, "sfen"), directory_of(uninterrupted, "sfen"))


def truncate(path, _):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path, _):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def replace_by_another(path, before):
    for end in ("", ".sha256"):
        shutil.copyfile(f"{before}{end}", f"{path}{end}")


def lose_the_digest(path, _):
    Path(f"{path}.sha256").unlink()


@pytest.mark.parametrize(
    "damage, said",
    [
        (flip, "is damaged: its SHA-256"),
        pytest.param(truncate, "is damaged: its SHA-256", marks=pytest.mark.full),
        pytest.param(replace_by_another, "is damaged: its SHA-256", marks=pytest.mark.full),
        pytest.param(lose_the_digest, "has no SHA-256 beside it", marks=pytest.mark.full),
    ],
)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    hmtnet, words, tmp_path, uninterrupted, damage, said
):
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, *CHECKPOINTS, 4, False)
        with pytest.raises(Killed):
            hmtnet(*words)
    killed = directory_of(tmp_path / "runs", "sfen")
    before, last = (killed.checkpoints / f"epoch-000{epoch}.ckpt" for epoch in (2, 3))
    kept = sorted(path.name for path in killed.checkpoints.glob("*.ckpt"))
    assert kept == [before.name, last.name]
    damage(last, before)
    done = hmtnet(*words)
    assert done.code == 0, done.err
    assert f"{last} {said}" in done.err and "goes on from the end of epoch 2." in done.err
    assert_equal_results(killed, directory_of(uninterrupted, "sfen"))


@pytest.mark.full
def test_without_an_intact_checkpoint_it_begins_anew(hmtnet, words, tmp_path, uninterrupted):
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, *CHECKPOINTS, 2, False)
        with pytest.raises(Killed):
            hmtnet(*words)
    killed = directory_of(tmp_path / "runs", "sfen")
    flip(killed.checkpoints / "epoch-0001.ckpt", None)
    done = hmtnet(*words)
    assert done.code == 0 and "goes on from its beginning." in done.err, done.err
    assert "sfen: training" in done.err
    assert_equal_results(killed, directory_of(uninterrupted, "sfen"))


@pytest.mark.full
def test_averaged_weights_accumulation_and_early_stopping_resume_to_the_same_bits(
    hmtnet, tiny, tmp_path
):
    def words(runs):
        more = ("ema=0.5", "accumulate=2", "early_stopping=2", "epochs=20")
        settings = [f"system.grading.{setting}" for setting in more]
        return tiny(tmp_path / runs, "stages=[grading]", *settings)

    assert hmtnet(*words("whole")).code == 0
    whole = directory_of(tmp_path / "whole", "grading")
    rows = rows_of(whole.metrics)
    chosen = [float(row["val/srcc"]) for row in rows]
    assert 3 <= len(rows) < 20 and max(chosen[-2:]) <= max(chosen[:-2])  # then it stopped
    assert [int(row["step"]) for row in rows] == [2 * (i + 1) for i in range(len(rows))]
    # What was validated is what is kept: the averaged weights.
    meta = store.read_meta(whole.path)
    assert meta["val_srcc"] == pytest.approx(max(chosen), abs=1e-6)
    assert meta["cost"]["epochs_timed"] == run_status.read(whole.status).epoch == len(rows)
    for runs, call in (("early", 2), ("late", len(rows))):
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, *CHECKPOINTS, call, True)
            with pytest.raises(Killed):
                hmtnet(*words(runs))
        done, killed = hmtnet(*words(runs)), directory_of(tmp_path / runs, "grading")
        assert done.code == 0 and "grading: resuming" in done.err, done.err
        assert_equal_results(killed, whole)


def test_interrupted_from_the_keyboard_it_says_so_and_resumes(
    hmtnet, words, tmp_path, uninterrupted
):
    def interrupted(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.curves, "write", interrupted)
        done = hmtnet(*words)
    assert done.code == INTERRUPTED and "the same command resumes" in done.err
    stopped = directory_of(tmp_path / "runs", "sfen")
    status = run_status.read(stopped.status)
    assert (status.state, status.message) == ("interrupted", "stopped by Ctrl-C")
    assert hmtnet(*words).code == 0
    assert_equal_results(stopped, directory_of(uninterrupted, "sfen"))


def test_a_failure_is_written_down_and_the_next_run_recovers(
    hmtnet, tiny, tiny_root, tmp_path, uninterrupted
):
    # Images that are decoded at each use can go missing while a chain runs.
    root = shutil.copytree(tiny_root, tmp_path / "qads")
    runs = tmp_path / "runs"
    words = tiny(runs, "data.cache=none", *WORDS, root=root)
    hidden = tmp_path / "hidden.png"
    known = prediction_files.read(directory_of(uninterrupted, "sfen").predictions)
    image = root / known.select("train").image[0]
    run_stage = training.Status.begin

    def losing(name, *arguments):
        if name == "sfen":
            image.rename(hidden)
        return run_stage(name, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Status, "begin", losing)
        done = hmtnet(*words)
    assert done.code == BAD_INPUT
    assert f"{image.name}' does not exist" in done.err
    failed = directory_of(runs, "sfen")
    status = run_status.read(failed.status)
    assert status.state == "failed" and status.message.startswith("DataError: Image ")
    assert not failed.finished and not failed.meta.exists() and not failed.predictions.exists()

    hidden.rename(image)
    done = hmtnet(*words)
    assert done.code == 0, done.err
    assert "grading: reused" in done.err
    assert run_status.read(failed.status).message is None
    assert_equal_results(failed, directory_of(uninterrupted, "sfen"))


def test_predictions_that_were_removed_are_made_again(hmtnet, tiny, finished, runs):
    path = runs / finished.stages["sfen"].relative_to(finished.runs) / "predictions.csv"
    before = path.read_bytes()
    path.unlink()
    done = hmtnet(*tiny(runs))
    assert done.code == 0 and done.err.count(": reused ") == 3
    assert path.read_bytes() == before


def test_averaged_weights_predict_again_what_they_did(hmtnet, tiny, runs):
    # An average of equal numbers must be that number: constants are not in the artifact.
    words = tiny(runs, "stages=[grading,sfen]", "system.sfen.ema=0.95", "system.sfen.epochs=3")
    others = {*runs.glob("*/*/sfen-*")}
    assert hmtnet(*words).code == 0
    (own,) = {*runs.glob("*/*/sfen-*")} - others
    file = own / "predictions.csv"
    before = file.read_bytes()
    file.unlink()
    assert hmtnet(*words).code == 0
    assert file.read_bytes() == before


def test_predictions_by_other_code_are_made_again_without_training(
    hmtnet, tiny, finished, runs, rewrite
):
    folder = runs / finished.stages["sfen"].relative_to(finished.runs)
    before = (folder / "predictions.csv").read_bytes()
    lines = before.decode().splitlines()
    cells = lines[1].split(",")
    lines[1] = ",".join([*cells[:4], "0.5", *cells[5:]])  # another score
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    rewrite(folder, lambda document: document["predictions"].update(key="before"))
    done = hmtnet(*tiny(runs))
    assert done.code == 0 and done.err.count(": reused ") == 3
    assert done.err.count("predicted anew, by code that has changed") == 1
    assert (folder / "predictions.csv").read_bytes() == before
    made_by = read_description(folder)["predictions"]
    assert len(made_by["key"]) == 12 and "torch" in made_by["versions"]


def test_a_damaged_artifact_is_named_and_not_trained_over(hmtnet, tiny, finished, runs):
    weights = runs / finished.stages["grading"].relative_to(finished.runs) / "stage.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = hmtnet(*tiny(runs, "system.sfen.epochs=1", "stages=[grading,sfen]"))
    assert done.code == BAD_INPUT
    assert f"{weights} was changed after it was written" in done.err


def without_a_line(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def test_changed_and_missing_predictions_are_told_and_made_again(
    hmtnet, tiny, finished, runs, unverified
):
    folders = {n: runs / path.relative_to(finished.runs) for n, path in finished.stages.items()}
    before = {name: (path / "predictions.csv").read_bytes() for name, path in folders.items()}
    path = folders["sfen"] / "predictions.csv"
    path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1))
    without_a_line(folders["grading"] / "predictions.csv")
    without_a_line(unverified(folders["joint"]) / "predictions.csv")
    done = hmtnet(*tiny(runs))
    assert done.code == 0 and done.err.count(": reused ") == 3, done.err
    assert done.err.count("(unverified: ") == 1
    for name in ("grading", "sfen"):
        told = f"{folders[name].name}: predictions.csv was changed after it was written"
        assert f"{told}, so it is predicted anew" in done.err
    assert "predictions.csv holds 3 of 4 test images" in done.err
    assert before == {n: (path / "predictions.csv").read_bytes() for n, path in folders.items()}


@pytest.mark.parametrize("name", ["stage.json", "scenes.safetensors"])
def test_what_cannot_be_made_again_is_refused_by_name(hmtnet, tiny, finished, runs, name):
    path = runs / finished.stages["joint"].relative_to(finished.runs) / name
    content = path.read_bytes()
    flipped = content.replace(b'"seed": 0', b'"seed": 1') if name == "stage.json" else content[:-1]
    assert flipped != content
    path.write_bytes(flipped)
    done = hmtnet(*tiny(runs))
    assert done.code == BAD_INPUT and f"{path} was changed after it was written" in done.err


@pytest.mark.full
def test_of_two_processes_one_trains_and_the_other_waits_and_reuses(
    hmtnet, hmtnet_process, tiny, tmp_path, monkeypatch
):
    words = tiny(tmp_path, "stages=[grading]", "system.grading.epochs=8")
    first = hmtnet_process(*words)
    until(lambda: list(tmp_path.glob("*/*/grading-*/status.json")) or first.poll() is not None)
    first.send_signal(signal.SIGSTOP)  # until the second one waits, however slow it is
    locked = stage.locked

    def going_on(path, waiting, **options):
        return locked(path, lambda: (waiting(), first.send_signal(signal.SIGCONT)), **options)

    monkeypatch.setattr(stage, "locked", going_on)
    second = hmtnet(*words)
    out, err = first.communicate(timeout=300)
    assert (first.returncode, second.code) == (0, 0), err
    assert "grading: training" in err and "waiting" not in err
    assert "another process trains" in second.err and "grading: reused" in second.err
    assert "grading: training" not in second.err
    assert out == second.out
