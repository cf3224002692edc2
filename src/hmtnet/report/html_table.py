"""A table as HTML: it scrolls inside its own box, and headings are buttons that sort."""

from hmtnet.report.grid import Cell, Column, Table, TableRow
from hmtnet.report.markup import Markup, breakable, element


def as_table(table: Table, *, sortable: bool = False) -> Markup:
    """Build a table with its notes.

    Each block of rows has a body of its own, so that sorting never mixes them, and its name in a
    body above it; published rows say in each row what they are.

    Args:
        table: What it shows.
        sortable: Whether headings are buttons; the page's script does the sorting.
    """
    head = element("tr", *(_heading(column, sortable) for column in table.columns))
    bodies = []
    for block, rows in table.blocks:
        published = rows[0].kind == "published"
        if block and not published:
            bodies.append(_heading_of(block, len(table.columns)))
        name = "published" if published else None
        bodies.append(element("tbody", *(_row(r, table.columns) for r in rows), class_=name))
    grid = element(
        "table",
        element("caption", element("span", table.caption)),
        element("thead", head),
        *bodies,
        class_="sortable" if sortable else None,
    )
    # A box that scrolls must be reachable by keyboard, and therefore have a name.
    box = element(
        "div", grid, class_="scroll", tabindex="0", role="region", aria_label=table.caption
    )
    notes = [element("li", note) for note in table.notes if note]
    return element("div", box, element("ul", *notes, class_="notes") if notes else None)


def _heading_of(block: str, columns: int) -> Markup:
    # A cell a column, not one over all: the page's script looks a column's cell up by its number.
    empty = (element("td") for _ in range(columns - 1))
    return element(
        "tbody", element("tr", element("th", block, scope="row"), *empty), class_="block"
    )


def _heading(column: Column, sortable: bool) -> Markup:
    return element(
        "th",
        element("button", column.title, type="button") if sortable else breakable(column.title),
        scope="col",
        class_="text" if column.text else None,
        title=column.hint or None,
        aria_sort="none" if sortable else None,
    )


def _row(row: TableRow, columns: tuple[Column, ...]) -> Markup:
    first, *rest = row.cells
    cells = [
        element(
            "th",
            breakable(first.text),
            element("span", first.below, class_="below marks") if first.below else None,
            scope="row",
            data_value=first.text,
        )
    ]
    cells += [_cell(cell, column) for cell, column in zip(rest, columns[1:], strict=True)]
    return element("tr", *cells, class_=row.kind)


def _cell(cell: Cell, column: Column) -> Markup:
    kinds = [*(["text"] if column.text else []), *(["strong"] if cell.strong else [])]
    return element(
        "td",
        cell.text,
        element("span", cell.below, class_="below") if cell.below else None,
        class_=" ".join(kinds) or None,
        data_value=cell.text if column.text else cell.value,
    )
