"""The tables of a report, laid out once for the page, for Markdown and for a terminal."""

import math
import statistics
from collections.abc import Mapping, Sequence

from hmtnet.report.numbers.breakdowns import Breakdown
from hmtnet.report.numbers.comparisons import SIGNIFICANT, Comparison, Paired, titled
from hmtnet.report.numbers.leaderboard import Entry
from hmtnet.report.numbers.model import Section
from hmtnet.report.numbers.published import MARK, PublishedRow
from hmtnet.report.numbers.quantities import FURTHER, GRADES, SKILL, Quantity, Spread
from hmtnet.report.render.formats import DASH, decimals, percent, probability, whole, written
from hmtnet.report.render.layout import Cell, Column, Table, TableRow


def leaderboard_table(section: Section) -> Table:
    """Lay out skill, intervals and how much stands behind them."""
    mos = section.grounds.mos
    quantities = _skill(section)
    columns = [
        Column("system", text=True),
        _column(quantities[0], mos),
        Column(
            "SRCC 95 %",
            "Bootstrap interval over references (over images where none is named). Below 10 of "
            "them there is none: shown is the range of SRCC within one reference.",
        ),
        *(_column(quantity, mos) for quantity in quantities[1:]),
        Column("fit", "How the logistic fits went, one per split and seed.", text=True),
        Column("splits"),
        Column("seeds"),
    ]
    rows = [_leaderboard_row(entry, quantities) for entry in section.entries]
    rows += [_published_row(row, quantities) for row in section.published]
    notes = [f"{e.name}: {e.explanation}." for e in section.entries if e.explanation]
    several = any(len(entry.splits) > 1 for entry in section.entries)
    if several:
        notes.insert(0, "Numbers are medians over splits; below them, mean ± standard deviation.")
    if section.published:
        notes.append(
            f"Rows marked “{MARK}” are copied from papers: other splits, other choices of the "
            "epoch. They are not ranked."
        )
    caption = f"Leaderboard: {section.grounds.title}. Labels: {section.grounds.labels}."
    return Table(caption, tuple(columns), tuple(rows), tuple(notes))


def grades_table(section: Section) -> Table | None:
    """Lay out how well grades are predicted; None if no row predicts any."""
    rows = [
        TableRow(
            (_name(entry), *(_spread(entry.spreads[q.key], q) for q in GRADES)),
            entry.kind,
            entry.block,
        )
        for entry in section.entries
        if entry.spreads["accuracy"].defined
    ]
    if not rows:
        return None
    mos = section.grounds.mos
    columns = (Column("system", text=True), *(_column(q, mos) for q in GRADES))
    note = f"True grades are cut from the {mos} of the training images."
    return Table("Grades", columns, tuple(rows), (note,))


_JUDGING = {
    "gflops": ("GFLOPs an image", "Additions and multiplications, of an image of .2 megapixels."),
    "seconds": ("s an image", "From its pixels to its score, on the judging device."),
    "tensors_mb": ("memory, MB", "Most that its tensors take at once, beside the network."),
}


def cost_table(section: Section) -> Table:
    """Lay out what training and judging cost, and the runs behind each row."""
    columns = (
        Column("system", text=True),
        Column("parameters"),
        Column("trained", "Parameters that training changes."),
        Column("training, s", "Median of the runs, on the device beside it."),
        Column("device", text=True),
        *(Column(title, hint) for title, hint in _JUDGING.values()),
        Column("judging device", text=True),
        Column("runs", "Keys of the run directories.", text=True),
    )
    rows = []
    for entry in section.systems:
        costs = [run.cost for run in entry.runs]
        judging = [run.judging for run in entry.runs]
        rows.append(
            TableRow(
                (
                    _name(entry),
                    *(
                        Cell(whole(number), _value(number))
                        for key in ("parameters", "trained_parameters", "seconds")
                        for number in [_median([_number(cost, key) for cost in costs])]
                    ),
                    Cell(_devices(costs)),
                    *(
                        Cell(decimals(number), _value(number))
                        for key in _JUDGING
                        for number in [_median([_number(cost, key) for cost in judging])]
                    ),
                    Cell(_devices(judging)),
                    Cell(", ".join(run.key for run in entry.runs)),
                ),
                block=entry.block,
            )
        )
    return Table("Costs and runs", columns, tuple(rows))


def significance_tables(comparison: Comparison) -> list[Table]:
    """Lay out the paired tests: row less column, in SRCC."""
    tables = []
    for test in comparison.tests:
        columns = (Column("SRCC of row − column", text=True), *map(Column, test.names))
        rows = tuple(
            TableRow((Cell(name), *(_difference(test.cells.get((name, c))) for c in test.names)))
            for name in test.names
        )
        tables.append(Table(test.title, columns, rows, (test.explanation, *test.notes)))
    return tables


