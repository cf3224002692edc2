"""Scores that were computed elsewhere, as run directories beside those of trained systems."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.description import write_description
from hmtnet.artifact.predictions import Predictions
from hmtnet.data.labels import FloatArray, Labels
from hmtnet.data.split import SUBSETS, Split, Subset
from hmtnet.errors import DataError
from hmtnet.experiment.describe import describe_dataset, describe_split
from hmtnet.experiment.predict import tabulate
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.key import digest_of
from hmtnet.storage.lock import locked
from hmtnet.storage.status import Status

STAGE = "scores"
"""What such a run has in place of a stage."""


@dataclass(frozen=True)
class Adopted:
    """A metric on one split.

    Attributes:
        name: The metric.
        directory: Its run directory.
        predictions: What it holds.
    """

    name: str
    directory: RunDirectory
    predictions: Predictions


def adopt(
    labels: Labels,
    split: Split,
    name: str,
    scores: FloatArray,
    runs: Path,
    *,
    lower: bool = False,
    reference: bool = False,
) -> Adopted:
    """Write a run directory of a metric's scores; nothing is trained.

    Scores have a unit of their own. They are brought to the mean and the spread of the MOS, by the
    training images alone, which changes no correlation and makes errors readable.

    Args:
        labels: The dataset. Without its images, runs of it stand in a table of their own.
        split: Who trains, validates and tests.
        name: The metric.
        scores: (N,) of every record; NaN where there is none.
        runs: The folder of all run directories.
        lower: Whether a lower score means better quality.
        reference: Whether the metric looked at reference images.

    Raises:
        DataError: A subset has no score.
    """
    known = {
        subset: [row for row in split.subsets[subset] if np.isfinite(scores[row])]
        for subset in SUBSETS
    }
    empty = [subset for subset in SUBSETS if split.subsets[subset] and not known[subset]]
    if empty:
        raise DataError(
            f"'{name}' has no score of any {empty[0]} image of split {split.id}. Give scores of "
            "more images."
        )
    unit = _in_unit_of(labels, scores, known, lower)
    found = Predictions.concatenate(
        [_of_subset(labels, subset, rows, unit[rows]) for subset, rows in known.items() if rows]
    )
    told = {"lower_is_better": lower, "digest": digest_of(np.nan_to_num(scores).tolist())}
    key = digest_of(
        {"name": name, **told, "dataset": labels.fingerprint, "split": split.id, "of": reference}
    )
    directory = RunDirectory.locate(runs, labels.name, split.id, f"{name}-{STAGE}", key)
    images = {subset: len(rows) for subset, rows in known.items()}
    complete = sum(images.values()) == sum(map(len, split.subsets.values()))
    with locked(directory.path, lambda: None):
        prediction_files.write(directory.predictions, found)
        description: dict[str, Any] = {
            "system": name,
            "stage": STAGE,
            "key": key,
            "settings": {"lower_is_better": lower},
            "dataset": describe_dataset(labels),
            "split": {**describe_split(split), "images": images},
            "partial": not complete,
            "reference": "always" if reference else "none",
            "seed": 0,
            "adopted": told,
        }
        write_description(directory.path, description)
        status = Status.begin(STAGE, key, 0)
        run_status.write(directory.status, status.then(state="finished", epoch=0))
    return Adopted(name, directory, found)


def _in_unit_of(
    labels: Labels, scores: FloatArray, known: Mapping[Subset, list[int]], lower: bool
) -> FloatArray:
    """Turn scores the MOS's way round, with its mean and spread over training images."""
    turned = -scores if lower == labels.higher_is_better else scores
    rows = known["train"] or [row for rows in known.values() for row in rows]
    centre, spread = turned[rows].mean(), turned[rows].std()
    width = labels.mos[rows].std() / spread if spread > 0 else 1.0
    return np.asarray(labels.mos[rows].mean() + width * (turned - centre))


def _of_subset(labels: Labels, subset: Subset, rows: list[int], scores: FloatArray) -> Predictions:
    no_grade, no_probability = np.full(len(rows), -1, dtype=np.int64), np.zeros((len(rows), 0))
    return tabulate(labels, None, subset, rows, scores, no_grade, no_probability)
