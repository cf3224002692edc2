"""What a report says, before it becomes a page, a sheet or a table of a paper."""

import itertools
from dataclasses import dataclass

from hmtnet.report.numbers.breakdowns import Breakdown
from hmtnet.report.numbers.cases import Casebook
from hmtnet.report.numbers.collect import Problem
from hmtnet.report.numbers.comparisons import Comparison
from hmtnet.report.numbers.leaderboard import Entry, View
from hmtnet.report.numbers.published import PublishedRow
from hmtnet.report.numbers.sections import Grounds


@dataclass(frozen=True, eq=False)
class Section:
    """One table's runs, and everything said about them.

    Attributes:
        grounds: What the runs have in common.
        entries: Rows, full-reference systems last; in each block the best median SRCC first.
        view: The test images that intervals, figures and cases are about.
        published: What papers report.
        comparison: Paired tests between rows that judge without references.
        full_reference: Paired tests between those that judge with them; None where there are none.
        breakdowns: Numbers by SR method and by scale.
        casebooks: Images that tell most about each system.
        notes: What a reader must know about the section.
    """

    grounds: Grounds
    entries: tuple[Entry, ...]
    view: View
    published: tuple[PublishedRow, ...]
    comparison: Comparison
    breakdowns: tuple[Breakdown, ...]
    casebooks: tuple[Casebook, ...]
    notes: tuple[str, ...]
    full_reference: Comparison | None = None

    @property
    def blocks(self) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
        """The rows by block, each with its name; empty for those that judge without references."""
        groups = itertools.groupby(self.entries, key=lambda entry: entry.block)
        return tuple((block, tuple(members)) for block, members in groups)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The paired tests, one comparison a block."""
        both = (self.comparison, self.full_reference)
        return tuple(comparison for comparison in both if comparison is not None)

    @property
    def winners(self) -> tuple[tuple[str, str], ...]:
        """Of each block the system that a test tells from every other row, and that test."""
        return tuple(found.winner for found in self.comparisons if found.winner is not None)

    @property
    def systems(self) -> tuple[Entry, ...]:
        """The rows that are no reference rows."""
        return tuple(entry for entry in self.entries if entry.kind == "system")


@dataclass(frozen=True, eq=False)
class Report:
    """A whole report.

    Attributes:
        title: Its heading.
        sections: One for each dataset and way to split it.
        problems: Run directories that are not in it.
        version: Of hmtnet, that made it.
    """

    title: str
    sections: tuple[Section, ...]
    problems: tuple[Problem, ...]
    version: str

    @property
    def runs(self) -> int:
        """How many runs it is made of."""
        return sum(len(entry.runs) for section in self.sections for entry in section.entries)
