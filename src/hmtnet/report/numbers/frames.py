"""Finished runs, and the tests between them, as data frames for one's own analyses."""

from dataclasses import fields
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from hmtnet.artifact import curves as curve_files
from hmtnet.artifact import predictions as prediction_files
from hmtnet.errors import ArtifactError, DataError, listed
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.model import Section
from hmtnet.report.numbers.quantities import QUANTITIES
from hmtnet.storage.directory import RunDirectory


def runs(*folders: Path | str) -> pd.DataFrame:
    """Return runs whose test images are predicted, and the reference rows beside them.

    Args:
        folders: Folders in and under which run directories lie, such as ``runs`` or ``runs/demo``.

    Returns:
        One row per run and split; rows that never look at a pixel (label-only and others) have the
        kind ``reference`` and no path. The numbers (``srcc``, ``plcc``, ``within_tau`` …) are about
        test images, as the report's are: see `hmtnet.report.numbers.quantities`. NaN is undefined.

    Raises:
        DataError: There is no usable run; why each cannot be used is told.
    """
    rows: list[dict[str, Any]] = []
    for section in _sections(folders):
        for entry in section.entries:
            by_place = {(run.split, run.seed): run for run in entry.runs}
            for outcome in entry.outcomes:
                # What needs no training has neither seed nor run.
                run = None if outcome.seed is None else by_place[outcome.split, outcome.seed]
                rows.append(
                    {
                        "dataset": section.grounds.dataset,
                        "label_kind": section.grounds.label_kind,
                        "protocol": section.grounds.protocol,
                        "name": entry.name,
                        "kind": entry.kind,
                        **{fact: getattr(run, fact, None) for fact in ("system", "stage", "key")},
                        "split": outcome.split,
                        "seed": outcome.seed,
                        "images": len(outcome.test),
                        **{q.key: outcome.measured.values[q.key] for q in QUANTITIES},
                        "path": None if run is None else run.path,
                    }
                )
    return pd.DataFrame(rows)


def compare_runs(*folders: Path | str) -> pd.DataFrame:
    """Compare the rows of each table in pairs, as the report does.

    Args:
        folders: As of ``runs``.

    Returns:
        One row per test and pair: ``first`` less ``second`` (``difference`` in SRCC), ``p``
        adjusted by Holm for all pairs of that test, and the 95 % interval (``low``, ``high``); NaN
        where there is none. Empty where nothing can be paired.

    Raises:
        DataError: There is no usable run.
    """
    columns = ["dataset", "protocol", "test", "first", "second", "difference", "low", "high", "p"]
    rows = []
    for section in _sections(folders):
        where = (section.grounds.dataset, section.grounds.protocol)
        comparisons = [section.comparison, section.full_reference]
        for test in [test for found in comparisons if found is not None for test in found.tests]:
            for first, second in combinations(test.names, 2):
                if (first, second) in test.cells:
                    pair = test.cells[first, second]
                    numbers = (pair.point, pair.low, pair.high, pair.p)
                    rows.append((*where, test.title, first, second, *numbers))
    return pd.DataFrame(rows, columns=columns)


def curves(run: Path | str) -> pd.DataFrame:
    """Return the learning curves of a run directory.

    Args:
        run: The run directory of a stage, finished or not.

    Returns:
        One row per epoch (0: before training, where a stage's start is a candidate), one column per
        logged number, such as ``val/srcc``; NaN where an epoch lacks one.

    Raises:
        ArtifactError: There are none, or they are damaged.
    """
    path = RunDirectory(Path(run).expanduser()).metrics
    try:
        found = curve_files.read(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} holds no learning curves ({error}). Give the run directory of a stage, or "
            "train it (hmtnet train)."
        ) from error
    cells = [{name: float(cell or "nan") for name, cell in row.items()} for row in found.values()]
    return pd.DataFrame(cells).astype({curve_files.EPOCH: int})


def predictions(run: Path | str, subset: str | None = None) -> pd.DataFrame:
    """Return what a finished run has predicted.

    Args:
        run: A run directory.
        subset: ``train``, ``val`` or ``test``; None for all that were predicted.

    Returns:
        One row per image, as `hmtnet.artifact.predictions` has it: MOS and score in the dataset's
        own unit; grades from 0 (worst), -1 where there is none; their probabilities as ``p_1`` ….

    Raises:
        ArtifactError: There are none, or they are damaged.
        DataError: No image of the subset was predicted.
    """
    path = RunDirectory(Path(run).expanduser()).predictions
    found = prediction_files.read(path)
    if subset is not None and subset not in found.subsets:
        raise DataError(
            f"{path} predicts no image of '{subset}'; it has {listed(found.subsets)}. A sweep "
            "predicts test images with evaluate.test=true only."
        )
    shown = found if subset is None else found.select(subset)
    columns = {field.name: getattr(shown, field.name) for field in fields(shown)}
    probabilities = columns.pop("probabilities")
    columns |= {f"p_{grade}": values for grade, values in enumerate(probabilities.T, start=1)}
    return pd.DataFrame(columns)


def _sections(folders: tuple[Path | str, ...]) -> tuple[Section, ...]:
    return build_report(collect([Path(folder).expanduser() for folder in folders])).sections
