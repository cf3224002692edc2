"""Readers find datasets by their settings alone, never by this machine's environment."""

import h5py
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch):
    monkeypatch.delenv("HMTNET_DATA", raising=False)


def write_hdf5(file, variables):
    """Write variables as MATLAB 7.3 does: text as characters, a list of text as a cell array."""
    for name, value in variables.items():
        if isinstance(value, str):
            rows = [[ord(sign) for sign in line] for line in value.split("\n")]
            file[name] = np.array(rows, dtype="<u2").T
            kind = "char"
        elif not (isinstance(value, list) and value and isinstance(value[0], str)):
            file[name] = np.asarray(value, dtype=np.float64).T
            kind = "double"
        else:
            cells = []
            for i, text in enumerate(value):
                units = np.frombuffer(text.encode("utf-16-le"), dtype="<u2")
                cell = file.create_dataset(f"#refs#/{name}{i}", data=units[:, None])
                cell.attrs["MATLAB_class"] = np.bytes_("char")
                cells.append(cell.ref)
            file[name] = np.array([cells], dtype=h5py.ref_dtype)
            kind = "cell"
        file[name].attrs["MATLAB_class"] = np.bytes_(kind)


def save_hdf5(path, **variables):
    """Write a MATLAB 7.3 file; see ``write_hdf5``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        write_hdf5(file, variables)
    return path


@pytest.fixture
def hdf5():
    return save_hdf5


@pytest.fixture
def published_table():
    """Write a published table; its permutations are made from the reference numbers."""

    def make(path, names, scores, references, permutations=5):
        rng = np.random.default_rng(0)
        count = max(references)
        index = np.array([rng.permutation(count) + 1 for _ in range(permutations)])
        save_hdf5(
            path,
            im_names=list(names),
            subjective_scores=np.reshape(scores, (-1, 1)),
            ref_ids=np.reshape(references, (-1, 1)),
            index=index,
        )
        return index

    return make
