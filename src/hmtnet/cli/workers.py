"""Several processes of one machine that work on one sweep, each by the sweep's own command.

Locks keep them apart, as they do where the command is given on several machines. So there is one
way to share a sweep, nothing is handed from process to process, and one that is killed loses its
trial alone.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tqdm import tqdm

from hmtnet.errors import HmtnetError, printable
from hmtnet.storage import trials

# In a worker: since when the sweep goes on, as `trials.has_ended` has it.
SINCE = "HMTNET_SWEEP_SINCE"

# Ends a line that the worker's next one makes obsolete.
_PASSING = "\x1f"
_TELL_PROGRESS = ("hmtnet.experiment.progress", "hmtnet.terminal")


def since() -> int | None:
    """Return since when the sweep goes on that this process works on; None if it is no worker."""
    found = os.environ.get(SINCE)
    return None if found is None else int(found)


def end_with_parent() -> None:
    """End this process soon after the one that has started it, however that ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()


@contextmanager
def telling(prefix: str) -> Iterator[None]:
    """Begin what this process logs with a prefix, so that it is known among other workers."""
    handlers = logging.getLogger("hmtnet").handlers
    before = [handler.formatter for handler in handlers]
    for handler, formatter in zip(handlers, before, strict=True):
        handler.setFormatter(_Telling(prefix, formatter or logging.Formatter()))
    try:
        yield
    finally:
        for handler, formatter in zip(handlers, before, strict=True):
            handler.setFormatter(formatter)


class _Telling(logging.Formatter):
    """A worker's lines; those that the next one makes obsolete are marked."""

    def __init__(self, prefix: str, inner: logging.Formatter) -> None:
        super().__init__()
        self._prefix, self._inner = prefix, inner

    def format(self, record: logging.LogRecord) -> str:
        """Return what is printed of a record."""
        passing = record.name in _TELL_PROGRESS
        return f"{self._prefix}{self._inner.format(record)}{_PASSING if passing else ''}"


def work(folder: Path, command: Sequence[str], count: int, n_trials: int) -> HmtnetError | None:
    """Start workers, show what they tell, and wait for them.

    In a terminal, one bar stands for the sweep, and below it a line per worker tells how far its
    training is; all else is told above. In a file, everything is a line.

    Args:
        folder: The sweep's folder; its sweep has begun.
        command: Words of ``hmtnet train``.
        count: How many workers.
        n_trials: How many trials the sweep shall have.

    Returns:
        What went wrong: a worker was killed, or a trial has failed.
    """
    begun = (folder / "sweep.json").stat().st_mtime_ns
    words = [sys.executable, "-m", "hmtnet", "train", *command]
    workers = [
        subprocess.Popen(
            words,
            env=_environment(index, count, begun),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for index in range(count)
    ]
    shape = "{desc}{bar:24}| {n}/{total} [{elapsed}]"
    # None: only in a terminal.
    bar = tqdm(total=n_trials, bar_format=shape, disable=None, dynamic_ncols=True)
    lines = [
        tqdm(bar_format="{desc}", position=1 + i, leave=False, disable=None, dynamic_ncols=True)
        for i in range(count)
    ]
    readers = [
        Thread(target=_pass_on, args=(worker, line))
        for worker, line in zip(workers, lines, strict=True)
    ]
    try:
        for reader in readers:
            reader.start()
        while any(reader.is_alive() for reader in readers):
            _show(folder, bar)
            time.sleep(0.5)
        _show(folder, bar)
    finally:
        for worker in workers:
            worker.terminate()
        codes = [worker.wait() for worker in workers]
        for line in reversed(lines):
            line.close()
        bar.close()
    if any(codes):
        return HmtnetError(
            f"Of {count} workers, some have ended early (exit codes {', '.join(map(str, codes))}; "
            "one below 0 is the signal that has killed it). The same command goes on."
        )
    for trial in trials.read_trials(folder):
        if trial.state == "failed" and trials.has_ended(folder, trial.number, begun):
            return HmtnetError(f"Trial {trial.number} has failed. {trial.message}")
    return None


def _environment(index: int, count: int, begun: int) -> dict[str, str]:
    """Share processors and devices out."""
    environment = {**os.environ, SINCE: str(begun)}
    environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    devices = environment.get("CUDA_VISIBLE_DEVICES", "").split(",")
    if len(devices) > 1:
        environment["CUDA_VISIBLE_DEVICES"] = devices[index % len(devices)]
    return environment


def _pass_on(worker: "subprocess.Popen[bytes]", line: "tqdm[None]") -> None:
    """Show what a worker tells: in its own line what is soon obsolete, and above the bars the rest.

    Args:
        worker: Whose output is a pipe.
        line: Its own line, which there is in a terminal only.
    """
    assert worker.stdout is not None
    for told in worker.stdout:
        text = told.decode(errors="replace").rstrip("\r\n")  # the mark counts as white space
        shown = printable(text.removesuffix(_PASSING))
        if text.endswith(_PASSING) and not line.disable:
            line.set_description_str(shown)
        elif shown.strip():
            line.write(shown, file=sys.stderr)


def _show(folder: Path, bar: "tqdm[None]") -> None:
    found = trials.read_trials(folder)
    running = sum(trial.state == "running" for trial in found)
    bar.n = sum(trial.state in trials.ENDED for trial in found)
    bar.set_description_str(f"{folder.name}, {running} running ", refresh=False)
    bar.refresh()
