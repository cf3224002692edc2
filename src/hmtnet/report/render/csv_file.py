"""The leaderboard as CSV, for a spreadsheet or another program."""

import math

from hmtnet.files import csv_text
from hmtnet.report.numbers.leaderboard import Entry
from hmtnet.report.numbers.model import Report, Section
from hmtnet.report.numbers.published import MARK, PublishedRow
from hmtnet.report.numbers.quantities import QUANTITIES

_FACTS = (
    "dataset",
    "fingerprint",
    "labels",
    "protocol",
    "leaky",
    "row",
    "kind",
    "reference",
    "marks",
)
_COUNTS = ("splits", "seeds", "images", "srcc_low", "srcc_high", "groups", "interval_note", "fits")
_JUDGING = ("gflops", "seconds", "tensors_mb", "device")
_BEHIND = ("parameters", "trained_parameters", "seconds")


def as_csv(report: Report) -> str:
    """Return one line per row of every leaderboard; an empty cell is undefined or not applicable.

    Numbers have all their digits, so that they can be compared with a computation of one's own.
    """
    numbers = [f"{q.key}_{what}" for q in QUANTITIES for what in ("median", "mean", "sd")]
    judging = [f"judging_{key}" for key in _JUDGING]
    columns = [*_FACTS, *numbers, *_COUNTS, *_BEHIND, *judging, "runs", "settings"]
    found = [
        {**_facts(section), **row}
        for section in report.sections
        for row in (*map(_entry, section.entries), *map(_published, section.published))
    ]
    rows = ([row.get(column, "") for column in columns] for row in found)
    return csv_text(columns, rows, for_people=True)


def _facts(section: Section) -> dict[str, object]:
    grounds = section.grounds
    return {
        "dataset": grounds.dataset,
        "fingerprint": grounds.fingerprint,
        "labels": "pseudo-MOS (not human)" if grounds.label_kind == "pseudo" else "human MOS",
        "protocol": grounds.variant,
        "leaky": "yes" if grounds.leaky else "no",
    }


def _entry(entry: Entry) -> dict[str, object]:
    found: dict[str, object] = {
        "row": entry.name,
        "kind": entry.kind,
        "reference": entry.reference,
        "marks": entry.told,
        "splits": len(entry.splits),
        "seeds": len(entry.seeds),
        "images": sum(entry.sizes) or "",
        "fits": "; ".join(f"{count} {status}" for status, count in entry.fits.items()),
        "runs": " ".join(run.key for run in entry.runs),
    }
    for key, spread in entry.spreads.items():
        for what in ("median", "mean", "sd"):
            found[f"{key}_{what}"] = _number(getattr(spread, what))
    if entry.interval is not None:
        found["srcc_low"], found["srcc_high"] = map(
            _number, (entry.interval.low, entry.interval.high)
        )
        found["groups"] = entry.interval.groups
        found["interval_note"] = entry.interval.reason or ""
    if entry.configuration is not None:
        cost = entry.runs[0].cost
        found |= {key: cost.get(key, "") for key in _BEHIND}
        judging = entry.runs[0].judging
        for key in _JUDGING:
            found[f"judging_{key}"] = judging.get(key, "")
        found["settings"] = "; ".join(
            f"{key}={value}" for key, value in entry.configuration.differences.items()
        )
    return found


def _published(row: PublishedRow) -> dict[str, object]:
    return {
        "row": row.name,
        "kind": "published",
        "marks": MARK,
        **{f"{key}_median": value for key, value in row.values.items()},
    }


def _number(value: float) -> float | str:
    return "" if math.isnan(value) else float(value)
