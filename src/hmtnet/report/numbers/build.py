"""From run directories to a report: every number, before any layout."""

from collections.abc import Sequence

from hmtnet import __version__
from hmtnet.data.labels import LABELS_ONLY
from hmtnet.errors import DataError, SettingsError, listed, nearest
from hmtnet.report.numbers.breakdowns import by_method, by_scale
from hmtnet.report.numbers.cases import casebooks
from hmtnet.report.numbers.collect import Collection
from hmtnet.report.numbers.comparisons import compare
from hmtnet.report.numbers.leaderboard import Entry, entries
from hmtnet.report.numbers.model import Report, Section
from hmtnet.report.numbers.published import published_rows
from hmtnet.report.numbers.run import BEST_ON_TEST, Run
from hmtnet.report.numbers.sections import (
    FULL_REFERENCE,
    Configuration,
    Grounds,
    by_grounds,
    configurations,
)

_FEWEST_METHOD_SPLITS = 20  # test sets of unseen methods are small, and differ a lot


def build_report(found: Collection, title: str = "Leaderboard", rows: Sequence[str] = ()) -> Report:
    """Compute everything a report says.

    Args:
        found: The runs.
        title: The heading.
        rows: Show only systems whose name contains one of these texts, whatever the letter case;
            all if empty. Reference rows are always shown.

    Raises:
        DataError: No run is usable; says why for each.
        SettingsError: No system has such a name.
    """
    if not found.runs:
        reasons = "\n".join(f"  {problem}" for problem in found.problems)
        raise DataError(
            f"No usable run.\n{reasons}"
            if reasons
            else "No run directory was found there: one "
            "holds predictions.csv, stage.json and status.json. Train first: hmtnet train."
        )
    problems = list(found.problems)
    tables: list[tuple[Grounds, list[Run], list[Configuration]]] = []
    for grounds, runs in by_grounds(found.runs).items():
        named, left_out = configurations(runs, found.runs)
        problems += left_out
        tables.append((grounds, runs, named))
    _check_rows([c.name for _, _, named in tables for c in named], rows)
    sections = []
    for grounds, runs, named in tables:
        chosen = [c for c in named if not rows or _asked_for(c.name, rows)]
        if chosen:
            sections.append(_section(grounds, chosen, runs))
    return Report(title, tuple(sections), tuple(problems), __version__)


def _section(grounds: Grounds, named: Sequence[Configuration], runs: Sequence[Run]) -> Section:
    rows, view = entries(grounds, named, runs)
    breakdowns = [by_method(rows, view), by_scale(rows, view)]
    return Section(
        grounds=grounds,
        entries=tuple(rows),
        view=view,
        published=published_rows(grounds),
        comparison=compare(rows, view),
        full_reference=(
            compare(rows, view, FULL_REFERENCE)
            if any(entry.block == FULL_REFERENCE for entry in rows)
            else None
        ),
        breakdowns=tuple(b for b in breakdowns if b is not None),
        casebooks=casebooks(rows, grounds.higher_is_better),
        notes=tuple(_notes(grounds, rows)),
    )


def _notes(grounds: Grounds, rows: Sequence[Entry]) -> list[str]:
    notes = []
    if grounds.label_kind == "pseudo":
        notes.append(
            "The labels are pseudo-MOS, computed by a formula: no human gave them. Nothing here is "
            "a result on human opinion."
        )
    if grounds.leaky:
        notes.append(
            "This split is leaky: test images show content that training has seen. Its numbers "
            "overstate what a system can do."
        )
    if grounds.fingerprint.startswith(LABELS_ONLY):
        notes.append(
            "Only the labels of the dataset were there, no image: that runs are of one dataset is "
            "known by the names and labels of its images."
        )
    systems = [entry for entry in rows if entry.kind == "system"]
    partial = [e.name for e in systems if any(run.partial for run in e.runs)]
    if partial:
        compared = sum(len(outcome.test) for outcome in systems[0].outcomes)
        most = max(
            sum(len(run.predictions.select("test")) + run.not_compared for run in entry.runs)
            for entry in systems
        )
        notes.append(
            f"{listed(partial)}: scores of a part of the images. All rows are compared on the "
            f"{compared} test images that each has a score of, of {most}, over the splits."
        )
    chosen = [e.name for e in systems if any(r.selection == BEST_ON_TEST for r in e.runs)]
    if chosen:
        notes.append(
            f"The test images chose the epoch of {listed(chosen)}. Such rows measure what that "
            "habit is worth; they are no results."
        )
    told = [e.name for e in systems if any(r.oracle for r in e.runs)]
    if told:
        notes.append(
            f"{listed(told)}: told the true grades of the test images. Such rows are bounds; they "
            "are no results."
        )
    paired = [e.name for e in systems if e.block == FULL_REFERENCE]
    if paired:
        notes.append(
            f"{listed(paired)}: full reference, which sees the pristine image beside each image "
            "that it judges. Such rows stand below the others, and are compared with each other "
            "and with label-only."
        )
    if len({entry.splits for entry in systems}) > 1:
        counts = ", ".join(f"{entry.name}: {len(entry.splits)}" for entry in systems)
        notes.append(
            f"Rows were measured on different splits ({counts}): medians and means are over "
            "different test images. Trust the paired comparisons only, or train on the same splits."
        )
    most = max(len(entry.splits) for entry in systems)
    if grounds.protocol == "method" and most < _FEWEST_METHOD_SPLITS:
        notes.append(
            f"Test sets of unseen SR methods are small and differ much: {most} of the "
            f"{_FEWEST_METHOD_SPLITS} splits or more that this protocol needs."
        )
    return notes


def _check_rows(names: Sequence[str], wanted: Sequence[str]) -> None:
    for text in wanted:
        if not any(_asked_for(name, [text]) for name in names):
            raise SettingsError(f"No row's name contains '{text}'.{nearest(text, set(names))}")


def _asked_for(name: str, rows: Sequence[str]) -> bool:
    return any(text.casefold() in name.casefold() for text in rows)
