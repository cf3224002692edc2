"""One job of ``hmtnet train``: under multirun it is a trial, and leaves a record."""

import logging
import math
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from hmtnet.cli import workers
from hmtnet.cli.composing import is_multirun
from hmtnet.cli.sweep_table import short_names
from hmtnet.errors import HmtnetError
from hmtnet.experiment.context import Watch
from hmtnet.report.render.formats import decimals
from hmtnet.storage import trials
from hmtnet.storage.trials import Sweep, Trial

log = logging.getLogger(__name__)

UNDEFINED = "The validation SRCC is undefined: all scores, or all labels, are equal."


@dataclass(frozen=True)
class Outcome:
    """What a chain has come to.

    Attributes:
        val_srcc: Validation SRCC of its last stage; None where it is undefined.
        key: The last stage's key.
        runs: The run directory of each stage, by its name.
    """

    val_srcc: float | None
    key: str
    runs: Mapping[str, Path] = field(default_factory=dict)


class PrunedError(HmtnetError):
    """A trial has fallen behind the others."""


class UndefinedObjectiveError(HmtnetError):
    """A trial cannot be compared with others."""


def recorded(job: Callable[[], Outcome | None]) -> float:
    """Run a job and return its objective for Hydra; under multirun, leave a record of the trial.

    Args:
        job: Runs the chain. It returns nothing where another process tells the outcome.

    Raises:
        UndefinedObjectiveError: Of a trial, if the objective is undefined.
    """
    if is_multirun():
        return _trial(job)
    outcome = job()
    if outcome is None:
        return math.nan  # to nobody
    if outcome.val_srcc is None:
        log.warning(UNDEFINED)
        return math.nan
    return outcome.val_srcc


def _trial(job: Callable[[], Outcome | None]) -> float:
    config, since = HydraConfig.get(), workers.since()
    folder, number = Path(config.sweep.dir), int(config.job.num)

    def held() -> None:
        if since is not None:
            raise _TakenError  # there are other trials
        log.info("trial %d: another process works on it; waiting for it", number)

    try:
        with trials.worked_on(folder, number, held):
            if since is None:
                return _run(job, folder, number)
            if not trials.has_ended(folder, number, since):
                with workers.telling(f"trial {number} | "):
                    return _run(job, folder, number)
    except _TakenError:
        pass
    return math.nan  # to nobody


class _TakenError(Exception):
    """Another worker has the trial."""


def _run(job: Callable[[], Outcome | None], folder: Path, number: int) -> float:
    before = trials.read_trial(folder, number)
    sweep = trials.read_sweep(folder)
    trial = Trial(number, "running", _sets(sweep), os.getpid(), socket.gethostname())
    trials.write(folder, trial)
    started = time.perf_counter()

    def took() -> float:
        return round(time.perf_counter() - started, 2)

    try:
        outcome = job()
        if outcome is None:
            return math.nan
        if outcome.val_srcc is None:
            raise UndefinedObjectiveError(UNDEFINED)
    except PrunedError as error:
        trials.write(folder, replace(trial, state="pruned", seconds=took(), message=str(error)))
        log.info("trial %d: %s", number, error)
        return math.nan
    except Exception as error:
        if _is_queued_again(error):
            raise SystemExit(1) from error
        message = f"{type(error).__name__}: {error}"
        trials.write(folder, replace(trial, state="failed", seconds=took(), message=message))
        raise
    seconds = took()
    if before is not None and before.state == "complete" and before.key == outcome.key:
        seconds = max(seconds, before.seconds or 0.0)
    done = replace(
        trial, state="complete", val_srcc=outcome.val_srcc, seconds=seconds, key=outcome.key
    )
    trials.write(folder, done)
    _tell(done)
    return outcome.val_srcc


def _is_queued_again(error: Exception) -> bool:
    """Whether a cluster ends this job because it is being queued again.

    Submitit has that done by a program, from within the job. Where Slurm ends both before the
    program has answered, the job sees it fail, and would be a failed trial.
    """
    return (
        isinstance(error, subprocess.CalledProcessError)
        and error.returncode == -signal.SIGTERM
        and error.cmd[:2] == ["scontrol", "requeue"]
    )


def changes() -> dict[str, str]:
    """Return what the running trial changes, by setting, as people read it: ``lr=0.001``."""
    sets = _sets(trials.read_sweep(Path(HydraConfig.get().sweep.dir)))
    names = short_names(list(sets))
    return {full: f"{name}={sets[full]}" for full, name in zip(sets, names, strict=True)}


def _sets(sweep: Sweep | None) -> dict[str, str]:
    """Return what the running trial changes, by setting; all it was told, if that is not known."""
    told = HydraConfig.get().overrides.task
    words = dict(word.lstrip("+").split("=", 1) for word in told if "=" in word)
    return {name: words[name] for name in sweep.axes if name in words} if sweep else words


def watch_of(last: str) -> Watch | None:
    """Return what ends a trial that falls behind; None where nothing does.

    Args:
        last: The stage whose validation SRCC is the objective.
    """
    config = HydraConfig.get()
    pruner = config.sweeper.get("pruner")
    if not is_multirun() or not pruner or not config.sweeper.sampler:
        return None
    from hmtnet.cli import search

    ends = search.pruning(Path(config.sweep.dir), int(config.job.num), pruner)

    def watch(stage: str, epoch: int, found: float) -> None:
        if stage == last and ends(epoch, found):
            raise PrunedError(f"pruned after epoch {epoch}, at a validation SRCC of {found:.3f}")

    return watch


def _tell(trial: Trial) -> None:
    names = short_names(list(trial.overrides))
    sets = " ".join(
        f"{name}={value}" for name, value in zip(names, trial.overrides.values(), strict=True)
    )
    log.info(
        "trial %d: %s  validation SRCC %s  %s s  key %s",
        trial.number,
        sets,
        decimals(trial.val_srcc),
        decimals(trial.seconds, 1),
        trial.key,
    )
