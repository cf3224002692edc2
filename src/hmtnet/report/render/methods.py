"""A comparison of SR methods as a page, as CSV, as text and for programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hmtnet.errors import listed
from hmtnet.files import csv_text
from hmtnet.metrics.resampling import FEWEST_GROUPS
from hmtnet.report.numbers.comparisons import SIGNIFICANT
from hmtnet.report.numbers.methods import Method, MethodComparison, Pair
from hmtnet.report.render.formats import DASH, counted, decimals, percent, probability
from hmtnet.report.render.json_document import known
from hmtnet.report.render.layout import Cell, Column, Table, TableRow
from hmtnet.report.render.templating import render
from hmtnet.report.render.terminal import notes, text_table
from hmtnet.report.render.write import write_files

PAGE = "comparison.html"
MOST_NAMED = 5


@dataclass(frozen=True)
class Told:
    """What stands beside the numbers.

    Attributes:
        title: What is compared.
        contents: Names of the contents.
        quality: Of each method, its quality on each content.
        notes: What a reader must know.
    """

    title: str
    contents: Sequence[str]
    quality: Mapping[str, Sequence[float]]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Disputed:
    """A content on which methods differ.

    Attributes:
        content: Its name.
        pictures: Name, quality and WebP bytes of each method, the best first.
    """

    content: str
    pictures: tuple[tuple[str, float, bytes], ...]


def write_comparison(
    folder: Path, found: MethodComparison, told: Told, disputed: Sequence[Disputed]
) -> Path:
    """Write page, methods, pairs and contents into a folder; return the page.

    Raises:
        DataError: The folder cannot be written.
    """
    names = [method.name for method in found.methods]
    files = {
        "methods.csv": csv_text(
            asdict(found.methods[0]),
            (asdict(method).values() for method in found.methods),
            for_people=True,
        ),
        "pairs.csv": csv_text(
            ["first", "second", *Pair.__dataclass_fields__],
            ([*names, *asdict(pair).values()] for names, pair in found.pairs.items()),
            for_people=True,
        ),
        "contents.csv": csv_text(
            ["content", *names],
            (
                [content, *(told.quality[name][i] for name in names)]
                for i, content in enumerate(told.contents)
            ),
            for_people=True,
        ),
        PAGE: render(
            "methods.html.j2",
            title=f"SR methods compared: {told.title}",
            summary=_summary(found),
            notes=told.notes,
            methods=_methods_table(found),
            pairs=_pairs_table(found),
            disputed=disputed,
        ),
    }
    write_files(folder, files)
    return folder / PAGE


def as_text(found: MethodComparison, told: Told) -> str:
    """Lay out methods and pairs for a terminal."""
    table = _methods_table(found)
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    pairs = [
        [
            f"{first} − {second}",
            f"{pair.point:+.3f}",
            _between(pair.low, pair.high, "+.3f"),
            DASH if math.isnan(pair.p) else probability(pair.p),
            f"{pair.wins} : {pair.losses}",
        ]
        for first, second, pair in _once(found)
        if first == found.methods[0].name
    ]
    header = ["difference", "mean", "95 %", "p", "wins : losses"]
    return "\n\n".join(
        [
            text_table([column.title for column in table.columns], rows),
            text_table(header, pairs),
            notes([*_summary(found), *told.notes]),
        ]
    )


def as_document(found: MethodComparison, told: Told) -> dict[str, Any]:
    """Return everything for a program; None where undefined: JSON knows no NaN."""
    document = {
        "title": told.title,
        "contents": found.contents,
        "groups": found.groups,
        "agreement": found.agreement,
        "methods": [asdict(method) for method in found.methods],
        "pairs": [{"first": a, "second": b, **asdict(pair)} for a, b, pair in _once(found)],
        "people": None if found.people is None else asdict(found.people),
        "notes": list(told.notes),
    }
    defined: dict[str, Any] = known(document)
    return defined


def _summary(found: MethodComparison) -> list[str]:
    """Say what the numbers come to."""
    best, *others = found.methods
    told = f"{counted(found.contents, 'content')} of {counted(found.groups, 'photograph')}"
    lines = [f"Compared on {told}; quality is from 0 to 1, 1 is best."]
    beaten = [m.name for m in others if found.pairs[best.name, m.name].p < SIGNIFICANT]
    if len(beaten) == len(others):
        lines.append(f"{best.name} is better than every other method (paired, Holm-adjusted).")
    else:
        equal = listed((m.name for m in others if m.name not in beaten), MOST_NAMED)
        lines.append(f"{best.name} leads, but is not shown to be better than {equal}.")
    if math.isnan(best.low):
        lines.append(f"There are too few photographs for intervals: fewer than {FEWEST_GROUPS}.")
    if not math.isnan(found.agreement):
        lines.append(
            f"Agreement of the contents on the order (Kendall's W, 1 = all alike): "
            f"{decimals(found.agreement, 2)}."
        )
    if found.people is not None:
        whose = "the pseudo-MOS" if found.people.pseudo else "people"
        within = found.people.within
        lines.append(
            f"Beside {whose}: Kendall's τ of the methods' order is "
            f"{decimals(found.people.order, 2)}; within a content SRCC is "
            f"{decimals(within.point, 2)} ({_between(within.low, within.high, '.2f')}); on "
            f"{percent(found.people.top, 0)} of the contents the method scored highest is theirs."
        )
    return lines


def _methods_table(found: MethodComparison) -> Table:
    columns = [
        Column("SR method", text=True),
        Column("quality", "Mean of its images' scores, 0 to 1."),
        Column("95 %", "Bootstrap interval over photographs; none below 10."),
        Column("mean rank", "1 is best."),
        Column("first on", "Share of contents on which it scores highest."),
    ]
    label = None if found.people is None else ("pseudo-MOS" if found.people.pseudo else "MOS")
    if label is not None:
        columns.append(Column(label, "Mean label of its images, brought to 0 to 1."))
    rows = tuple(TableRow(_method_cells(method, label is not None)) for method in found.methods)
    return Table("SR methods, the best first", tuple(columns), rows)


def _method_cells(method: Method, labelled: bool) -> tuple[Cell, ...]:
    cells = [
        Cell(method.name, method.name),
        Cell(decimals(method.mean), method.mean),
        Cell(_between(method.low, method.high, ".3f")),
        Cell(decimals(method.rank, 2), method.rank),
        Cell(percent(method.first, 0), method.first),
    ]
    return (*cells, Cell(decimals(method.mos), method.mos)) if labelled else tuple(cells)


def _pairs_table(found: MethodComparison) -> Table:
    names = [method.name for method in found.methods]
    columns = (Column("row − column", text=True), *map(Column, names))
    rows = tuple(
        TableRow((Cell(a), *(_pair_cell(found.pairs.get((a, b))) for b in names))) for a in names
    )
    note = (
        "Mean difference in quality on the same contents; below it the 95 % interval over "
        "photographs, p of Wilcoxon's signed-rank test over photographs, adjusted by Holm, and on "
        "how many contents each is better. An asterisk marks p < .05."
    )
    return Table("Is one better than another?", columns, rows, (note,))


def _pair_cell(pair: Pair | None) -> Cell:
    if pair is None:
        return Cell(DASH)
    strong = pair.p < SIGNIFICANT
    below = f"{pair.wins} : {pair.losses}"
    if not math.isnan(pair.p):
        below = f"p {probability(pair.p)}, {below}"
    if not math.isnan(pair.low):
        below = f"[{pair.low:+.3f}, {pair.high:+.3f}] {below}"
    return Cell(f"{pair.point:+.3f}" + (" *" if strong else ""), pair.point, below, strong)


def _between(low: float, high: float, form: str) -> str:
    return DASH if math.isnan(low) else f"{low:{form}} to {high:{form}}"


def _once(found: MethodComparison) -> list[tuple[str, str, Pair]]:
    """Return each pair once, the better method first."""
    place = {method.name: i for i, method in enumerate(found.methods)}
    return [(a, b, pair) for (a, b), pair in found.pairs.items() if place[a] < place[b]]
