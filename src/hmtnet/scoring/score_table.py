"""Scores of many files: one row per image, in a CSV file that grows row by row.

The columns are those of `Row`. Numbers are written so that reading returns them to the last bit.
A row is written whole and at once, so that an interrupted command goes on where it stopped.
"""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from hmtnet.artifact.table import finite, whole
from hmtnet.errors import DataError
from hmtnet.files import as_it_was, csv_text, is_folder, write_text


@dataclass(frozen=True)
class Row:
    """What is kept of one image's verdict.

    Attributes:
        image: Its path as it was given, with forward slashes.
        score: In the unit of the dataset that the network was trained on.
        unit_score: The same in [0, 1], 1 = best.
        grade: 1 (worst) to K (best); None for a network without grades.
        grade_probability: Of that grade, in [0, 1]; None for a network without grades.
        width: Of the image, pixels.
        height: Of the image, pixels.
        seen: Share of the image's pixels that a tile covers, in [0, 1].
        predicts: What the score means: label, range and which end is best.
        model: The model as it was given.
        model_digest: 16 hexadecimal digits of all that decides a score but the image.
        image_digest: 16 hexadecimal digits of the file's bytes; of both files, where a reference
            was compared.
        tile_spread: Standard deviation of the unit scores of the image's tiles; None where that is
            not known.
        interval_low: Lower end of the 90 % interval, in the unit of ``score``; None without one.
        interval_high: Its upper end.
        outside: In which ways the image is beyond what the model has learned from; empty if none.
    """

    image: str
    score: float
    unit_score: float
    grade: int | None
    grade_probability: float | None
    width: int
    height: int
    seen: float
    predicts: str
    model: str
    model_digest: str
    image_digest: str
    tile_spread: float | None = None
    interval_low: float | None = None
    interval_high: float | None = None
    outside: str = ""

    @classmethod
    def from_cells(cls, cells: list[str]) -> Self:
        """Read a row of a table back.

        Raises:
            ValueError: It is no such row.
        """
        found: dict[str, Any] = dict(zip(COLUMNS, map(as_it_was, cells), strict=True))
        for name in _NUMBERS:
            found[name] = finite(found[name]) if found[name] else None
        for name in ("grade", "width", "height"):
            found[name] = whole(found[name]) if found[name] else None
        if None in (found["score"], found["unit_score"]) or not found["image_digest"]:
            raise ValueError("expected a score and a digest")
        return cls(**found)


@dataclass(frozen=True)
class Failure:
    """An image that has no score.

    Attributes:
        image: Its path.
        reason: Why, and what to do.
    """

    image: str
    reason: str


_NUMBERS = (
    *("score", "unit_score", "grade_probability", "seen"),
    *("tile_spread", "interval_low", "interval_high"),
)
COLUMNS = tuple(field.name for field in fields(Row))


def best_first(rows: list[Row]) -> list[Row]:
    """Sort rows by quality, the best first; equal ones by name."""
    return sorted(rows, key=lambda row: (-row.unit_score, row.image))


def as_csv(rows: list[Row], header: bool = True) -> str:
    """Return rows as CSV text, for people and to be read back."""
    text = csv_text(COLUMNS, (asdict(row).values() for row in rows), for_people=True)
    return text if header else text.partition("\n")[2]


class ScoreFile:
    """A CSV file of scores that grows row by row.

    What an interrupted write has left at its end is not counted. Where an image has several rows,
    because it or the model has changed, the last one counts, and `finish` removes the others.

    Attributes:
        path: The file; nothing is written before the first row.
        rows: What it holds, by image.

    Raises:
        DataError: There is a file that is no such table, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        self._untidy = False
        if is_folder(path):
            raise DataError(
                f"--output: {path} is a folder. Give a file, such as {path}/scores.csv."
            )
        try:
            self._read(path.read_bytes())
        except FileNotFoundError:
            self._untidy = True
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise DataError(
                f"{path} holds something else than scores of hmtnet ({error}), and is left as it "
                "is. Give another --output."
            ) from error

    def append(self, row: Row) -> None:
        """Add one row, at once and whole.

        Raises:
            DataError: The file cannot be written.
        """
        try:
            if self._untidy:  # also where there is no file yet
                self._rewrite(list(self.rows.values()))
            with self.path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(as_csv([row], header=False))
        except OSError as error:
            raise self._unwritable(error) from error
        self._untidy = row.image in self.rows
        self.rows[row.image] = row

    def finish(self, sort: bool) -> None:
        """Leave one row per image, best first if ``sort``; the file changes whole or not at all.

        Raises:
            DataError: The file cannot be written.
        """
        rows = list(self.rows.values())
        wanted = best_first(rows) if sort else rows
        if rows and (self._untidy or wanted != rows):
            try:
                self._rewrite(wanted)
            except OSError as error:
                raise self._unwritable(error) from error

    def _read(self, data: bytes) -> None:
        whole_lines = data[: data.rfind(b"\n") + 1]
        text = io.StringIO(whole_lines.decode("utf-8-sig"), newline="")
        table = list(csv.reader(text, strict=True))
        if data and (not table or tuple(table[0]) != COLUMNS):
            raise ValueError(f"expected the columns {', '.join(COLUMNS)}")
        rows = [Row.from_cells(cells) for cells in table[1:]]
        self.rows = {row.image: row for row in rows}
        self._untidy = whole_lines != data or not data or len(self.rows) < len(rows)

    def _rewrite(self, rows: list[Row]) -> None:
        write_text(self.path, as_csv(rows))
        self._untidy = False

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(
            f"{self.path} cannot be written: {error}. Check that its folder is writable and the "
            "disk is not full; the same command goes on."
        )
