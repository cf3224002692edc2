"""What was measured: printed as it comes, and kept in a file that is whole at any time."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from hmtnet.files import write_text


class OutOfTimeError(Exception):
    """A measurement has taken longer than it may."""


class Rows:
    """A table that grows by a row per number.

    Args:
        output: JSON file that is written anew with each row, or None.
        minutes: After so long nothing more is begun, and what runs is broken off.
        machine: What was measured on.
    """

    def __init__(self, output: Path | None, minutes: float, machine: dict[str, Any]) -> None:
        self.output, self.machine = output, machine
        self.end = time.monotonic() + 60 * minutes
        self.rows: list[dict[str, Any]] = []
        self.failed = False
        signal.signal(signal.SIGALRM, _break_off)
        print(" · ".join(f"{name} {value}" for name, value in machine.items()), flush=True)

    def attempt(self, case: str, measure: Callable[[str], None], most: float = 60) -> None:
        """Measure a case, for at most ``most`` seconds; what goes wrong becomes its row."""
        seconds = min(most, self.end - time.monotonic())
        if seconds <= 0:
            self._add({"case": case, "quantity": "not measured", "note": "the time is up"})
            return
        started = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            measure(case)
        except Exception as error:  # the next case may well work
            signal.setitimer(signal.ITIMER_REAL, 0)
            late = time.monotonic() - started >= seconds
            self.failed |= not (late or isinstance(error, torch.OutOfMemoryError))
            reason = f"broken off after {seconds:.3g} s" if late else _first_line(error)
            self._add({"case": case, "quantity": "not measured", "note": reason})
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def add(self, case: str, quantity: str, value: float, aim: str = "") -> None:
        """Add a number; what it counts stands in the quantity's name."""
        note = {"note": f"aim: {aim}"} if aim else {}
        self._add({"case": case, "quantity": quantity, "value": value, **note})

    def _add(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        value = f"{row['value']:12.4g}" if "value" in row else ""
        note = f"   {row['note']}" if "note" in row else ""
        print(f"{row['case']:<22}{row['quantity']:<54}{value}{note}", flush=True)
        if self.output is not None:
            document = {"machine": self.machine, "rows": self.rows}
            write_text(self.output, json.dumps(document, indent=1) + "\n")


def _break_off(signal_number: int, frame: FrameType | None) -> None:
    raise OutOfTimeError


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}"
