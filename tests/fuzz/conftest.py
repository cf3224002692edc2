"""How many inputs were tried: counted by kind, also in several processes, and told at the end."""

from collections import Counter

import pytest

from tests.fuzz import table

_MANY = 2_000
_TOLD_FROM = 1_000  # inputs of a kind; the few of a short run are no news
_TRIED: dict[str, Counter] = {}
_FAILED: set[str] = set()


def pytest_addoption(parser):
    parser.addoption("--inputs", type=int, default=_MANY, help="of every kind")
    parser.addoption("--write-table", action="store_true", help="write docs/reliability.md")


@pytest.fixture
def many(request):
    """Return how many inputs of a kind a long run tries."""
    return request.config.getoption("--inputs", default=_MANY)


@pytest.fixture
def counts(record_property):
    """Counts inputs that were read, and those refused, by the error's class."""
    found = Counter()
    yield found
    record_property("fuzzed", dict(found))


def pytest_runtest_logreport(report):
    kind = report.nodeid.partition("[")[2].removesuffix("]")
    if report.failed:
        _FAILED.add(kind)
    for name, found in report.user_properties:
        if name == "fuzzed" and report.when == "teardown" and sum(found.values()) >= _TOLD_FROM:
            _TRIED[kind] = Counter(found)


def pytest_terminal_summary(terminalreporter, config):
    if not _TRIED:
        return
    total = sum(found.total() for found in _TRIED.values())
    terminalreporter.section(f"fuzzed: {total:,} inputs of {len(_TRIED)} kinds")
    for kind, found in _TRIED.items():
        failed = "  FAILED" if kind in _FAILED else ""
        terminalreporter.write_line(f"{table.row(kind, found)}{failed}")
    if config.getoption("--write-table", default=False):
        from tests.fuzz.test_fuzz import TARGETS  # importing every door takes seconds

        passed = {kind: found for kind, found in _TRIED.items() if kind not in _FAILED}
        table.write(passed, [target.name for target in TARGETS])
