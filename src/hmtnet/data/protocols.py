"""The protocols: ways to deal a dataset into training, validation and test images.

Whole *groups* are dealt out, so that the same content never lies on two sides, except where a
protocol's name says so. Each protocol is a function from labels and settings to three lists of
rows; a row that is in none of them is left out. What the protocols are for is told in the README.
"""

import logging
from collections.abc import Callable
from typing import Any

from hmtnet.data import split_file
from hmtnet.data.assign_groups import collect, cut, members, shuffled
from hmtnet.data.groups import (
    Dealt,
    carve,
    check_enough,
    contents_in_order,
    crossed,
    cut_contents,
    lacking,
    none_empty,
)
from hmtnet.data.join import Crossed
from hmtnet.data.labels import Labels
from hmtnet.data.record import scale_factor
from hmtnet.data.split import SUBSETS, Split, SplitSettings, named
from hmtnet.errors import DataError, listed
from hmtnet.settings import build


def split(labels: Labels, protocol: str = "content", **settings: Any) -> Split:
    """Split a dataset; ``make`` with the settings given one by one.

    Args:
        labels: The dataset.
        protocol: As ``split=<protocol>`` on the command line.
        settings: Of `hmtnet.data.split.SplitSettings`, such as ``seed=3``.

    Raises:
        DataError: The dataset lacks what the protocol needs, or has too few groups.
        SettingsError: There is no protocol or setting of that name, or one is missing.
    """
    return make(labels, build(SplitSettings, {"protocol": protocol, **settings}, "split"))


def make(labels: Labels, settings: SplitSettings) -> Split:
    """Split a dataset.

    The draw depends on names and the seed alone, so a split is the same on every machine, Python
    version and record order.

    Args:
        labels: The dataset; a ``Manifest`` where the protocol must know what unnamed images show.
        settings: How.

    Raises:
        DataError: The dataset lacks what the protocol needs, or has too few groups.
        SettingsError: The protocol lacks a setting.
    """
    if settings.protocol == "file":
        return split_file.read(labels, settings.file)
    subsets = PROTOCOLS[settings.protocol](labels, settings)
    split = Split(
        settings.protocol,
        settings.seed,
        *subsets,
        id="",
        leaky=_leaks(labels, settings.protocol, subsets),
        variant=_variant(labels, settings, subsets),
        index=settings.index if settings.protocol in ("kfold", "published") else None,
        folds=settings.folds if settings.protocol == "kfold" else None,
    )
    return named(labels, split)


def by_content(labels: Labels, settings: SplitSettings) -> Dealt:
    """Deal out contents: no test image shows what a training image shows.

    Raises:
        DataError: A record has no content key, or there are fewer than three contents.
    """
    order, rows_of = contents_in_order(labels, settings)
    contents = cut_contents(labels, order, rows_of, settings.fractions)
    train, val, test = (collect(part, rows_of) for part in contents)
    return train, val, test


def by_fold(labels: Labels, settings: SplitSettings) -> Dealt:
    """Deal contents into folds; fold ``index`` is tested, the next one validates.

    Raises:
        DataError: A record has no content key, or there are fewer contents than folds.
    """
    order, rows_of = contents_in_order(labels, settings, settings.folds)
    folds = [order[i :: settings.folds] for i in range(settings.folds)]
    after = (settings.index + 1) % settings.folds
    rest = [x for i, fold in enumerate(folds) if i not in (settings.index, after) for x in fold]
    return (
        collect(rest, rows_of),
        collect(folds[after], rows_of),
        collect(folds[settings.index], rows_of),
    )


def by_published_order(labels: Labels, settings: SplitSettings) -> Dealt:
    """Cut one of the stored orders of a published table's references.

    Raises:
        DataError: The labels come from no published table, it stores fewer orders, one of them
            lacks a reference, or leaves a subset empty.
    """
    published = labels.published
    if published is None:
        raise DataError(
            f"Dataset '{labels.name}': split=published needs the table that stores the splits: "
            "set data.table to the published .mat file."
        )
    stored = len(published.permutations)
    if settings.index >= stored:
        raise DataError(
            f"Dataset '{labels.name}': split.index={settings.index}, but the published table "
            f"stores {stored} orders. Give 0 to {stored - 1}."
        )
    rows_of = members([str(number) for number in published.references.tolist()])
    order = [str(number) for number in published.permutations[settings.index].tolist()]
    lacks = sorted(rows_of.keys() - set(order), key=int)
    if lacks:
        raise DataError(
            f"Dataset '{labels.name}': the published order {settings.index} lacks the references "
            f"{listed(lacks)}. Copy the table anew, or use another protocol."
        )
    # Of a reference that is in the table, this copy of the dataset may have no image.
    parts = cut(order, settings.fractions)
    train, val, test = (collect((n for n in part if n in rows_of), rows_of) for part in parts)
    return none_empty(labels, settings, (train, val, test))


def by_method(labels: Labels, settings: SplitSettings) -> Dealt:
    """Deal out contents and SR methods: test images are of neither a known content nor method.

    Images of one side's content and another side's method are left out.

    Raises:
        DataError: Contents or methods are not named, too few, or leave a subset empty.
    """
    order, rows_of = contents_in_order(labels, settings)
    unnamed = [record.image for record in labels.records if record.method is None]
    if unnamed:
        raise lacking(labels, settings, "SR method", unnamed)
    methods = {str(record.method): f"method:{record.method}" for record in labels.records}
    check_enough(labels, settings, "SR methods", methods, len(SUBSETS))
    contents = cut_contents(labels, order, rows_of, settings.fractions)
    held = cut(shuffled(settings.seed, methods), settings.fractions)
    return crossed(labels, settings, contents, rows_of, held, lambda r: str(r.method))


