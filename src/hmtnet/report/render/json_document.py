"""The report for a program: mappings, lists, text, numbers and None."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hmtnet.report.numbers.leaderboard import Entry
from hmtnet.report.numbers.model import Report, Section
from hmtnet.report.numbers.published import MARK
from hmtnet.report.numbers.sections import FULL_REFERENCE


def as_document(report: Report) -> dict[str, Any]:
    """Return what JSON can hold; None is undefined or not applicable."""
    document: dict[str, Any] = known(
        {
            "title": report.title,
            "hmtnet": report.version,
            "sections": [_section(section) for section in report.sections],
            "problems": [
                {"path": str(problem.path), "message": problem.message}
                for problem in report.problems
            ],
        }
    )
    return document


def _section(section: Section) -> dict[str, Any]:
    grounds = section.grounds
    best = {found.block: found.winner[0] for found in section.comparisons if found.winner}
    return {
        "dataset": grounds.dataset,
        "fingerprint": grounds.fingerprint,
        "label_kind": grounds.label_kind,
        "mos_range": list(grounds.mos_range),
        "higher_is_better": grounds.higher_is_better,
        "protocol": grounds.protocol,
        "variant": grounds.variant,
        "leaky": grounds.leaky,
        "notes": list(section.notes),
        "rows": [_entry(entry) for entry in section.entries],
        "published": [{**asdict(row), "mark": MARK} for row in section.published],
        "winner": best.get(""),
        "winner_full_reference": best.get(FULL_REFERENCE),
        "tests": [
            {
                "title": test.title,
                "notes": list(test.notes),
                "pairs": [
                    {"first": first, "second": second, **asdict(pair)}
                    for (first, second), pair in test.cells.items()
                ],
            }
            for comparison in section.comparisons
            for test in comparison.tests
        ],
        "ranks": [
            {
                "name": rank.name,
                "block": comparison.block,
                "mean": rank.mean,
                "sd": rank.sd,
                "first": rank.first,
            }
            for comparison in section.comparisons
            for rank in comparison.ranks
        ],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "reference": entry.reference,
        "marks": list(entry.marks),
        "reason": entry.reason,
        "splits": list(entry.splits),
        "seeds": list(entry.seeds),
        "numbers": {key: asdict(s) for key, s in entry.spreads.items()},
        "interval": None if entry.interval is None else asdict(entry.interval),
        "interval_of": entry.view_label,
        "fits": entry.fits,
        "runs": [
            {"key": run.key, "path": str(run.path), "split": run.split, "seed": run.seed}
            for run in entry.runs
        ],
    }


def known(value: Any) -> Any:
    """Return a value with None for every number that is undefined: JSON knows no NaN."""
    if isinstance(value, Mapping):
        return {name: known(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [known(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
