import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from hmtnet import files


def test_written_aside_appears_only_at_the_end(tmp_path):
    path = tmp_path / "deep" / "er" / "table.csv"
    with files.written_aside(path) as aside:
        assert aside.parent == path.parent and aside.suffix == ".csv"
        aside.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_written_aside_replaces_the_old_file_in_one_step(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with files.written_aside(path) as aside:
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_write_changes_nothing_and_leaves_nothing(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), files.written_aside(path) as aside:
        aside.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_result_is_as_readable_as_any_new_file(tmp_path):
    (tmp_path / "usual").touch()
    files.write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_write_text_is_utf8_with_unix_line_ends(tmp_path):
    files.write_text(tmp_path / "a.txt", "ä\n数\n")
    assert (tmp_path / "a.txt").read_bytes() == "ä\n数\n".encode()


def test_half_a_character_of_a_files_name_stays_what_it_is_in_json(tmp_path):
    told = {"path": os.fsdecode(b"runs/\xff"), "ü": "😀"}
    for _ in range(2):  # the second finds it as it is
        files.write_text(tmp_path / "a.json", json.dumps(told, ensure_ascii=False))
        assert files.read_json(tmp_path / "a.json") == told


def test_json_with_a_number_beyond_all_floats_is_refused():
    assert files.parse_json(f"[-7, {'9' * 300}]") == [-7, int("9" * 300)]
    with pytest.raises(ValueError, match="it has a number of 401 digits"):
        files.parse_json(f'{{"a": [1{"0" * 400}]}}')


def test_a_place_that_cannot_hold_a_file_raises_and_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        files.write_text(tmp_path / "file" / "a.txt", "")


def test_built_aside_appears_only_at_the_end(tmp_path):
    folder = tmp_path / "cache" / "demo"
    with files.built_aside(folder) as aside:
        (aside / "inner").mkdir()
        (aside / "inner" / "a.txt").write_text("1")
        assert not folder.exists() and aside.parent == folder.parent
    assert (folder / "inner" / "a.txt").read_text() == "1"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_failed_build_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.built_aside(tmp_path / "demo") as aside:
        (aside / "a.txt").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_somebody_else_has_built_meanwhile_stays(tmp_path):
    folder = tmp_path / "demo"
    with files.built_aside(folder) as aside:
        (aside / "who").write_text("we")
        folder.mkdir()
        (folder / "who").write_text("they")
    assert (folder / "who").read_text() == "they"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "demo").write_text("a file")
    with pytest.raises(OSError), files.built_aside(tmp_path / "demo"):
        pass
    assert (tmp_path / "demo").read_text() == "a file"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("size", [0, 1, 1 << 20])
def test_digest_file(tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "a").write_bytes(data)
    assert files.digest_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_digest_text():
    # FIPS 180-2, example B.1
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.digest_text("abc") == known
    assert files.digest_text("abc", length=12) == known[:12]
    assert files.digest_text("ä") == hashlib.sha256(b"\xc3\xa4").hexdigest()


WRITER = """
import sys
from pathlib import Path
from hmtnet.files import write_text
for n in range(10**9):
    write_text(Path(sys.argv[1]), f"{n}\\n" * 5000)
    if n == 0:
        print("ready", flush=True)
"""


def test_a_reader_never_sees_a_part_even_if_the_writer_is_killed(tmp_path):
    path = tmp_path / "a.txt"
    seen = set()
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"ready\n"
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            lines = path.read_text().split("\n")
            assert len(lines) == 5001 and len(set(lines[:-1])) == 1
            seen.add(lines[0])
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        lines = path.read_text().split("\n")
        assert len(lines) == 5001 and len(set(lines[:-1])) == 1
    assert len(seen) > 3


def test_a_file_that_holds_the_text_already_is_left_alone(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "ä\n")
    before = path.stat()
    files.write_text(path, "ä\n")
    assert path.stat().st_ino == before.st_ino
    files.write_text(path, "b\n")
    assert path.read_text() == "b\n" and path.stat().st_ino != before.st_ino
