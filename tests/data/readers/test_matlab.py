import os
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from hmtnet.data.readers.matlab import load
from hmtnet.errors import DataError

CASES = Path(os.environ.get("HMTNET_DATA", "nowhere")) / "cases"
MATRIX = np.arange(6.0).reshape(2, 3)


def save_version_5(path, compress=False):
    cells = np.empty((2, 2), dtype=object)
    cells[:] = [["a\\b.png", "ü.png"], ["c.png", ""]]
    mixed = np.empty((1, 2), dtype=object)
    mixed[:] = [["text", 3.0]]
    variables = {
        "struct": {"a": 1.0},
        "names": cells,
        "mixed": mixed,
        "mos": MATRIX,
        "flags": np.array([[True, False]]),
        "word": "hello",
        "lines": np.array(["one  ", "three"]),
    }
    scipy.io.savemat(path, variables, do_compression=compress)
    return path


@pytest.mark.parametrize("compress", [False, True])
def test_version_5(tmp_path, compress):
    file = load(save_version_5(tmp_path / "a.mat", compress))
    # MATLAB counts cells down the columns.
    assert file.text("names") == ["a\\b.png", "c.png", "ü.png", ""]
    assert file.text("word") == ["hello"]
    assert file.text("lines") == ["one", "three"]
    assert np.array_equal(file.numbers("mos"), MATRIX)
    assert file.numbers("flags").dtype == np.float64
    assert file.numbers("flags").tolist() == [[1.0, 0.0]]
    # What is neither numbers nor text is left out, and does not hinder the rest.
    assert "struct" not in file and "mixed" not in file


def test_version_7_3_gives_the_same(tmp_path, hdf5):
    path = hdf5(tmp_path / "a.mat", names=["a\\b.png", "ü 😀.png", ""], mos=MATRIX)
    file = load(path)
    assert file.text("names") == ["a\\b.png", "ü 😀.png", ""]
    assert np.array_equal(file.numbers("mos"), MATRIX)
    assert set(file.variables) == {"names", "mos"}


def test_character_arrays_groups_and_empty_arrays_of_version_7_3(tmp_path):
    path = tmp_path / "a.mat"
    with h5py.File(path, "w") as file:  # without MATLAB's own 512 bytes, as Octave writes it
        rows = np.array([[ord(c) for c in "one  "], [ord(c) for c in "three"]], dtype="<u2")
        file["lines"] = rows.T
        file["lines"].attrs["MATLAB_class"] = np.bytes_("char")
        file["none"] = np.array([0, 3], dtype=np.uint64)
        file["none"].attrs["MATLAB_class"] = np.bytes_("double")
        file["none"].attrs["MATLAB_empty"] = np.uint8(1)
        file.create_group("struct")["a"] = 1.0
    found = load(path)
    assert found.text("lines") == ["one", "three"]
    # Its size, (0, 3), is what the file stores; it must not be taken for two numbers.
    assert found.numbers("none").shape == (0, 3)
    assert set(found.variables) == {"lines", "none"}


def test_a_missing_variable_names_the_nearest(tmp_path):
    file = load(save_version_5(tmp_path / "a.mat"))
    with pytest.raises(DataError, match=r"no variable 'nams', only .*Did you mean 'names'\?"):
        file.text("nams")
    with pytest.raises(DataError, match=r"'names' of .*is text; expected numbers"):
        file.numbers("names")
    with pytest.raises(DataError, match=r"'mos' of .*is numeric; expected text"):
        file.text("mos")


def test_a_variable_whose_name_is_no_utf8_is_named_as_text(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file[b"mos\xff"] = np.eye(2)
        file["mos"] = np.eye(2)
    file = load(tmp_path / "a.mat")
    assert set(file.variables) == {"mos", "mos\\xff"}
    with pytest.raises(DataError, match="no variable 'names', only "):
        file.text("names")


@pytest.mark.parametrize("version", ["5", "5 compressed", "7.3"])
def test_a_truncated_file_is_never_read_as_a_whole_one(tmp_path, hdf5, version):
    path = tmp_path / "a.mat"
    if version == "7.3":
        hdf5(path, names=["a", "b"], mos=MATRIX)
    else:
        save_version_5(path, compress=version != "5")
    whole = path.read_bytes()
    assert "mos" in load(path)
    # Version 5 is read in a process of its own, which takes a while to start.
    for length in range(0, len(whole) - 8, 17 if version == "7.3" else len(whole) // 5):
        path.write_bytes(whole[:length])
        try:
            found = load(path)
        except DataError as error:
            assert "no MATLAB file" in str(error) or "is damaged" in str(error)
        else:  # cut between two variables
            assert "lines" not in found


def test_what_is_no_matlab_file(tmp_path):
    (tmp_path / "a.mat").write_text("version https://git-lfs.example/spec/v1")
    with pytest.raises(DataError, match=r"no MATLAB file \(it starts with b'version https"):
        load(tmp_path / "a.mat")
    with pytest.raises(DataError, match=r"cannot be read: No such file"):
        load(tmp_path / "b.mat")


def test_a_small_file_that_claims_much_is_refused_unread(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w") as file:
        file.create_dataset("mos", (1000, 1_000_000), "f8", chunks=(1000, 1000))
    assert (tmp_path / "a.mat").stat().st_size < 100_000
    with pytest.raises(DataError, match="variable 'mos' claims 8000 MB"):
        load(tmp_path / "a.mat")
    path = tmp_path / "b.mat"
    scipy.io.savemat(path, {"mos": MATRIX})
    shape, claimed = struct.pack("<ii", 2, 3), struct.pack("<ii", 2, 10**9)
    path.write_bytes(path.read_bytes().replace(shape, claimed))
    with pytest.raises(DataError, match="variable 'mos' claims 16000 MB"):
        load(path)


def test_a_crash_of_the_parser_is_a_message(tmp_path, monkeypatch):
    path = save_version_5(tmp_path / "a.mat")
    # Python imports this at its start; then loadmat dies as it does on some damaged files.
    code = "import os, scipy.io\nscipy.io.loadmat = lambda path: os.abort()\n"
    (tmp_path / "sitecustomize.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DataError, match=r"is damaged .*crash"):
        load(path)
    if CASES.is_dir():
        monkeypatch.undo()
        with pytest.raises(DataError, match="is damaged"):
            load(CASES / "scipy_crash.mat")
