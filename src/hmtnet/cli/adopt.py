"""``hmtnet adopt``: scores that were computed elsewhere, beside those of trained systems."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from hmtnet.baselines.labels import LABEL_ONLY, label_only
from hmtnet.cli.composing import run_composed
from hmtnet.data.labels import FloatArray, Labels
from hmtnet.data.manifest import Manifest
from hmtnet.data.protocols import make
from hmtnet.data.readers import read_labels
from hmtnet.data.scores import read_scores
from hmtnet.data.series import series
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError, SettingsError, listed, nearest
from hmtnet.experiment.adopt import Adopted
from hmtnet.experiment.adopt import adopt as write_run
from hmtnet.metrics import srcc
from hmtnet.report.render.formats import decimals
from hmtnet.report.render.json_document import known
from hmtnet.report.render.terminal import text_table
from hmtnet.settings import build

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AdoptSettings:
    """Everything that ``hmtnet adopt`` is told.

    Attributes:
        scores: A CSV; see `hmtnet.data.scores.read_scores`.
        image: Its column of image names.
        columns: Its columns of scores; None for all that hold numbers.
        lower: Columns of which a lower score means better quality.
        reference: Columns of metrics that looked at the reference image.
        data: The dataset.
        split: The protocol, and its first seed or index.
        seed: Of the first split; ``conf/split`` takes it over.
        splits: Over how many splits; see `hmtnet.data.series.series`.
        runs: The folder of all run directories.
        format: What is printed.
    """

    scores: str
    image: str = "image"
    columns: tuple[str, ...] | None = None
    lower: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    data: DataSettings
    split: SplitSettings
    seed: int = 0
    splits: int | None = 1
    runs: str = "runs"
    format: Literal["text", "json"] = "text"

    def __post_init__(self) -> None:
        if self.split.protocol in ("cross", "all"):
            raise ValueError(f"split={self.split.protocol} tests nothing of this dataset")


def adopt(arguments: Sequence[str]) -> int:
    """Run ``hmtnet adopt`` with Hydra's overrides and return the exit code.

    The file of scores may come as a word of its own: ``hmtnet adopt scores.csv data=qads``.
    """
    words = [
        f"scores='{word}'" if word.endswith(".csv") and "=" not in word else word
        for word in arguments
    ]
    run_composed("adopt", words, partial(build, AdoptSettings), _job)
    return 0


def _job(settings: AdoptSettings) -> float:
    labels = _labels(settings.data)
    path = Path(settings.scores).expanduser()
    scores = read_scores(path, labels, settings.image, settings.columns)
    for what in ("lower", "reference"):
        unknown = [name for name in getattr(settings, what) if name not in scores]
        if unknown:
            raise SettingsError(
                f"{what}: {path} has no scores {listed(unknown)}.{nearest(unknown[0], scores)}"
            )
    splits = [make(labels, each) for each in series(labels, settings.split, settings.splits)]
    found: dict[str, list[Adopted]] = {
        name: [
            write_run(
                *(labels, split, name, values, Path(settings.runs)),
                lower=name in settings.lower,
                reference=name in settings.reference,
            )
            for split in splits
        ]
        for name, values in scores.items()
    }
    pixel_free = [
        srcc(predicted[list(split.test)], labels.mos[list(split.test)])
        for split in splits
        for predicted in [label_only(labels, split.train).scores]
        if predicted is not None
    ]
    _show(settings, labels, scores, found, pixel_free)
    return 0.0


def _labels(settings: DataSettings) -> Labels:
    """Read the dataset with its images, so that runs stand beside trained ones; else its labels."""
    if settings.labels_only:
        return read_labels(settings)
    try:
        return Manifest.of(read_labels(settings))
    except DataError as error:
        labels = read_labels(replace(settings, labels_only=True))
        log.warning(
            "The images of '%s' are not used (%s) Its labels alone count, and runs of it stand in "
            "a table of their own.",
            *(labels.name, str(error).splitlines()[0]),
        )
        return labels


def _show(
    settings: AdoptSettings,
    labels: Labels,
    scores: dict[str, FloatArray],
    found: dict[str, list[Adopted]],
    pixel_free: Sequence[float],
) -> None:
    rows = []
    for name, adopted in found.items():
        tests = [one.predictions.select("test") for one in adopted]
        values = [srcc(test.score, test.mos) for test in tests]
        rows.append((name, int(np.isfinite(scores[name]).sum()), values))
    if settings.format == "json":
        document = {
            "dataset": labels.name,
            "images": len(labels),
            "protocol": settings.split.protocol,
            "label_only_srcc": list(pixel_free),
            "metrics": [
                {
                    "name": name,
                    "scored": count,
                    "test_srcc": values,
                    "runs": [str(one.directory.path) for one in found[name]],
                }
                for name, count, values in rows
            ],
        }
        print(json.dumps(known(document), indent=2, ensure_ascii=False))
        return
    cells = [[n, f"{c} of {len(labels)}", _median(v), str(len(v))] for n, c, v in rows]
    if pixel_free:
        cells.append([f"{LABEL_ONLY} (all images)", "", _median(pixel_free), str(len(pixel_free))])
    print(text_table(["", "images with a score", "median test SRCC", "splits"], cells))
    folder = found[rows[0][0]][0].directory.path.parents[1]
    print(f"\nrun directories: {folder}\ncompare them:    hmtnet report {folder}")


def _median(values: Sequence[float]) -> str:
    return decimals(float(np.median(values)))
