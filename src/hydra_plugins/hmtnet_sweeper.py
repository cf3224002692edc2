"""The sweeper of ``hmtnet train -m``: all combinations, or a search, and one closing table.

Hydra looks for plugins in the namespace package ``hydra_plugins`` only. It imports them whenever it
starts, for whichever program, so what is heavy is imported where it is needed.
"""

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from hmtnet.errors import HmtnetError, SettingsError
from hmtnet.settings import build
from hmtnet.storage import trials

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

log = logging.getLogger("hmtnet.sweeper")

# The number of a trial, and what it sets.
Proposed = tuple[int, dict[str, str]]

# Words of a command that say how its sweep is run, not which it is.
OF_THE_RUN = ("hydra.mode", "sweep_name", "runs")


@dataclass(frozen=True, kw_only=True)
class SweeperSettings:
    """What ``conf/hydra/sweeper/hmtnet.yaml`` lists.

    Attributes:
        params: What is swept, besides what the command line sweeps: an override's value by setting.
        space: What is worth searching in the system; counts where ``params`` refer to it.
        sampler: What proposes trials; None tries all combinations.
        n_trials: How many trials a search shall have, earlier ones included.
        direction: Which objective is the best one.
        seed: Of the sampler.
        n_jobs: How many trials run at once: in as many processes of this machine, or, of a search,
            on a cluster.
        pruner: What ends trials that fall behind the others; None ends none.
    """

    params: dict[str, Any] = field(default_factory=dict)
    space: dict[str, Any] = field(default_factory=dict)
    sampler: Literal["tpe", "random", "gp"] | None = None
    n_trials: int = 20
    direction: Literal["maximize", "minimize"] = "maximize"
    seed: int = 0
    n_jobs: int = 1
    pruner: Literal["median", "hyperband"] | None = None

    def __post_init__(self) -> None:
        for name in ("n_trials", "n_jobs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, found {getattr(self, name)}")


