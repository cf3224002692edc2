"""Finished runs, and the tests between them, as data frames for one's own analyses."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from hmtnet.errors import DataError, listed
from hmtnet.report.numbers.collect import Collection, collect
from hmtnet.report.numbers.comparisons import compare
from hmtnet.report.numbers.leaderboard import Outcome, entries
from hmtnet.report.numbers.quantities import QUANTITIES
from hmtnet.report.numbers.run import Run
from hmtnet.report.numbers.sections import FULL_REFERENCE, by_grounds, configurations


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
    found = _usable(folders)
    rows: list[dict[str, Any]] = []
    for grounds, members in by_grounds(found.runs).items():
        configured, _ = configurations(members, found.runs)
        measured, _ = entries(grounds, configured, members)
        for entry in measured:
            by_place = {(run.split, run.seed): run for run in entry.runs}
            for outcome in entry.outcomes:
                run = by_place.get((outcome.split, -1 if outcome.seed is None else outcome.seed))
                rows.append(
                    {
                        "dataset": grounds.dataset,
                        "label_kind": grounds.label_kind,
                        "protocol": grounds.protocol,
                        "name": entry.name,
                        "kind": entry.kind,
                        **_facts(run),
                        "split": outcome.split,
                        "seed": outcome.seed,
                        **_numbers(outcome),
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
    found = _usable(folders)
    columns = ["dataset", "protocol", "test", "first", "second", "difference", "low", "high", "p"]
    rows = []
    for grounds, members in by_grounds(found.runs).items():
        configured, _ = configurations(members, found.runs)
        measured, view = entries(grounds, configured, members)
        for block in ("", FULL_REFERENCE):
            for test in compare(measured, view, block).tests:
                for (first, second), pair in test.cells.items():
                    if test.names.index(first) < test.names.index(second):
                        numbers = (pair.point, pair.low, pair.high, pair.p)
                        rows.append(
                            (grounds.dataset, grounds.protocol, test.title, first, second, *numbers)
                        )
    return pd.DataFrame(rows, columns=columns)


def _usable(folders: tuple[Path | str, ...]) -> Collection:
    found = collect([Path(folder).expanduser() for folder in folders or ("runs",)])
    if not found.runs:
        reasons = listed([str(problem) for problem in found.problems])
        raise DataError(
            f"Expected run directories with predicted test images in "
            f"{', '.join(map(str, folders)) or 'runs'}, found none"
            + (f" that can be used: {reasons}" if reasons else ". Train first: hmtnet train.")
        )
    return found


def _facts(run: Run | None) -> dict[str, Any]:
    if run is None:
        return {"system": None, "stage": None, "key": None}
    return {"system": run.system, "stage": run.stage, "key": run.key}


def _numbers(outcome: Outcome) -> dict[str, float]:
    values = outcome.measured.values
    return {
        "images": len(outcome.test),
        **{q.key: values.get(q.key, math.nan) for q in QUANTITIES},
    }
