import signal
import subprocess
import sys
import threading
import time

import pytest

from hmtnet.errors import HmtnetError
from hmtnet.storage.lock import LOCK_FILE, locked

HOLDER = """
import sys, time
from pathlib import Path
from hmtnet.storage.lock import locked
with locked(Path(sys.argv[1]), lambda: print("waits", flush=True)):
    print("holds", flush=True)
    sys.stdin.readline()
print("done", flush=True)
"""


@pytest.fixture
def start(tmp_path):
    processes = []

    def start_one(code=HOLDER):
        process = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "run"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        with process:
            process.kill()


def test_the_second_process_says_so_waits_and_follows(start):
    first = start()
    assert first.stdout.readline() == "holds\n"
    second = start()
    assert second.stdout.readline() == "waits\n"
    assert second.poll() is None
    first.communicate("go on\n")
    assert second.stdout.readline() == "holds\n"
    assert second.communicate("go on\n")[0] == "done\n"
    assert first.returncode == second.returncode == 0


def test_a_killed_holder_frees_the_lock(start, tmp_path):
    first = start()
    assert first.stdout.readline() == "holds\n"
    waited = []

    def kill():
        waited.append(True)
        first.send_signal(signal.SIGKILL)

    started = time.monotonic()
    with locked(tmp_path / "run", kill):
        assert waited == [True]
    assert time.monotonic() - started < 5


def test_nobody_waits_for_a_lock_file_left_behind(tmp_path):
    for _ in range(2):
        with locked(tmp_path / "run", lambda: pytest.fail("waits for nobody")):
            pass
    assert (tmp_path / "run").is_dir()


def test_an_exception_inside_frees_the_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path, lambda: pytest.fail("still held")):
        pass


def test_threads_of_one_process_exclude_each_other_too(tmp_path):
    inside, most, guard = 0, 0, threading.Lock()

    def work():
        nonlocal inside, most
        with locked(tmp_path):
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_without_on_wait_it_simply_waits(start, tmp_path):
    first = start()
    assert first.stdout.readline() == "holds\n"
    threading.Timer(0.1, first.send_signal, [signal.SIGKILL]).start()
    with locked(tmp_path / "run"):
        pass


def test_a_folder_that_cannot_be_used_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(HmtnetError, match=r"run directory .*file.* cannot be used"),
        locked(tmp_path / "file" / "run"),
    ):
        pytest.fail("not locked")


def test_a_folder_that_cannot_be_written_to_can_be_read_without_a_lock(tmp_path):
    (tmp_path / LOCK_FILE).mkdir()  # no file can be made of that name, by whomever
    with pytest.raises(HmtnetError, match="cannot be used"), locked(tmp_path):
        pass
    entered = []
    with locked(tmp_path, only_read=True):
        entered.append(1)
    assert entered == [1]
