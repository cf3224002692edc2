"""The table a run ends with, for a terminal, and the same rows for a program."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from hmtnet.errors import DataError
from hmtnet.report.numbers.quantities import QUANTITIES, Quantity
from hmtnet.report.numbers.summary import Summary
from hmtnet.report.render.formats import DASH, counted, written
from hmtnet.report.render.terminal import notes, text_table

_SHOWN = (
    "srcc",
    "plcc",
    "krcc",
    "rmse",
    "within_tau",
    "within_srcc",
    "accuracy",
    "adjacent_accuracy",
)
_COLUMNS = [quantity for key in _SHOWN for quantity in QUANTITIES if quantity.key == key]
_LONGEST_NAME = 22
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_WITHIN = (
    "within-τ, within-SRCC: agreement among images of the same SR method and scale, the part of a "
    "score that only pixels can explain."
)
_UNDEFINED = (
    f"{DASH} undefined (a constant prediction orders nothing; too few images) or not applicable "
    "(no grades, no SR method known, subset not read)."
)


@dataclass(frozen=True)
class Row:
    """One system, baseline or stage.

    Attributes:
        name: What it is called.
        val: Its numbers on the validation images; None if there are none.
        test: Its numbers on the test images; None if test was not read.
        note: What a reader must know about the row; shown as a footnote.
    """

    name: str
    val: Summary | None
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
    return (
        f"{dataset}, {subset} subset: {counted(n, 'image')}, split by protocol '{protocol}'{mark}\n"
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
    footnotes = list(dict.fromkeys(row.note for row in rows if row.note))
    lines = [
        [_named(row, footnotes), *(_cell(quantity, summary) for quantity in _COLUMNS)]
        for row, summary in zip(rows, summaries, strict=True)
    ]
    below = [_WITHIN]
    if any(DASH in cells for cells in lines):
        below.append(_UNDEFINED)
    below += [f"{_superscript(i)} {note}" for i, note in enumerate(footnotes, start=1)]
    table = text_table(["", *(quantity.title for quantity in _COLUMNS)], lines)
    return "\n".join([*([heading] if heading else []), table, "", notes(below)])


def as_records(rows: Sequence[Row]) -> list[dict[str, str | int | float | None]]:
    """Return the rows for a program: one record for each row and subset.

    Returns:
        Records with ``name``, ``subset``, ``note`` and the fields of
        :class:`~hmtnet.report.numbers.summary.Summary`; None where undefined: JSON knows no NaN.
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


def _cell(quantity: Quantity, summary: Summary | None) -> str:
    return DASH if summary is None else written(getattr(summary, quantity.key), quantity)


def _named(row: Row, footnotes: Sequence[str]) -> str:
    mark = _superscript(footnotes.index(row.note) + 1) if row.note else ""
    room = _LONGEST_NAME - len(mark)
    name = row.name if len(row.name) <= room else row.name[: room - 1] + "…"
    return name + mark


def _superscript(number: int) -> str:
    return str(number).translate(_SUPERSCRIPTS)
