"""How many inputs were tried: counted by kind, also in several processes, and told at the end."""

from collections import Counter

import pytest

_TOLD_FROM = 10_000  # inputs; the few of a short run are no news
_TRIED: dict[str, Counter] = {}


@pytest.fixture
def counts(record_property):
    """Counts inputs that were read or refused."""
    found = Counter()
    yield found
    record_property("fuzzed", dict(found))


def pytest_runtest_logreport(report):
    for name, found in report.user_properties:
        if name == "fuzzed" and report.when == "teardown":
            kind = report.nodeid.partition("[")[2].removesuffix("]")
            _TRIED.setdefault(kind, Counter()).update(found)


def pytest_terminal_summary(terminalreporter):
    tried = {kind: found["read"] + found["refused"] for kind, found in _TRIED.items()}
    total = sum(tried.values())
    if total >= _TOLD_FROM:
        terminalreporter.section(f"fuzzed: {total:,} inputs of {len(tried)} kinds")
        for kind, found in sorted(_TRIED.items()):
            told = f"{tried[kind]:7,} inputs, {found['refused']:7,} of them refused: {kind}"
            terminalreporter.write_line(told)
