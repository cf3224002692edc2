"""MATLAB files of either kind: version 5 (scipy) and version 7.3, which is HDF5 (h5py)."""

import math
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hmtnet.errors import DataError, listed, nearest

_HDF5 = b"\x89HDF\r\n\x1a\n"
_VERSION_5 = b"MATLAB 5.0"
_MOST_BYTES = 500_000_000  # of one variable; a small file may claim any number
_MOST_TEXT = 50_000_000  # likewise, of a cell or character array
_MOST_CELLS = 200_000  # of one variable
_MOST_SECONDS = 120  # of the child that reads a file of version 5


@dataclass(frozen=True)
class MatFile:
    """Variables of a MATLAB file.

    Attributes:
        path: The file.
        variables: Numeric variables as arrays in MATLAB's own orientation, whichever version wrote
            them; cell arrays of text as lists of text in MATLAB's (column-major) order, character
            arrays as lists of their rows. Variables of other kinds are left out.
    """

    path: Path
    variables: dict[str, npt.NDArray[Any] | list[str]]

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """Return a numeric variable as float64.

        Raises:
            DataError: No such variable, or it is text.
        """
        value = self._get(name)
        if isinstance(value, list):
            raise DataError(f"Variable '{name}' of '{self.path}' is text; expected numbers.")
        return value.astype(np.float64)

    def text(self, name: str) -> list[str]:
        """Return a variable that is a list of text.

        Raises:
            DataError: No such variable, or it is numeric.
        """
        value = self._get(name)
        if not isinstance(value, list):
            raise DataError(f"Variable '{name}' of '{self.path}' is numeric; expected text.")
        return value

    def __contains__(self, name: str) -> bool:
        return name in self.variables

    def _get(self, name: str) -> npt.NDArray[Any] | list[str]:
        if name not in self.variables:
            raise DataError(
                f"'{self.path}' has no variable '{name}', only {listed(self.variables, 10)}."
                f"{nearest(name, self.variables)}"
            )
        return self.variables[name]


def load(path: Path) -> MatFile:
    """Read a MATLAB file.

    Raises:
        DataError: The file is missing, truncated or no MATLAB file.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(520)
    except OSError as error:
        raise DataError(f"The table '{path}' cannot be read: {error.strerror}.") from error
    # MATLAB writes 512 bytes of its own before the HDF5 signature.
    is_hdf5 = start.startswith(_HDF5) or start[512:520] == _HDF5
    if not is_hdf5 and not start.startswith(_VERSION_5):
        raise DataError(
            f"'{path}' is no MATLAB file (it starts with {start[:16]!r}); expected version 5 or "
            "7.3. Copy it anew from its source."
        )
    try:
        variables = _load_hdf5(path) if is_hdf5 else _in_child(path)
    except Exception as error:  # scipy's and zlib's own errors have no narrower base
        raise DataError(
            f"The MATLAB file '{path}' is damaged ({error}). Copy it anew from its source."
        ) from error
    return MatFile(path, variables)


def _in_child(path: Path) -> dict[str, npt.NDArray[Any] | list[str]]:
    """Read a file of version 5 in a process of its own, which scipy can crash on damaged files."""
    code = "import sys; from hmtnet.data.readers.matlab import hand_over; hand_over(sys.argv[1])"
    try:
        done = subprocess.run(
            # -P: without it, Python would import modules that lie in the working folder.
            [sys.executable, "-P", "-W", "ignore", "-c", code, str(path)],
            capture_output=True,
            check=False,
            timeout=_MOST_SECONDS,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"it cannot be read within {_MOST_SECONDS} s") from None
    if done.returncode != 0:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise OSError(told[-1] if told else "it makes the MATLAB reader crash")
    variables: dict[str, npt.NDArray[Any] | list[str]] = pickle.loads(done.stdout)
    return variables


def hand_over(path: str) -> None:
    """Write the variables of a file of version 5 to standard output, for ``_in_child``."""
    limit_memory()
    sys.stdout.buffer.write(pickle.dumps(_load_version_5(Path(path))))


def limit_memory() -> None:
    """Keep this process from taking more than a few gigabytes, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    few = 8 * _MOST_BYTES
    resource.setrlimit(
        resource.RLIMIT_AS, (few if most == resource.RLIM_INFINITY else min(few, most), most)
    )