def by_scale(labels: Labels, settings: SplitSettings) -> Dealt:
    """Deal out contents, and test on one scale factor that neither trains nor validates.

    Raises:
        DataError: Contents or scales are not named, there is no such scale or no other one.
    """
    order, rows_of = contents_in_order(labels, settings)
    unnamed = [record.image for record in labels.records if record.scale is None]
    if unnamed:
        raise lacking(labels, settings, "scale", unnamed)
    scales = sorted({record.scale for record in labels.records if record.scale is not None})
    held = scales[-1] if settings.scale is None else scale_factor(str(settings.scale))
    if held not in scales or len(scales) < 2:
        advice = "Give split.scale=<one of them>" if len(scales) > 1 else "Use another protocol"
        raise DataError(
            f"Dataset '{labels.name}': split=scale cannot hold out ×{held}; it has the scales "
            f"{listed(f'×{scale}' for scale in scales)}. {advice}."
        )
    rest = [str(scale) for scale in scales if scale != held]
    contents = cut_contents(labels, order, rows_of, settings.fractions)
    return crossed(
        labels, settings, contents, rows_of, [rest, rest, [str(held)]], lambda r: str(r.scale)
    )


def by_image(labels: Labels, settings: SplitSettings) -> Dealt:
    """Deal out images, exact copies together: test images may show what training images show.

    Raises:
        DataError: There are fewer than three different images.
    """
    rows_of = members(labels.identities)
    names = {key: min(labels.records[row].image for row in rows) for key, rows in rows_of.items()}
    check_enough(labels, settings, "different images", names, len(SUBSETS))
    order = shuffled(settings.seed, names)
    train, val, test = (collect(part, rows_of) for part in cut(order, settings.fractions))
    return train, val, test


def as_shipped(labels: Labels, settings: SplitSettings) -> Dealt:
    """Take the dataset's official split.

    Where it ships no validation images, whole contents are taken from its training images.

    Raises:
        DataError: The dataset ships no split, its parts leave a subset empty, or a record has no
            content key where contents are compared.
    """
    unnamed = [record.image for record in labels.records if record.official is None]
    if unnamed:
        raise lacking(labels, settings, "official subset", unnamed)
    train, val, test = (
        tuple(row for row, r in enumerate(labels.records) if r.official == subset)
        for subset in SUBSETS
    )
    if not val:
        train, val = carve(labels, settings, train)
    if settings.clean:
        _, rows_of = contents_in_order(labels, settings)
        keys = {row: key for key, rows in rows_of.items() for row in rows}
        known = {keys[row] for row in train}
        val = tuple(row for row in val if keys[row] not in known)
        known |= {keys[row] for row in val}
        test = tuple(row for row in test if keys[row] not in known)
    return none_empty(labels, settings, (train, val, test))


def untested(labels: Labels, settings: SplitSettings) -> Dealt:
    """Test nothing: contents train or validate, in the proportion of their fractions."""
    train, val = carve(labels, settings, tuple(range(len(labels))))
    return train, val, ()


def all_tested(labels: Labels, settings: SplitSettings) -> Dealt:
    """Test everything: for what was trained on another dataset."""
    del settings
    return (), (), tuple(range(len(labels)))


def to_another_dataset(labels: Labels, settings: SplitSettings) -> Dealt:
    """Train and validate on one of two joined datasets, test on all of the other.

    Training content that the other dataset shows too is left out, so that every test on the same
    dataset is over the same images.

    Raises:
        DataError: The labels are of one dataset alone.
    """
    test = tuple(row for row, r in enumerate(labels.records) if r.official == "test")
    own = tuple(row for row, r in enumerate(labels.records) if r.official == "train")
    if not isinstance(labels, Crossed):
        raise DataError(
            f"Dataset '{labels.name}': split=cross trains on one dataset and tests on another. "
            "Name the other one: data@other=<dataset>."
        )
    shown = {labels.content[row] for row in test}
    kept = tuple(row for row in own if labels.content[row] not in shown)
    if len(kept) < len(own):
        logging.getLogger(__name__).info(
            "split=cross: %d of %d training images show what the test images show, and are left "
            "out.",
            *(len(own) - len(kept), len(own)),
        )
    train, val = carve(labels, settings, kept)
    return train, val, test


PROTOCOLS: dict[str, Callable[[Labels, SplitSettings], Dealt]] = {
    "content": by_content,
    "kfold": by_fold,
    "published": by_published_order,
    "method": by_method,
    "scale": by_scale,
    "image": by_image,
    "official": as_shipped,
    "all": untested,
    "whole": all_tested,
    "cross": to_another_dataset,
}


def _variant(labels: Labels, settings: SplitSettings, subsets: Dealt) -> str:
    """Name the protocol with what tells its splits apart beside seed and index."""
    if settings.protocol == "kfold":
        return f"kfold{settings.folds}"
    if settings.protocol == "scale":
        return f"scale-x{labels.records[subsets[2][0]].scale}"
    return f"{settings.protocol}-clean" if settings.clean else settings.protocol


def _leaks(labels: Labels, protocol: str, subsets: Dealt) -> bool:
    """Whether one content may lie in several subsets; of what is shipped, whether it does."""
    if protocol != "official":
        return protocol == "image"
    # What labels alone do not know (None) may be the same.
    shown = [{labels.content[row] for row in rows} for rows in subsets]
    return any(shown[i] & shown[j] for i in range(3) for j in range(i))
