"""Anyone's folder of images with a CSV of scores.

The table has one row per image and a header with ``image``, ``mos`` and, optionally, ``reference``,
``method``, ``scale``, ``reference_image``, ``mos_std`` and ``split`` (the official subset: train,
val or test); other names are mapped by ``data.columns``, further columns are ignored. It may be
separated by commas, semicolons or tabs. Nothing in a table tells what its scores mean: range,
direction and label kind are declared.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from hmtnet.data.contact_sheet import CONTACT_SHEET
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import LOSSY
from hmtnet.data.readers.csv_rows import parse
from hmtnet.data.readers.folder import (
    LOSSLESS,
    contents,
    decode_text,
    find_root,
    is_clutter,
    spelled,
)
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Official, Record, scale_factor
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError, listed, nearest
from hmtnet.files import is_file, is_folder

_REQUIRED = ("image", "mos")
_COLUMNS = (*_REQUIRED, "reference", "method", "scale", "reference_image", "mos_std", "split")
# What counts as an image when looking for left-overs.
_IMAGES = (*LOSSLESS, *LOSSY, ".gif")
EMPTY = frozenset({"", "nan", "none", "na", "null"})
"""What programs write, in any letter case, where a cell has nothing to say."""

_OFFICIAL: dict[str, Official] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}

Rows = list[tuple[int, dict[str, str]]]  # line number, our column name to text


def read(settings: DataSettings) -> Labels:
    """Read a folder that a CSV describes.

    A label without an image is an error. An image without a label is counted in a logged warning
    and left out: a table may describe a part of a folder.

    Args:
        settings: ``range``, ``direction`` and ``label_kind`` are required; ``table`` where the root
            holds more than one ``.csv``; ``images`` where the names in the table start in a
            sub-folder (reference images may start there or in the root).

    Raises:
        SettingsError: A declaration or column is missing or unknown.
        DataError: The table or an image is missing, malformed, or lies outside the root.
    """
    root = find_root(settings)
    if settings.range is None or settings.direction is None or settings.label_kind is None:
        raise SettingsError(_undeclared(settings))
    unknown = [key for key in settings.columns if key not in _COLUMNS]
    if unknown:
        raise SettingsError(
            f"Unknown column 'data.columns.{unknown[0]}'.{nearest(unknown[0], _COLUMNS)} "
            "Write data.columns={our name: name in the table}."
        )
    table = _find_table(root, settings.table, settings.links)
    rows = _read_rows(table, settings.columns)
    if settings.labels_only:
        records = _to_records(table, rows, root, None)
    else:
        folder = _inside(root, settings.images or ".", "data.images", settings.links)
        if not is_folder(folder):
            raise DataError(f"data.images='{settings.images}' is no folder; {contents(root)}.")
        records = _to_records(table, rows, root, folder)
        _warn_of_unlabelled(root, folder, records)
    return Labels(
        name=_name(settings, root),
        root=root,
        records=tuple(records),
        label_kind=settings.label_kind,
        mos_range=settings.range,
        higher_is_better=settings.direction == "higher",
        licence=settings.licence or "",
        citation=settings.citation or "",
        links=settings.links,
    )


def _name(settings: DataSettings, root: Path) -> str:
    """Return the dataset's name; by default the folder's, or that of a reader built on this one."""
    if settings.name is None and settings.reader == "table":
        return root.resolve().name
    return settings.dataset


def _undeclared(settings: DataSettings) -> str:
    examples = {"range": "[0,1]", "direction": "higher", "label_kind": "human"}
    missing = [name for name in examples if getattr(settings, name) is None]
    return (
        f"A table does not tell what its scores mean: {listed(f'data.{n}' for n in missing)} must "
        "be declared (lowest and highest possible MOS; whether higher or lower is better; whether "
        "people or a formula gave it), for example "
        f"{' '.join(f'data.{name}={examples[name]}' for name in missing)}."
    )


def _find_table(root: Path, name: str | None, links: bool) -> Path:
    if name is not None:
        table = _inside(root, name, "data.table", links)
        if not is_file(table):
            raise DataError(f"The label table '{table}' does not exist; {contents(root)}.")
        return table
    tables = sorted(
        p
        for p in root.iterdir()
        if p.suffix.lower() == ".csv" and p.is_file() and not is_clutter(p.name)
    )
    if len(tables) != 1:
        found = (
            f"several: {listed(t.name for t in tables)}" if tables else f"none; {contents(root)}"
        )
        raise DataError(
            f"Expected one label table (.csv) in '{root}', found {found}. Name it with data.table."
        )
    return tables[0]


def _read_rows(table: Path, columns: dict[str, str]) -> Rows:
    """Read the table's rows under our column names, blank ones left out."""
    text = decode_text(table)
    name_of = {ours: columns.get(ours, ours) for ours in _COLUMNS}
    for delimiter in ",;\t":
        (_, header), *lines = parse(text, delimiter, table)
        if all(name_of[ours] in header for ours in _REQUIRED):
            break
    else:
        (_, header), *lines = parse(text, ",", table)
    absent = [o for o in _COLUMNS if name_of[o] not in header and (o in _REQUIRED or o in columns)]
    if absent:
        theirs = name_of[absent[0]]
        raise DataError(
            f"The table '{table}' has no column {listed(repr(name_of[o]) for o in absent)} in its "
            f"header ({listed(header, 10) or 'empty'}).{nearest(theirs, header)} Name the columns "
            f"with data.columns={{{', '.join(f'{ours}: …' for ours in absent)}}}."
        )
    twice = [n for o, n in name_of.items() if header.count(n) > 1]
    if twice:
        raise DataError(f"The table '{table}' has more than one column {listed(twice)}.")
    place = {ours: header.index(name) for ours, name in name_of.items() if name in header}
    rows: Rows = []
    wrong = []
    for number, cells in lines:
        if len(cells) != len(header):
            wrong.append(f"line {number} has {len(cells)}")
            continue
        rows.append((number, {ours: cells[i] for ours, i in place.items()}))
    if wrong:
        raise DataError(
            f"The table '{table}' has {len(header)} columns, but {listed(wrong)}. "
            "Quote cells that contain the separator."
        )
    return rows


