"""How many inputs were tried, told at the end of the run."""

from collections import Counter

TRIED: dict[str, Counter] = {}
"""By target: how many inputs were read, refused, or could not be written."""


def pytest_terminal_summary(terminalreporter):
    if not TRIED:
        return
    total = sum(TRIED.values(), Counter())
    tried = total["read"] + total["refused"]
    terminalreporter.section(f"fuzzed: {tried:,} inputs of {len(TRIED)} kinds")
    for name, counts in sorted(TRIED.items()):
        told = f"{counts['read'] + counts['refused']:7,} inputs, {counts['refused']:7,} refused"
        terminalreporter.write_line(f"{told}: {name}")
