import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from hmtnet.errors import HmtnetError
from hmtnet.storage import status
from hmtnet.storage.lock import locked
from hmtnet.storage.status import Status


def test_what_is_written_is_read(tmp_path):
    written = Status.begin("grading", "0123456789ab", epochs=10).then(
        state="failed", epoch=4, objective=0.91, message="no space – stopped"
    )
    status.write(tmp_path / "deep" / "status.json", written)
    assert status.read(tmp_path / "deep" / "status.json") == written


def test_begin_says_who_and_when():
    began = Status.begin("sfen", "ab", epochs=10, epoch=3)
    assert (began.state, began.epoch, began.epochs, began.pid) == ("running", 3, 10, os.getpid())
    assert began.host and began.objective is None and began.message is None
    assert began.started == began.updated
    age = datetime.now(UTC) - datetime.fromisoformat(began.started)
    assert 0 <= age.total_seconds() < 5


def test_then_changes_only_what_it_is_told_and_the_time(monkeypatch):
    began = Status.begin("sfen", "ab", epochs=10)
    monkeypatch.setattr(status, "_now", lambda: "2030-01-01T00:00:00+00:00")
    later = began.then(epoch=1)
    assert later.started == began.started and later.updated == "2030-01-01T00:00:00+00:00"
    assert later.epoch == 1 and later.pid == began.pid
    with pytest.raises(TypeError, match="epoc"):
        began.then(epoc=1)


@pytest.mark.parametrize("objective", [float("nan"), float("inf")])
def test_an_objective_is_finite_or_none(objective):
    with pytest.raises(ValueError, match="objective"):
        Status.begin("sfen", "ab", epochs=1).then(objective=objective)


def test_no_file_is_no_status(tmp_path):
    assert status.read(tmp_path / "status.json") is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0" * 100,  # what a power failure can leave
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"state": "finished"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_no_status(tmp_path, text):
    (tmp_path / "status.json").write_bytes(text)
    assert status.read(tmp_path / "status.json") is None


@pytest.mark.parametrize("field", [{"state": "done"}, {"epoch": "three"}, {"objective": "high"}])
def test_a_wrong_field_is_no_status(tmp_path, field):
    path = tmp_path / "status.json"
    status.write(path, Status.begin("sfen", "ab", epochs=1))
    path.write_text(json.dumps(json.loads(path.read_text()) | field))
    assert status.read(path) is None


def test_fields_of_a_newer_version_are_ignored(tmp_path):
    path = tmp_path / "status.json"
    written = Status.begin("sfen", "ab", epochs=1)
    status.write(path, written)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"gpu": 1}))
    assert status.read(path) == written


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HmtnetError, match="cannot be written"):
        status.write(tmp_path / "file" / "status.json", Status.begin("sfen", "ab", epochs=1))


WRITER = """
import sys
from pathlib import Path
from hmtnet.storage import status
began = status.Status.begin("sfen", "ab", epochs=1).then(state="failed")
for epoch in range(10**9):
    status.write(Path(sys.argv[1]), began.then(epoch=epoch, message="x" * (epoch % 5000)))
    if epoch == 0:
        print("ready", flush=True)
"""


def test_a_reader_finds_a_whole_status_while_a_writer_works_and_after_it_is_killed(tmp_path):
    path = tmp_path / "status.json"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"ready\n"
    epochs = set()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        epochs.add(status.read(path).epoch)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    found = status.read(path)
    assert found is not None and len(found.message) == found.epoch % 5000
    assert len(epochs) > 10


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "running"),
        ({"process_started": None}, "running"),  # an older version did not say
        ({"process_started": "1"}, "interrupted"),  # its number is another process's now
        ({"pid": 2**22 + 1}, "interrupted"),  # above the highest number on Linux
        ({"pid": -1}, "interrupted"),
        ({"host": "elsewhere"}, "interrupted"),  # and no lock is held
        ({"pid": 2**22 + 1, "state": "failed"}, "failed"),
    ],
)
def test_a_run_whose_process_is_gone_was_interrupted(tmp_path, changes, state):
    path = tmp_path / "status.json"
    status.write(path, Status.begin("sfen", "ab", epochs=1).then(**changes))
    found = status.read(path)
    assert found.state == state
    assert found.message == (status.GONE if state == "interrupted" else None)


def test_a_lock_that_is_held_shows_a_process_elsewhere(tmp_path):
    path = tmp_path / "status.json"
    status.write(path, Status.begin("sfen", "ab", epochs=1).then(host="elsewhere"))
    with locked(tmp_path):
        assert status.read(path).state == "running"
    assert status.read(path).state == "interrupted"
