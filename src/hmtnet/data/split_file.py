"""Split files: a split as JSON, to be kept beside a paper and used again."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from hmtnet.data.labels import Labels
from hmtnet.data.manifest import Manifest
from hmtnet.data.split import SUBSETS, Split, named
from hmtnet.errors import DataError, SettingsError, listed
from hmtnet.files import read_json, write_text

FORMAT = 1


def write(path: Path, labels: Labels, split: Split) -> None:
    """Write a split, whole or not at all.

    The file names every image, and the dataset's fingerprint where its images were read.

    Raises:
        DataError: The file cannot be written.
    """
    document = {
        "format": FORMAT,
        "id": split.id,
        "protocol": split.protocol,
        "variant": split.variant,
        "seed": split.seed,
        "index": split.index,
        "folds": split.folds,
        "leaky": split.leaky,
        "dataset": labels.name,
        "fingerprint": labels.fingerprint if isinstance(labels, Manifest) else None,
        **{
            subset: [labels.records[row].image for row in rows]
            for subset, rows in split.subsets.items()
        },
    }
    try:
        write_text(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise DataError(
            f"The split file '{path}' cannot be written: {error.strerror}. Give another output."
        ) from error


def read(labels: Labels, path: str | None) -> Split:
    """Read a split file and find its images in a dataset.

    The split's id is made anew from the images, so an edited file is another split.

    Raises:
        SettingsError: No file is named.
        DataError: It is missing or damaged, names an image twice or one that is not there, or none
            to train or to validate on.
    """
    if path is None:
        raise SettingsError("split=file needs the split file: split.file=<path>.")
    document = _load(Path(path).expanduser())
    row_of = {record.image: row for row, record in enumerate(labels.records)}
    images = [image for subset in SUBSETS for image in document[subset]]
    unknown = [image for image in images if image not in row_of]
    if unknown:
        raise DataError(
            f"The split file '{path}', made of dataset '{document['dataset']}', names "
            f"{len(unknown)} images that '{labels.name}' does not have: {listed(unknown)}. Use it "
            "with the dataset it was made of."
        )
    twice = [image for image, times in Counter(images).items() if times > 1]
    if twice:
        raise DataError(
            f"The split file '{path}' must name each image once, but names {len(twice)} of them "
            f"more often: {listed(twice)}. Keep each in one subset."
        )
    needed = () if document["protocol"] == "whole" else ("train", "val")
    empty = [subset for subset in needed if not document[subset]]
    if empty:
        raise DataError(
            f"The split file '{path}' must name images to train and to validate on, but names none "
            f"for {listed(empty)}. Make it anew with: hmtnet data split."
        )
    train, val, test = (
        tuple(sorted(row_of[image] for image in document[subset])) for subset in SUBSETS
    )
    split = Split(
        protocol=document["protocol"],
        seed=document["seed"],
        train=train,
        val=val,
        test=test,
        id="",
        leaky=document["leaky"],
        **{name: document.get(name, default) for name, (_, default) in _OPTIONAL.items()},
    )
    return named(labels, split)


_TYPES: dict[str, type] = {
    "format": int,
    "id": str,
    "protocol": str,
    "seed": int,
    "leaky": bool,
    "dataset": str,
    **dict.fromkeys(SUBSETS, list),
}

# What a file by hand, or by an older hmtnet, may lack.
_OPTIONAL: dict[str, tuple[tuple[type, ...], Any]] = {
    "variant": ((str,), ""),
    "index": ((int, type(None)), None),
    "folds": ((int, type(None)), None),
}


def _load(path: Path) -> dict[str, Any]:
    try:
        document = read_json(path, encoding="utf-8-sig")  # some editors write a mark
    except OSError as error:
        raise DataError(
            f"The split file '{path}' cannot be read: {error.strerror}. Name it with split.file."
        ) from error
    except ValueError as error:
        raise DataError(
            f"The split file '{path}' is no JSON text: {error}. Make it anew with: hmtnet data "
            "split."
        ) from error
    values = document if isinstance(document, dict) else {}
    wrong = [name for name, kind in _TYPES.items() if type(values.get(name)) is not kind]
    wrong += [
        name
        for name, (kinds, default) in _OPTIONAL.items()
        if type(values.get(name, default)) not in kinds
    ]
    wrong += [
        subset
        for subset in SUBSETS
        if subset not in wrong and not all(isinstance(image, str) for image in values[subset])
    ]
    if wrong:
        raise DataError(
            f"The split file '{path}' lacks, or has in another type than expected: "
            f"{listed(wrong, 10)}. Make it anew with: hmtnet data split."
        )
    if values["format"] != FORMAT:
        raise DataError(
            f"The split file '{path}' has format {values['format']}; expected {FORMAT}. Make it "
            "anew with: hmtnet data split."
        )
    return values
