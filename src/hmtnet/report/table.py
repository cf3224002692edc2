"""The table a run ends with, for a terminal, and the same rows for a program."""

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from hmtnet.errors import DataError
from hmtnet.report.summary import Summary

WIDTH = 100
"""Columns of text that a table may take."""

_NAME_WIDTH = 24
_DASH = "–"
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_WITHIN = (
    "within-τ, within-SRCC: agreement among images of the same SR method and scale, the part of a "
    "score that only pixels can explain."
)
_UNDEFINED = (
    f"{_DASH} undefined (a constant prediction orders nothing; too few images) or not applicable "
    "(no grades, no SR method known, subset not read)."
)


@dataclass(frozen=True)
class Row:
    """One system, baseline or stage.

    Attributes:
        name: What it is called.
        val: Its numbers on the validation images.
        test: Its numbers on the test images; None if test was not read.
        note: What a reader must know about the row; shown as a footnote.
    """

    name: str
    val: Summary
    test: Summary | None = None
    note: str = ""


def heading(
    dataset: str, protocol: str, subset: str, n: int, label_kind: str, *, leaky: bool = False
) -> str:
    """Say what a table's numbers are about.

    Args:
        dataset: The dataset's name.
        protocol: The split's protocol, e.g. ``content``.
        subset: ``val`` or ``test``.
        n: Number of images of the subset.
        label_kind: ``human`` or ``pseudo``.
        leaky: Whether training sees what the subset shows, such as the same photographs.

    Returns:
        Two lines of text.

    >>> print(heading("demo", "image", "test", 72, "pseudo", leaky=True))
    demo, test subset: 72 images, split by protocol 'image' (leaky)
    labels: pseudo-MOS, not human
    """
    mark = " (leaky)" if leaky else ""
    images = "1 image" if n == 1 else f"{n} images"
    return (
        f"{dataset}, {subset} subset: {images}, split by protocol '{protocol}'{mark}\n"
        f"labels: {'pseudo-MOS, not human' if label_kind == 'pseudo' else f'{label_kind} scores'}"
    )


def closing_table(
    rows: Sequence[Row], heading: str = "", subset: Literal["val", "test"] = "test"
) -> str:
    """Lay out the numbers of one subset for a terminal: UTF-8, at most 100 columns.

    Args:
        rows: Baselines and systems, in the order to show. One whose subset was not read has dashes.
        heading: Lines to stand above, e.g. from :func:`heading`.
        subset: Whose numbers to show.

    Returns:
        Lines of text, without a final line end.

    Raises:
        DataError: If rows were computed over different numbers of images: they cannot be compared.
    """
    summaries = [row.val if subset == "val" else row.test for row in rows]
    sizes = {row.name: summary.n for row, summary in zip(rows, summaries, strict=True) if summary}
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name}: {n}" for name, n in sizes.items())
        raise DataError(
            f"{subset}: expected rows over the same images, found {found}. Show runs of different "
            "splits in tables of their own."
        )
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    lines = [
        _line(_named(row, notes), [_cell(column, summary) for column in _COLUMNS])
        for row, summary in zip(rows, summaries, strict=True)
    ]
    header = _line("", [column.title for column in _COLUMNS])
    rule = "─" * len(header)
    footnotes = [_WITHIN]
    if any(_DASH in line[_NAME_WIDTH:] for line in lines):
        footnotes.append(_UNDEFINED)
    footnotes += [f"{_superscript(i)} {note}" for i, note in enumerate(notes, start=1)]
    below = [textwrap.fill(text, WIDTH, subsequent_indent="  ") for text in footnotes]
    above = [heading] if heading else []
    return "\n".join([*above, rule, header, rule, *lines, rule, *below])


def as_records(rows: Sequence[Row]) -> list[dict[str, str | int | float | None]]:
    """Return the rows for a program: one record for each row and subset.

    Returns:
        Records with ``name``, ``subset``, ``note`` and the fields of
        :class:`~hmtnet.report.summary.Summary`; None where undefined, since JSON knows no NaN.
    """
    records: list[dict[str, str | int | float | None]] = []
    for row in rows:
        for subset, summary in (("val", row.val), ("test", row.test)):
            if summary is not None:
                numbers = {
                    name: None if math.isnan(value) else value
                    for name, value in asdict(summary).items()
                }
                records.append({"name": row.name, "subset": subset, "note": row.note, **numbers})
    return records


@dataclass(frozen=True)
class _Column:
    title: str
    value: Callable[[Summary], float]
    text: Callable[[float], str]
    width: int


def _decimals(value: float) -> str:
    # Large units (MOS of 0 to 100) need no thousandths.
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


_COLUMNS = (
    _Column("SRCC", lambda summary: summary.srcc, _decimals, 8),
    _Column("PLCC", lambda summary: summary.plcc, _decimals, 8),
    _Column("KRCC", lambda summary: summary.krcc, _decimals, 8),
    _Column("RMSE", lambda summary: summary.rmse, _decimals, 8),
    _Column("within-τ", lambda summary: summary.within_tau, _decimals, 10),
    _Column("within-SRCC", lambda summary: summary.within_srcc, _decimals, 13),
    _Column("grade acc.", lambda summary: summary.accuracy, _percent, 12),
    _Column("±1", lambda summary: summary.adjacent_accuracy, _percent, 9),
)


def _cell(column: _Column, summary: Summary | None) -> str:
    value = math.nan if summary is None else column.value(summary)
    return _DASH if math.isnan(value) else column.text(value)


def _line(name: str, cells: Sequence[str]) -> str:
    padded = (cell.rjust(column.width) for column, cell in zip(_COLUMNS, cells, strict=True))
    return name.ljust(_NAME_WIDTH) + "".join(padded)


def _named(row: Row, notes: Sequence[str]) -> str:
    mark = _superscript(notes.index(row.note) + 1) if row.note else ""
    room = _NAME_WIDTH - len(mark)
    name = row.name if len(row.name) <= room else row.name[: room - 1] + "…"
    return name + mark


def _superscript(number: int) -> str:
    return str(number).translate(_SUPERSCRIPTS)
