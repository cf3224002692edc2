"""Labels in text files that have one line per image."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hmtnet.data.readers.assemble import Faults
from hmtnet.data.readers.folder import decode_text
from hmtnet.data.record import Official

_LONGEST_NAME = 255


@dataclass(frozen=True)
class Label:
    """One line of a label file, or one row of a label table.

    Attributes:
        name: The image's name as the line has it, with forward slashes.
        mos: Its score.
        where: Where the label stands, for messages.
        others: What the line says, by column.
        std: Standard deviation of the opinions.
        official: The subset that the dataset's official split puts the image in.
    """

    name: str
    mos: float
    where: str
    others: Mapping[str, str] = field(default_factory=dict)
    std: float | None = None
    official: Official | None = None


def read_label_lines(
    path: Path,
    columns: Sequence[str],
    faults: Faults,
    separator: str | None = None,
    *,
    several: bool = False,
) -> list[Label]:
    """Read a label file without a header; any usual encoding and line end, blank lines skipped.

    Args:
        path: The file.
        columns: What stands in a line, in order; ``name`` and ``mos`` among them.
        faults: Gets malformed lines and repeated names.
        separator: Between two columns; None for blanks.
        several: Whether it is one of several label files, so that messages name it.

    Raises:
        DataError: The file cannot be read.
    """
    labels = []
    for number, line in enumerate(decode_text(path).splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}" if several else f"line {number}"
        cells = [cell.strip() for cell in line.split(separator)]
        named = dict(zip(columns, cells, strict=False))
        mos = number_in(named.get("mos", ""))
        if len(cells) != len(columns) or mos is None or not named["name"]:
            faults.add("malformed label lines", f"{where}: {line.strip()!r}")
            continue
        name = named["name"].replace("\\", "/")
        labels.append(Label(name, mos, where, named))
    return labels


def once_each(labels: Iterable[Label], faults: Faults) -> list[Label]:
    """Sort labels by name; a name that has several, in whatever letter case, is a fault.

    So is one that is longer than a file system allows: numbers in it can have more digits than
    Python reads.
    """
    known: dict[str, Label] = {}
    for label in labels:
        if len(label.name.rpartition("/")[2]) > _LONGEST_NAME:
            faults.add("names that no file can have", f"{label.where}: {label.name[:50]!r} …")
            continue
        if label.name.lower() in known:
            faults.add("names with more than one label", f"{label.where}: {label.name}")
        known[label.name.lower()] = label
    return [known[name] for name in sorted(known)]


def number_in(text: str) -> float | None:
    """Return the number that a cell holds; None for one that holds none, NaN or infinity."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
