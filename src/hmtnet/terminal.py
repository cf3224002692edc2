"""Progress: a bar in a terminal, one line in a file, where what overwrites itself is only noise."""

import logging
import os
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

log = logging.getLogger(__name__)

# A process that only helps another one, and shares its terminal, is silent: TQDM_DISABLE says so to
# it from its start, and is set later for those that this process starts.
DISABLED: bool | None = True if "TQDM_DISABLE" in os.environ else None
"""What tqdm calls ``disable``: None, that a bar is only shown in a terminal."""


def progress(
    items: Iterable[T] | None = None,
    *,
    total: int,
    title: str,
    unit: str,
    hidden: bool = False,
    leave: bool = False,
) -> "tqdm[T]":
    """Show how far something is; outside a terminal its title is logged once.

    Args:
        items: What is gone through; None where the bar is updated by hand.
        total: How many there are.
        title: What is being done.
        unit: What one is.
        hidden: Show nothing, as where it takes no time.
        leave: Whether the bar stays when it is done.
    """
    bar = tqdm(
        items,
        total=total,
        desc=title,
        unit=unit,
        leave=leave,
        disable=True if hidden else DISABLED,
        dynamic_ncols=True,
    )
    if bar.disable and not hidden:
        log.info("%s", title)
    return bar


# logging.StreamHandler is generic for type checkers alone: [TextIO] would be an error when run.
class LogHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Lines on standard error, above a bar that is shown there."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take the bar away, write the line, and draw the bar again."""
        with tqdm.external_write_mode(file=self.stream):
            super().emit(record)