def _load_hdf5(path: Path) -> dict[str, npt.NDArray[Any] | list[str]]:
    import h5py

    variables: dict[str, npt.NDArray[Any] | list[str]] = {}
    with h5py.File(path, "r") as file:

        def content(name: str, item: Any, most: int = _MOST_BYTES) -> Any:
            """Read what lies in this file and is not too much."""
            if item.external or item.is_virtual or item.file != file:
                raise ValueError(f"variable '{name}' lies in another file")
            _check_size(name, item.nbytes, most)
            return item[()]

        for key, item in file.items():
            if not isinstance(item, h5py.Dataset):
                continue
            # h5py leaves a name that is no UTF-8 as it is.
            name = key if isinstance(key, str) else key.decode(errors="backslashreplace")
            # HDF5 stores MATLAB's columns as rows, and instead of an empty array its size.
            kind = item.attrs.get("MATLAB_class", b"")
            value = content(name, item, _MOST_TEXT if kind == b"char" else _MOST_BYTES).T
            if item.attrs.get("MATLAB_empty", 0):
                value = np.zeros(tuple(value.ravel()) if 0 in value else 0)
            if item.dtype == h5py.ref_dtype:
                if value.size > _MOST_CELLS:
                    raise ValueError(f"variable '{name}' has {value.size} cells")
                cells = [file[reference] for reference in value.ravel(order="F")]
                if all(_is_text(cell) for cell in cells):
                    _check_size(name, sum(cell.nbytes for cell in cells), _MOST_TEXT)
                    variables[name] = [_decode(content(name, cell).T) for cell in cells]
            elif kind == b"char":
                variables[name] = [_decode(row) for row in np.atleast_2d(value)]
            elif value.dtype.kind in "biuf":
                variables[name] = value
    return variables


def _check_size(name: str, claimed: int, most: int = _MOST_BYTES) -> None:
    if claimed > most:
        raise ValueError(f"variable '{name}' claims {claimed / 1e6:.0f} MB")


def _is_text(cell: Any) -> bool:
    return bool(cell.attrs.get("MATLAB_class", b"") == b"char")


def _decode(codes: npt.NDArray[Any]) -> str:
    """Decode UTF-16 code units, as MATLAB stores text; an empty text is stored as its size."""
    if codes.dtype.kind != "u" or codes.dtype.itemsize == 8:
        return ""
    units = codes.ravel(order="F").astype("<u2")
    return units.tobytes().decode("utf-16-le", errors="replace").rstrip()


def _load_version_5(path: Path) -> dict[str, npt.NDArray[Any] | list[str]]:
    from scipy.io import loadmat, whosmat

    for name, shape, _ in whosmat(path):
        _check_size(name, 8 * math.prod(shape))
    variables: dict[str, npt.NDArray[Any] | list[str]] = {}
    for name, value in loadmat(path).items():
        if not isinstance(value, np.ndarray):
            continue
        if value.dtype.kind == "U":
            variables[name] = [str(row).rstrip() for row in value.ravel()]
        elif value.dtype.kind == "O":
            cells = list(_texts(value))
            if all(cell is not None for cell in cells):
                variables[name] = [str(cell) for cell in cells]
        elif value.dtype.kind in "biuf":
            variables[name] = value
    return variables


def _texts(cells: npt.NDArray[Any]) -> Iterable[str | None]:
    """Yield the text of each cell, None for one that holds something else."""
    for cell in cells.ravel(order="F"):
        array = np.asarray(cell)
        if array.dtype.kind == "U":
            yield "".join(array.ravel().tolist()).rstrip()
        else:
            yield "" if array.size == 0 else None
