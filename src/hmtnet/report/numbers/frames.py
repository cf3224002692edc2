"""Finished runs, and the tests between them, as data frames for one's own analyses."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.model import Section
from hmtnet.report.numbers.quantities import QUANTITIES


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


def _sections(folders: tuple[Path | str, ...]) -> tuple[Section, ...]:
    return build_report(collect([Path(folder).expanduser() for folder in folders])).sections
