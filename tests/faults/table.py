"""The table fault × system × outcome."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hmtnet.files import write_text
from tests.faults.judge import Outcome
from tests.faults.results import Result

BEGIN, END = "<!-- made by the suite: from here -->", "<!-- to here -->"
SIGNS = {
    Outcome.RECOVERED: "",
    Outcome.REFUSED: " refused",
    Outcome.WRONG: " **wrong**",
    Outcome.TRACEBACK: " **traceback**",
    None: " skipped",
}


def as_text(results: Sequence[Result]) -> str:
    """Return the table in Markdown, and the counts of all outcomes below it."""
    faults = list(dict.fromkeys(result.fault for result in results))
    systems = list(dict.fromkeys(result.system for result in results if result.system))
    lines = [
        "| fault | " + " | ".join(systems) + " |",
        "|---|" + "---|" * len(systems),
    ]
    for fault in faults:
        met = [result for result in results if result.fault == fault]
        if all(not result.system for result in met):  # one cell for all
            lines.append(f"| {fault} | {_cell(met)}" + " |" * len(systems))
            continue
        cells = [_cell([r for r in met if r.system == system]) for system in systems]
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    counts = Counter(result.outcome for result in results)
    told = ", ".join(f"{counts[outcome]} {outcome or 'skipped'}" for outcome in SIGNS)
    skipped = sorted({f"{r.fault}: {r.why}" for r in results if r.outcome is None})
    return "\n".join([*lines, "", f"{len(results)} cases: {told}.", *skipped])


def _cell(results: Sequence[Result]) -> str:
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[o]}{sign}" for o, sign in SIGNS.items() if counts[o]) or "–"


def write(page: Path, results: Sequence[Result]) -> None:
    """Put the table into its place on a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    write_text(page, f"{before}{BEGIN}\n\n{as_text(results)}\n\n{END}{after}")
