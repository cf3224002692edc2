"""The published experiment tables of the field: labels with 1000 stored random splits.

A MATLAB 7.3 file with ``im_names``, ``subjective_scores``, ``ref_ids`` and ``index``, whose rows
are orders of the references: the first 60 % train, the next 20 % validate, the last 20 % test.
Results of TADSRNet, JNSFANet and others on QADS and MA are medians over them.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hmtnet.data.facts import Facts
from hmtnet.data.labels import FloatArray, IntArray, Published
from hmtnet.data.readers.folder import DATA_VARIABLE, find_root
from hmtnet.data.readers.lines import Label
from hmtnet.data.readers.matlab import MatFile, load
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError, listed
from hmtnet.files import is_file


@dataclass(frozen=True)
class PublishedTable:
    """A published table.

    Attributes:
        path: The file.
        labels: Names as the table has them, with their scores; NaN where it has none.
        references: (N,) number of each image's reference, 1…R.
        permutations: (P, R) stored orders of the references.
    """

    path: Path
    labels: tuple[Label, ...]
    references: IntArray
    permutations: IntArray

    def published(self, names: Sequence[str], shown: Sequence[str] | None = None) -> Published:
        """Return the stored experiments for the table's images in another order.

        Args:
            names: Images of this table, in any letter case.
            shown: Name of the reference that each of them shows; checked where it is given, since
                a split by wrong numbers would put one reference into several subsets.

        Raises:
            DataError: A reference has several numbers, or a number stands for several references.
        """
        number = {
            label.name.lower(): reference
            for label, reference in zip(self.labels, self.references.tolist(), strict=True)
        }
        references = [number[name.lower()] for name in names]
        if shown is not None:
            self._check_numbers(references, shown)
        return Published(np.array(references, dtype=np.int64), self.permutations)

    def _check_numbers(self, references: Sequence[int], shown: Sequence[str]) -> None:
        pairs = sorted(set(zip(references, shown, strict=True)))
        several = [
            f"{reference} is number {number}"
            for number, reference in pairs
            if sum(number == other for other, _ in pairs) > 1
            or sum(reference == other for _, other in pairs) > 1
        ]
        if several:
            raise DataError(
                f"The reference numbers of '{self.path}' contradict the names of its images: "
                f"{listed(several)}. Copy it anew."
            )


def find_source(settings: DataSettings, facts: Facts) -> tuple[Path, Path | None]:
    """Find a dataset's folder and, where ``data.table`` names one, its table.

    Returns:
        The folder, which is the table's own where only labels are read from it; the table.

    Raises:
        SettingsError: ``data.table`` is no ``.mat`` file.
        DataError: The folder or the table is missing.
    """
    if settings.table is None:
        return find_root(settings, facts.obtained), None
    if settings.labels_only:
        path = find_table(settings, None)
        return path.parent, path
    root = find_root(settings, facts.obtained)
    return root, find_table(settings, root)


def open_source(settings: DataSettings, facts: Facts) -> tuple[Path, PublishedTable | None]:
    """Find a dataset's folder and read its published table, where ``data.table`` names one.

    Raises:
        SettingsError: ``data.table`` is no published table.
        DataError: The folder or the table is missing or damaged.
    """
    root, path = find_source(settings, facts)
    return root, None if path is None else read_published(path)


def find_table(settings: DataSettings, root: Path | None) -> Path:
    """Find ``data.table``: absolute, in the root, below ``$HMTNET_DATA``, or in the working folder.

    Raises:
        SettingsError: It is no ``.mat`` file.
        DataError: It is in none of these places.
    """
    if settings.table is None or not settings.table.lower().endswith(".mat"):
        raise SettingsError(
            f"data.table={settings.table!r}: the reader '{settings.reader}' reads its labels from "
            "the dataset's own label file, or from a published table that ends in .mat. To read a "
            "CSV, use data=table."
        )
    given = Path(settings.table).expanduser()
    home = os.environ.get(DATA_VARIABLE)
    places = [root, Path(home).expanduser() if home else None, Path()]
    tried = list(dict.fromkeys(place / given for place in places if place is not None))
    for path in tried:
        if is_file(path):
            return path
    raise DataError(
        f"The published table data.table='{settings.table}' was not found: looked for "
        f"{listed(dict.fromkeys(tried))}. Give its path."
    )


def read_published(path: Path) -> PublishedTable:
    """Read a published table; see ``published_in``."""
    return published_in(load(path))


def published_in(file: MatFile) -> PublishedTable:
    """Take the published table out of a MATLAB file.

    ``subjective_scoresSTD`` is ignored: in the table of QADS it has 779 entries for 980 images.

    Raises:
        DataError: A variable is missing, or their sizes and numbers contradict each other.
    """
    path = file.path
    names = tuple(name.replace("\\", "/") for name in file.text("im_names"))
    mos = file.numbers("subjective_scores").ravel()
    references = file.numbers("ref_ids").ravel()
    index = file.numbers("index")
    count = len(names)
    if not (mos.size == references.size == count) or index.ndim != 2:
        raise DataError(
            f"'{path}' contradicts itself: {count} names, {mos.size} scores and {references.size} "
            f"reference numbers, permutations of shape {index.shape}. Copy it anew."
        )
    times = Counter(name.lower() for name in names)
    repeated = sorted(name for name in names if times[name.lower()] > 1)
    if repeated:
        raise DataError(f"'{path}' names images more than once: {listed(repeated)}.")
    permutations = _permutations(path, index, references)
    labels = tuple(
        Label(name, score, f"row {row}")
        for row, (name, score) in enumerate(zip(names, mos.tolist(), strict=True), 1)
    )
    return PublishedTable(path, labels, references.astype(np.int64), permutations)


def _permutations(path: Path, index: FloatArray, references: FloatArray) -> IntArray:
    """Check that every stored order names every reference once; return (P, R)."""
    count = len(np.unique(references))
    whole = np.arange(1, count + 1)
    if np.array_equal(np.unique(references), whole):
        # One order per row in MATLAB; transposed where another program wrote the file.
        for orders in (index, index.T):
            if orders.shape[1] == count and (np.sort(orders, axis=1) == whole).all():
                return orders.astype(np.int64)
    raise DataError(
        f"'{path}': expected reference numbers 1 to {count} and, in every row of 'index', each of "
        f"them once; found an index of shape {index.shape}. Copy it anew."
    )