class TrialSweeper(Sweeper):
    """Runs trials, and leaves a record of them in the sweep's folder.

    Args:
        settings: What ``conf/hydra/sweeper/hmtnet.yaml`` lists; see `SweeperSettings`.
    """

    def __init__(self, **settings: Any) -> None:
        self._given = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }
        self.config: DictConfig
        self.hydra_context: HydraContext
        self.task: Any

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra hands over."""
        self.hydra_context, self.task, self.config = hydra_context, task_function, config

    def sweep(self, arguments: list[str]) -> None:
        """Run the trials that a command line asks for, and print the closing table.

        Raises:
            SettingsError: What is swept makes no sense, or the settings of some job do not.
            Exception: What the first failed trial has raised; of a search, only if none succeeded.
        """
        from hmtnet.cli import workers
        from hmtnet.cli.jobs import Jobs

        settings = build(SweeperSettings, self._given, "hydra.sweeper")
        axes = self._parsed(settings, arguments)
        tried = _every_value(axes) if settings.sampler else _combinations(axes)
        sweep = trials.Sweep(
            axes={name: word.get_value_string() for name, word in axes.items()},
            fixed=tuple(word.lstrip("+") for word in self._fixed),
            n_trials=settings.n_trials if settings.sampler else len(tried),
            direction=settings.direction,
            sampler=settings.sampler,
            command=self._command(),
        )
        # The jobs of other commands than train are no trials, and leave no record.
        self._recorded = "sweep_name" in self.config
        if self._recorded:
            with open_dict(self.config):
                name = str(self.config.sweep_name or sweep.digest)
                self.config.sweep_name = trials.folder_name(name)
        self._folder = Path(self.config.hydra.sweep.dir)
        space = self._space(settings, axes) if settings.sampler else {}
        self._jobs = Jobs(self.hydra_context, self.task, self.config)
        self._since = workers.since()
        if self._since is None:
            told = {number: self._words(sets) for number, sets in enumerate(tried)}
            self._jobs.check(told, tried)
        else:
            workers.end_with_parent()
        if not self._recorded:
            if (failure := self._run(list(enumerate(tried)))) is not None:
                raise failure
            return
        trials.begin(self._folder, sweep)
        if self._since is None and self._runs_here and settings.n_jobs > 1:
            where = (f"{name}={self.config[name]}" for name in ("sweep_name", "runs"))
            words = [*sweep.command, *where]
            failure = workers.work(self._folder, words, settings.n_jobs, sweep.n_trials)
        elif settings.sampler:
            failure = self._search(settings, space)
        else:
            failure = self._run(list(enumerate(tried)))
        if self._since is None:
            self._close(settings, failure)

    def _close(self, settings: SweeperSettings, failure: Exception | None) -> None:
        """Print the closing table, and raise what went wrong."""
        from hmtnet.cli.sweep_table import closing

        found = trials.read_trials(self._folder)
        if found:
            print(closing(self._folder, self.config.get("format", "text")))
        searched = settings.sampler and trials.best_of(found, settings.direction)
        if failure is not None and not searched:
            raise failure

    def _parsed(self, settings: SweeperSettings, arguments: Sequence[str]) -> dict[str, Override]:
        """Take what is fixed from a command line, and return what is swept."""
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        words = [*(f"{name}={value}" for name, value in settings.params.items()), *arguments]
        # What the command line says of a setting replaces what params say.
        given = {word.get_key_element().lstrip("+"): word for word in parser.parse_overrides(words)}
        given.pop("sweep_name", None)
        axes = {name: word for name, word in given.items() if word.is_sweep_override()}
        self._fixed = [str(given[name].input_line) for name in given if name not in axes]
        self._keys = {name: word.get_key_element() for name, word in axes.items()}
        return axes

    def _command(self) -> tuple[str, ...]:
        """Return the words of the command line, but those that only concern this time."""
        told = self.config.hydra.overrides
        words = (word.lstrip("+") for word in (*told.hydra, *told.task))
        return ("-m", *(word for word in words if word.partition("=")[0] not in OF_THE_RUN))

    def _words(self, sets: Mapping[str, str]) -> list[str]:
        """Return a trial's overrides."""
        from hmtnet.cli.words import hydra_words

        swept = (f"{self._keys[axis]}={value}" for axis, value in sets.items())
        # Read as text, though it may look like a number: 1e5.
        name = [f"sweep_name={self.config.sweep_name}"] if self._recorded else []
        return [*self._fixed, *swept, *hydra_words(name, ())]

    @property
    def _runs_here(self) -> bool:
        """Whether no launcher of jobs is asked for but Hydra's own."""
        return str(self.config.hydra.launcher._target_).endswith(".BasicLauncher")

    def _space(
        self, settings: SweeperSettings, axes: Mapping[str, Override]
    ) -> dict[str, "BaseDistribution"]:
        """Return what a search may propose."""
        try:
            from hmtnet.cli.search import distribution
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"hydra.sweeper.sampler={settings.sampler} needs {error.name}, which is not "
                'installed: pip install "hmtnet[sweep]".'
            ) from error
        if not axes:
            raise SettingsError(
                "A search needs settings to search: give a space, as in "
                "'system.sfen.optimizer.lr=tag(log,interval(1e-4,1e-2))'."
            )
        return {name: distribution(word) for name, word in axes.items()}

    def _search(
        self, settings: SweeperSettings, space: Mapping[str, "BaseDistribution"]
    ) -> Exception | None:
        """Run trials that a study proposes, until it has enough."""
        from hmtnet.cli.search import Search

        self._jobs.forget()
        sampler = str(settings.sampler)
        search = Search(self._folder, space, settings.direction, sampler, settings.seed)
        first: Exception | None = None
        at_once = 1 if self._runs_here else settings.n_jobs
        with search.worked_on():
            left = settings.n_trials
            while left > 0 and (asked := search.ask(min(left, at_once), settings.n_trials)):
                left -= len(asked)
                failure = self._run(asked)
                first = first or failure
                ended = [trials.read_trial(self._folder, number) for number, _ in asked]
                for trial in filter(None, ended):
                    if trial.state != "running":  # by a cluster's job that was not waited for
                        search.tell(trial)
        return first

    def _run(self, asked: Sequence[Proposed]) -> Exception | None:
        """Run trials of consecutive numbers, and return what the first failed one has raised."""
        if self._runs_here:
            asked = [trial for trial in asked if not self._is_taken(trial[0])]
            failed = [self._jobs.run(number, self._words(sets)) for number, sets in asked]
        else:
            failed = self._launch(asked)
        for (number, sets), error in zip(asked, failed, strict=False):
            if self._recorded and error is not None:
                self._record_failure(number, sets, error)
        return next(filter(None, failed), None)

    def _record_failure(self, number: int, sets: dict[str, str], error: Exception) -> None:
        """Leave a record of a trial that has failed before it could leave one itself."""
        before = trials.read_trial(self._folder, number)
        if before is None or before.state == "interrupted":
            message = f"{type(error).__name__}: {error}"
            trials.write(self._folder, trials.Trial(number, "failed", sets, message=message))

    def _is_taken(self, number: int) -> bool:
        """Whether another process works on a trial or, among workers, has done so."""
        if not self._recorded:
            return False
        ended = self._since is not None and trials.has_ended(self._folder, number, self._since)
        return ended or trials.is_worked_on(self._folder, number)

    def _launch(self, asked: Sequence[Proposed]) -> list[Exception | None]:
        """Let the chosen launcher run trials, and return what they have raised."""
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context, task_function=self.task, config=self.config
        )
        batch = [self._words(sets) for _, sets in asked]
        try:
            done: Sequence[JobReturn] = launcher.launch(batch, initial_job_idx=asked[0][0])
        except Exception as error:
            log.error("The launcher gave up: %s", error)
            # It does not say which job it was.
            gave_up = HmtnetError(
                "The launcher gave up, as it does at a job that was cancelled. Jobs that it has "
                f"sent go on (hmtnet sweep status {self._folder.name}). Once they have ended, the "
                "same command runs what is left."
            )
            gave_up.__cause__ = error
            return [None] * len(asked) + [gave_up]
        # Its property would print before it raises.
        return [one._return_value if one.status == JobStatus.FAILED else None for one in done]


def _combinations(axes: Mapping[str, Override]) -> list[dict[str, str]]:
    """Return all combinations of what is swept; the last setting changes fastest.

    Raises:
        SettingsError: There is none.
    """
    for word in axes.values():
        if not word.is_discrete_sweep():
            raise SettingsError(
                f"'{str(word.input_line).lstrip('+')}' cannot be tried value by value. List "
                "values, or search: hydra.sweeper.sampler=tpe."
            )
    values = _values(axes)
    return [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*values)]


def _every_value(axes: Mapping[str, Override]) -> list[dict[str, str]]:
    """Return as few trials as have every value of what is searched, or both its ends."""
    values = _values(axes)
    count = max(map(len, values), default=0)
    return [
        {name: of[i % len(of)] for name, of in zip(axes, values, strict=True)} for i in range(count)
    ]


def _values(axes: Mapping[str, Override]) -> list[list[str]]:
    values = []
    for name, word in axes.items():
        if word.is_interval_sweep():
            sweep: Any = word.value()
            values.append([str(sweep.start), str(sweep.end)])
        else:
            values.append(list(word.sweep_string_iterator()))
        if not values[-1]:
            raise SettingsError(
                f"The multirun has no job: {name}={word.get_value_string()} matches nothing. "
                "Correct the pattern or the range."
            )
    return values