def breakdown_table(breakdown: Breakdown) -> Table:
    """Lay out SRCC by SR method or by scale."""
    columns = (
        Column("system", text=True),
        *(Column(f"{group} ({breakdown.images[group]})") for group in breakdown.groups),
    )
    rows = tuple(
        TableRow(
            (
                Cell(name),
                *(
                    _plain(breakdown.values.get((name, group), math.nan))
                    for group in breakdown.groups
                ),
            ),
            breakdown.kinds[name],
            breakdown.blocks[name],
        )
        for name in breakdown.names
    )
    return Table(breakdown.title, columns, rows, (breakdown.note,))


def stability_table(comparison: Comparison) -> Table | None:
    """Lay out which rank each system takes on how many splits; None below two splits."""
    if not comparison.ranks:
        return None
    columns = (
        Column("system", text=True),
        Column("mean rank"),
        Column("± sd", "Standard deviation of the rank over splits."),
        Column("first on", "Share of the splits on which it has the highest SRCC."),
    )
    rows = tuple(
        TableRow(
            (
                Cell(rank.name, rank.name),
                Cell(decimals(rank.mean, 2), rank.mean),
                Cell(decimals(rank.sd, 2), rank.sd),
                Cell(percent(rank.first, 0), rank.first),
            )
        )
        for rank in comparison.ranks
    )
    caption = titled("Rank stability", comparison.block)
    return Table(caption, columns, rows, (comparison.rank_note,))


def _leaderboard_row(entry: Entry, quantities: Sequence[Quantity]) -> TableRow:
    spreads = [_spread(entry.spreads[quantity.key], quantity) for quantity in quantities]
    fits = ", ".join(f"{count} {status}" for status, count in entry.fits.items())
    cells = (
        _name(entry),
        spreads[0],
        _interval(entry),
        *spreads[1:],
        Cell(fits or DASH),
        Cell(str(len(entry.splits)), len(entry.splits)),
        Cell(str(len(entry.seeds)) if entry.seeds else DASH, len(entry.seeds) or None),
    )
    return TableRow(cells, entry.kind, entry.block)


def _skill(section: Section) -> tuple[Quantity, ...]:
    """Return the columns of the leaderboard: further ones only where a row has them."""
    further = (q for q in FURTHER if any(e.spreads[q.key].defined for e in section.entries))
    return (*SKILL, *further)


def _published_row(row: PublishedRow, quantities: Sequence[Quantity]) -> TableRow:
    cells = [_plain(row.values.get(quantity.key, math.nan), 4) for quantity in quantities]
    none = Cell(DASH)
    return TableRow(
        (Cell(row.name, row.name, MARK), cells[0], none, *cells[1:], none, none, none),
        "published",
        MARK,
    )


def _name(entry: Entry) -> Cell:
    key = entry.runs[0].key if entry.runs else ""
    return Cell(entry.name, entry.name, entry.told, settings=key)


def _interval(entry: Entry) -> Cell:
    found = entry.interval
    if found is None:
        return Cell(DASH)
    what = "references" if entry.view and None not in entry.view.reference else "images"
    groups = f"{found.groups} {what}"
    if not math.isnan(found.low):
        return Cell(f"{decimals(found.low)} to {decimals(found.high)}", found.low, groups)
    if entry.extent is None:
        return Cell(DASH, below=groups)
    low, high = entry.extent
    return Cell(f"{decimals(low)} to {decimals(high)}", below=f"range, {groups}")


def _spread(found: Spread, quantity: Quantity) -> Cell:
    if not found.defined:
        return Cell(DASH)
    below = ""
    if found.splits > 1:
        below = written(found.mean, quantity)
        if not math.isnan(found.sd):
            below += f" ± {written(found.sd, quantity)}"
        if found.defined < found.splits:
            below += f" (on {found.defined} of {found.splits} splits)"
    return Cell(written(found.median, quantity), found.median, below)


def _difference(found: Paired | None) -> Cell:
    if found is None:
        return Cell(DASH)
    strong = found.p < SIGNIFICANT
    below = f"p {probability(found.p)}" if not math.isnan(found.p) else ""
    if not math.isnan(found.low):
        below = f"[{found.low:+.3f}, {found.high:+.3f}] {below}"
    return Cell(f"{found.point:+.3f}" + (" *" if strong else ""), found.point, below, strong)


def _column(quantity: Quantity, mos: str) -> Column:
    arrow = "" if quantity.higher_is_better else "\N{NO-BREAK SPACE}↓"
    return Column(quantity.title + arrow, quantity.meaning.format(mos=mos))


def _plain(value: float, digits: int = 3) -> Cell:
    return Cell(decimals(value, digits), _value(value))


def _value(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _devices(costs: Sequence[Mapping[str, object]]) -> str:
    return ", ".join(sorted({str(cost["device"]) for cost in costs if "device" in cost})) or DASH


def _number(cost: Mapping[str, object], key: str) -> float:
    value = cost.get(key)
    return float(value) if isinstance(value, (int, float)) else math.nan


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return statistics.median(known) if known else math.nan
