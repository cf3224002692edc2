"""What the protocols share: a dataset's contents in the order of a draw, and how they are cut."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from hmtnet.data.assign_groups import Rows, collect, cut, shuffled
from hmtnet.data.labels import Labels
from hmtnet.data.record import Record
from hmtnet.data.split import SUBSETS, SplitSettings
from hmtnet.errors import DataError, listed

Dealt = tuple[Rows, Rows, Rows]


def contents_in_order(
    labels: Labels, settings: SplitSettings, needed: int = len(SUBSETS), rows: Rows | None = None
) -> tuple[list[str], dict[str, list[int]]]:
    """Return contents in the seed's order, and the rows of each.

    Of several datasets, first those that only one of them shows, dataset by dataset; so what takes
    every n-th content takes of each.

    Args:
        labels: The dataset.
        settings: The seed.
        needed: How many contents there must be at least.
        rows: The rows whose contents are meant; all by default.

    Raises:
        DataError: A record has no content key, or there are too few contents.
    """
    chosen = range(len(labels)) if rows is None else rows
    missing = [labels.records[row].image for row in chosen if labels.content[row] is None]
    if missing:
        raise DataError(
            f"Dataset '{labels.name}': split={settings.protocol} needs to know what each image "
            f"shows, but {len(missing)} of {len(labels)} have no reference: {listed(missing)}. "
            "Add references to the labels, or let the images be searched for repeated scenes "
            "(data.labels_only=false)."
        )
    rows_of: dict[str, list[int]] = {}
    for row in chosen:
        rows_of.setdefault(str(labels.content[row]), []).append(row)
    # Named by the reference, not by its digest: another container does not change the draw.
    names = {
        key: min(labels.records[row].reference or labels.records[row].image for row in members)
        for key, members in rows_of.items()
    }
    check_enough(labels, settings, "contents (references or scenes)", names, needed)
    order = shuffled(settings.seed, names)
    return sorted(order, key=lambda key: _shown_by(labels, rows_of[key])), rows_of


def cut_contents(
    labels: Labels,
    order: Sequence[str],
    rows_of: Mapping[str, Sequence[int]],
    fractions: Sequence[float],
) -> list[list[str]]:
    """Cut the contents of each dataset into parts, so that small datasets are in each part too.

    Contents that several datasets show are cut by themselves.
    """
    apart = groupby(order, key=lambda key: _shown_by(labels, rows_of[key]))
    pieces = zip(*(cut(list(keys), fractions) for _, keys in apart), strict=True)
    return [[key for piece in part for key in piece] for part in pieces]


def _shown_by(labels: Labels, rows: Iterable[int]) -> tuple[int, list[str]]:
    """Return which datasets show a content, and first how many."""
    names = sorted({labels.datasets[row] or "" for row in rows})
    return len(names), names


def crossed(
    labels: Labels,
    settings: SplitSettings,
    contents: Sequence[Sequence[str]],
    rows_of: Mapping[str, Sequence[int]],
    held: Sequence[Iterable[str]],
    key: Callable[[Record], str],
) -> Dealt:
    """Keep those images of each subset's contents whose method, or scale, is the subset's too.

    Raises:
        DataError: A subset is left empty.
    """
    subsets = [
        tuple(row for row in collect(part, rows_of) if key(labels.records[row]) in own)
        for part, own in zip(contents, map(set, held), strict=True)
    ]
    return none_empty(labels, settings, (subsets[0], subsets[1], subsets[2]))


def carve(labels: Labels, settings: SplitSettings, rows: Rows) -> tuple[Rows, Rows]:
    """Deal the contents of some rows into training and validation."""
    order, rows_of = contents_in_order(labels, settings, 2, rows)
    train, val = cut_contents(labels, order, rows_of, settings.fractions[:2])
    return collect(train, rows_of), collect(val, rows_of)


def check_enough(
    labels: Labels, settings: SplitSettings, what: str, found: Mapping[str, str], needed: int
) -> None:
    """Refuse to deal too few groups.

    Raises:
        DataError: There are fewer than needed.
    """
    if len(found) < needed:
        raise DataError(
            f"Dataset '{labels.name}': split={settings.protocol} needs at least {needed} {what}, "
            f"found {len(found)}. Add data, or use another protocol."
        )


def lacking(labels: Labels, settings: SplitSettings, what: str, images: Sequence[str]) -> DataError:
    """Return the error for images without a label that a protocol needs."""
    return DataError(
        f"Dataset '{labels.name}': split={settings.protocol} needs the {what} of every image, but "
        f"{len(images)} of {len(labels)} have none: {listed(images)}. Add it to the labels, or use "
        "another protocol."
    )


def none_empty(labels: Labels, settings: SplitSettings, subsets: Dealt) -> Dealt:
    """Return the subsets.

    Raises:
        DataError: One of them has no image.
    """
    empty = [name for name, rows in zip(SUBSETS, subsets, strict=True) if not rows]
    if empty:
        raise DataError(
            f"Dataset '{labels.name}': split={settings.protocol} with seed {settings.seed} leaves "
            f"no image to {listed(empty)}. Use another seed, other fractions, or another protocol."
        )
    return subsets
