"""What a logger can be told of a stage, whichever logger it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hmtnet.experiment.context import RunContext

Picture = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""


@dataclass(frozen=True)
class Table:
    """Rows that a logger shows as a table.

    Attributes:
        columns: Their names.
        rows: One value per column each.
        pictures: By row, what is shown beside it; a row without an entry has none.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    pictures: Mapping[int, Picture]


def short(error: Exception) -> str:
    """Return the first line of what an error says."""
    return str(error).partition("\n")[0] or type(error).__name__


class Sink(Protocol):
    """One stage as one logger keeps it. Each method may raise whatever the logger's library does.

    Attributes:
        where: The address or the folder at which it is seen.
        online: Whether what it is told leaves the machine at once.
    """

    where: str
    online: bool

    def epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        """Add an epoch to the curves."""

    def chosen(self, epoch: int, row: Mapping[str, float]) -> None:
        """Say which epoch is the best so far; its numbers are what the stage is compared by."""

    def numbers(self, values: Mapping[str, float]) -> None:
        """Add numbers of the finished stage, such as ``test/srcc``."""

    def pictures(self, name: str, pictures: Mapping[str, Picture], epoch: int) -> None:
        """Show pictures under one name, each with its caption, as they are after an epoch."""

    def tables(self, tables: Mapping[str, Table]) -> None:
        """Show tables of the finished stage, by name."""

    def files(self, context: RunContext) -> None:
        """Keep the finished stage's files; a logger that keeps none does nothing."""

    def finish(self, state: str, message: str) -> None:
        """Say how the stage has ended (finished, failed or interrupted), and close."""
