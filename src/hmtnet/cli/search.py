"""A search: Optuna proposes trials, and one study in the sweep's folder remembers them.

Any number of processes may work on a study. What is proposed next depends on the seed, the trial's
number and the trials that have ended, not on how often the search was interrupted.
"""

import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock
from hydra.core.override_parser.types import Override
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from hmtnet.errors import HmtnetError, SettingsError
from hmtnet.storage.lock import is_held, locked
from hmtnet.storage.trials import Direction, Trial

SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}

PRUNERS: dict[str, Callable[[], optuna.pruners.BasePruner]] = {
    "median": optuna.pruners.MedianPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}

JOURNAL, STUDY = "study.jsonl", "sweep"

# Of a trial of the study: the process that works on it.
OWNER = "owner"


class Search:
    """One study, as one process works on it.

    Args:
        folder: The sweep's folder.
        space: What may be proposed, by setting.
        direction: Which objective is the best one.
        sampler: One of ``SAMPLERS``.
        seed: Of the sampler.

    Raises:
        HmtnetError: The study cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        space: Mapping[str, BaseDistribution],
        direction: Direction,
        sampler: str,
        seed: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder, self.space, self.seed = folder, dict(space), seed
        self._sampler = SAMPLERS[sampler]
        try:
            self._study = optuna.create_study(
                storage=_storage(folder / JOURNAL),
                study_name=STUDY,
                direction=direction,
                load_if_exists=True,
            )
        except OSError:
            raise
        except Exception as error:  # whatever Optuna raises of lines that are not its own
            raise HmtnetError(
                f"{folder / JOURNAL} cannot be read as a study ({type(error).__name__}: {error}). "
                f"Remove {folder}, or give another sweep_name; finished stages are kept elsewhere "
                "and found again."
            ) from error
        self._owner = secrets.token_hex(4)

    @contextmanager
    def worked_on(self) -> Iterator[None]:
        """Let other processes see that this one is alive, so that they leave its trials to it."""
        with locked(self._folder_of(self._owner)):
            yield

    def ask(self, count: int, n_trials: int) -> list[tuple[int, dict[str, str]]]:
        """Propose trials: those that a killed process has left, else new ones.

        Args:
            count: How many at most. New ones have consecutive numbers.
            n_trials: How many the study shall have.

        Returns:
            Their numbers, and what each sets; none if the study has enough.
        """
        with locked(self.folder):
            trials = self._study.get_trials(deepcopy=False)
            for trial in trials:
                if trial.state == TrialState.RUNNING and self._is_left(trial):
                    self._own(trial._trial_id)
                    # One that was killed between being made and being proposed has no settings.
                    if trial.params.keys() == self.space.keys():
                        return [(trial.number, _words(trial.params))]
                    self._study.tell(trial.number, state=TrialState.FAIL)
            having = sum(trial.state != TrialState.WAITING for trial in trials)
            # Where all have failed, the command was at fault, and is given again when mended.
            failed = (TrialState.FAIL, TrialState.WAITING)
            others = (trial.number for trial in trials if trial.state not in failed)
            having -= next(others, having) // n_trials * n_trials
            return [self._propose() for _ in range(min(count, n_trials - having))]

    def tell(self, trial: Trial) -> None:
        """Let the study know how a trial has ended; an objective counts of a complete one only."""
        state = STATES.get(trial.state, TrialState.FAIL)
        value = trial.val_srcc if state == TrialState.COMPLETE else None
        self._study.tell(trial.number, value, state=state)

    def _propose(self) -> tuple[int, dict[str, str]]:
        """Propose by a study in which failed trials are as bad as those that were pruned at once.

        A sampler looks past failed ones, and would propose the same region for ever.
        """
        trials = self._study.get_trials()
        for trial in trials:
            if trial.state == TrialState.FAIL:
                trial.state = TrialState.PRUNED
        # A sampler that went on from its seed would propose the first trials again when resumed.
        seed = int(np.random.SeedSequence([self.seed, len(trials)]).generate_state(1)[0])
        sampler = self._sampler(seed)
        seen = optuna.create_study(direction=self._study.direction, sampler=sampler)
        seen.add_trials(trial for trial in trials if trial.params.keys() == self.space.keys())
        proposed = {name: _readable(x) for name, x in seen.ask(self.space).params.items()}
        # Unless a killed process has left a proposal, which comes first.
        if all(trial.state != TrialState.WAITING for trial in trials):
            self._study.enqueue_trial(proposed)
        asked = self._study.ask(self.space)
        self._own(asked._trial_id)
        return asked.number, _words(asked.params)

    def _own(self, trial_id: int) -> None:
        self._study._storage.set_trial_user_attr(trial_id, OWNER, self._owner)

    def _is_left(self, trial: FrozenTrial) -> bool:
        """Whether no process works on a running trial. The lock ends with its process."""
        owner = trial.user_attrs.get(OWNER)
        return owner != self._owner and is_held(self._folder_of(str(owner))) is False

    def _folder_of(self, owner: str) -> Path:
        return self.folder / "owners" / owner


def pruning(folder: Path, number: int, pruner: str) -> Callable[[int, float], bool]:
    """Return what says of a trial, after every epoch, whether it shall end.

    Args:
        folder: The sweep's folder.
        number: The trial's.
        pruner: One of ``PRUNERS``.

    Returns:
        A function of the epoch, from 1, and its objective. An undefined one decides nothing.
    """
    study = optuna.load_study(
        study_name=STUDY, storage=_storage(folder / JOURNAL), pruner=PRUNERS[pruner]()
    )
    trial = optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)

    def ends(epoch: int, value: float) -> bool:
        told = study.get_trials(deepcopy=False)[number].intermediate_values
        if not math.isfinite(value) or epoch in told:  # an epoch that is trained again, resumed
            return False
        trial.report(value, epoch)
        return trial.should_prune()

    return ends


def distribution(override: Override) -> BaseDistribution:
    """Return what a swept setting may be.

    ``a,b`` and ``choice(a,b)`` are taken from; ``range(a,b,step)`` excludes its end, as Hydra's
    does; ``interval(a,b)`` is of numbers, ``int(interval(a,b))`` of whole ones, and
    ``tag(log,interval(a,b))`` is searched by its logarithm.

    Raises:
        SettingsError: Nothing can be proposed from it.
    """
    sweep: Any = override.value()
    log = "log" in getattr(sweep, "tags", ())
    try:
        if override.is_interval_sweep():
            if isinstance(sweep.start, int) and isinstance(sweep.end, int):
                return IntDistribution(sweep.start, sweep.end, log=log)
            return FloatDistribution(sweep.start, sweep.end, log=log)
        if override.is_range_sweep():
            values: list[Any] = sorted(map(_readable, override.sweep_iterator()))
            kind = IntDistribution if isinstance(values[0], int) else FloatDistribution
            return kind(values[0], values[-1], step=abs(sweep.step))
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except (ValueError, IndexError) as error:
        typed = str(override.input_line).lstrip("+")
        raise SettingsError(f"'{typed}' cannot be searched: {error}") from error


def _readable(value: Any) -> Any:
    """Keep five digits, which are plenty for what is searched."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _words(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items()}


def _storage(path: Path) -> JournalStorage:
    """Open a study's journal, and drop the line that a killed process has left unfinished."""
    lock = _SystemLock(path)
    lock.acquire()
    try:
        with path.open("ab+") as stream:
            stream.seek(0)
            stream.truncate(stream.read().rfind(b"\n") + 1)
    finally:
        lock.release()
    return JournalStorage(JournalFileBackend(os.fspath(path), lock))


class _SystemLock(JournalFileOpenLock):
    """A lock that ends with its process; Optuna's own would outlive a killed one."""

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path.with_suffix(".lock"))

    def acquire(self) -> bool:
        self._lock.acquire()
        return True

    def release(self) -> None:
        self._lock.release()