READER = Reader(read)


def _to_records(table: Path, rows: Rows, root: Path, folder: Path | None) -> list[Record]:
    faults: dict[str, list[str]] = defaultdict(list)
    records = []
    for line, row in rows:
        try:
            records.append(_to_record(row, root, folder))
        except _CellError as error:
            faults[error.what].append(f"line {line}: {error.cell!r}")
    if faults:
        found = [f"{len(items)} {what} ({listed(items)})" for what, items in faults.items()]
        place = f" (images in '{folder}')" if folder else ""
        raise DataError(f"The table '{table}'{place} has {'; '.join(found)}.")
    return records


class _CellError(Exception):
    """A cell that cannot be used; collected over the table, so that one error lists them all."""

    def __init__(self, what: str, cell: str) -> None:
        super().__init__(what)
        self.what = what
        self.cell = cell


def _to_record(row: dict[str, str], root: Path, folder: Path | None) -> Record:
    scale, mos_std, pristine = (
        _told(row.get(name)) for name in ("scale", "mos_std", "reference_image")
    )
    official = (_told(row.get("split")) or "").lower()
    if official and official not in _OFFICIAL:
        raise _CellError("cells where split should be train, val or test", official)
    return Record(
        image=_locate(row["image"], root, [folder] if folder else []),
        mos=_number(row["mos"], "MOS"),
        reference=_told(row.get("reference")),
        method=_told(row.get("method")),
        scale=_scale(scale) if scale else None,
        reference_image=_locate(pristine, root, [folder, root] if folder else [])
        if pristine
        else None,
        mos_std=_number(mos_std, "mos_std") if mos_std else None,
        official=_OFFICIAL.get(official),
    )


def _told(cell: str | None) -> str | None:
    """Return a cell's text; None for an empty one, and for what programs write for an empty one."""
    return None if cell is None or cell.lower() in EMPTY else cell


def _number(cell: str, what: str) -> float:
    if not cell:
        raise _CellError(f"rows without a {what}", cell)
    try:
        return float(cell)
    except ValueError:
        raise _CellError(f"cells where {what} should be a number", cell) from None


def _scale(cell: str) -> float:
    try:
        return scale_factor(cell)
    except ValueError:
        raise _CellError("cells where scale should be a number above 0", cell) from None


def _locate(cell: str, root: Path, folders: Sequence[Path]) -> str:
    """Return a named image's path relative to the root; it must exist in one of the folders.

    Without folders only labels are read, and the name is taken as it is.
    """
    path = PurePosixPath(cell.replace("\\", "/"))
    if not path.name:
        raise _CellError("rows without an image name", cell)
    if path.is_absolute() or PureWindowsPath(cell).drive:
        raise _CellError("absolute names, where one relative to the folder is expected", cell)
    if ".." in path.parts:
        raise _CellError("names that leave the dataset's folder", cell)
    if not folders:
        return path.as_posix()
    for folder in folders:
        if is_file(folder / path):
            return (folder / path).relative_to(root).as_posix()
    for folder in folders:  # under the same name in other letters (case, composed accents)?
        found = spelled(folder, path.parts)
        if found is not None and found.is_file():
            return found.relative_to(root).as_posix()
    raise _CellError("labels without an image", cell)


def _inside(root: Path, relative: str, setting: str, links: bool) -> Path:
    path = root / relative
    if ".." in Path(relative).parts or not path.is_relative_to(root):
        raise DataError(
            f"{setting}='{relative}' leaves the dataset's folder '{root}'. Name it relative to it."
        )
    if not links and not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"{setting}='{relative}' leads by a link to '{path.resolve()}', outside the dataset's "
            f"folder '{root}'. To allow links, set data.links=true."
        )
    return path


def _warn_of_unlabelled(root: Path, folder: Path, records: Sequence[Record]) -> None:
    named = {r.image for r in records} | {r.reference_image for r in records}
    present = (
        p.relative_to(root).as_posix()
        for p in folder.rglob("*")
        if p.suffix.lower() in _IMAGES and not any(map(is_clutter, p.relative_to(folder).parts))
    )
    left = sorted(set(present) - named - {CONTACT_SHEET})
    if left:
        logging.getLogger(__name__).warning(
            "%d images below '%s' have no label and are left out: %s.",
            *(len(left), folder, listed(left)),
        )
