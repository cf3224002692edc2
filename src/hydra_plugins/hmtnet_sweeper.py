"""The sweeper of ``hmtnet train -m``: all combinations, or a search, and one closing table.

Hydra looks for plugins in the namespace package ``hydra_plugins`` only. It imports them whenever it
starts, for whichever program, so what is heavy is imported where it is needed.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from hmtnet.errors import SettingsError
from hmtnet.settings import build
from hmtnet.storage import trials

# The number of a trial, and what it sets.
Proposed = tuple[int, dict[str, str]]


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
        n_jobs: How many trials of a search are launched at once.
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
    """Launches trials, and leaves a record of them in the sweep's folder.

    Args:
        settings: What ``conf/hydra/sweeper/hmtnet.yaml`` lists; see `SweeperSettings`.
    """

    def __init__(self, **settings: Any) -> None:
        self._given = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in settings.items()
        }
        self.config: DictConfig
        self.launcher: Launcher
        self.hydra_context: HydraContext

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra hands over, and make the launcher."""
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the trials that a command line asks for, and print the closing table.

        Raises:
            Exception: What the first failed trial has raised; of a search, only if none succeeded.
        """
        from hmtnet.cli.sweep_table import closing

        settings = build(SweeperSettings, self._given, "hydra.sweeper")
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        words = [*(f"{name}={value}" for name, value in settings.params.items()), *arguments]
        # What the command line says of a setting replaces what params say.
        given = {word.get_key_element().lstrip("+"): word for word in parser.parse_overrides(words)}
        given.pop("sweep_name", None)
        axes = {name: word for name, word in given.items() if word.is_sweep_override()}
        fixed = [str(word.input_line) for word in given.values() if not word.is_sweep_override()]
        self._words = fixed
        grid = None if settings.sampler else _combinations(axes)
        sweep = trials.Sweep(
            axes={name: word.get_value_string() for name, word in axes.items()},
            fixed=tuple(word.lstrip("+") for word in fixed),
            n_trials=settings.n_trials if grid is None else len(grid),
            direction=settings.direction,
            sampler=settings.sampler,
        )
        with open_dict(self.config):
            self.config.sweep_name = self.config.get("sweep_name") or sweep.digest
        self._folder = Path(self.config.hydra.sweep.dir)
        self._keys = {name: word.get_key_element() for name, word in axes.items()}
        if grid is None:
            failure = self._search(settings, sweep, axes)
        else:
            trials.begin(self._folder, sweep)
            failure = self._launch(list(enumerate(grid)), check=True) if grid else None
        found = trials.read_trials(self._folder)
        if found:
            print(closing(self._folder, self.config.get("format", "text")))
        searched = settings.sampler and trials.best_of(found, settings.direction)
        if failure is not None and not searched:
            raise failure

    def _search(
        self, settings: SweeperSettings, sweep: trials.Sweep, axes: Mapping[str, Override]
    ) -> Exception | None:
        """Run trials that a study proposes, until it has enough."""
        try:
            from hmtnet.cli.search import Search, distribution
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
        space = {name: distribution(word) for name, word in axes.items()}
        trials.begin(self._folder, sweep)
        search = Search(
            self._folder, space, settings.direction, str(settings.sampler), settings.seed
        )
        first: Exception | None = None
        with search.worked_on():
            left = settings.n_trials
            while left > 0 and (asked := search.ask(min(left, settings.n_jobs), settings.n_trials)):
                left -= len(asked)
                failure = self._launch(asked)
                first = first or failure
                ended = [trials.read_trial(self._folder, number) for number, _ in asked]
                if None in ended:  # jobs that keep no record only try what is proposed first
                    break
                for trial in filter(None, ended):
                    search.tell(trial)
        return first

    def _launch(self, asked: Sequence[Proposed], check: bool = False) -> Exception | None:
        """Run trials of consecutive numbers, and return what the first failed one has raised.

        Args:
            asked: The trials.
            check: Compose all of them before the first one runs.
        """
        name = f"sweep_name={self.config.sweep_name}"
        batch = [
            [*self._words, *(f"{self._keys[axis]}={value}" for axis, value in sets.items()), name]
            for _, sets in asked
        ]
        if check:
            self.validate_batch_is_legal(batch)
        done: Sequence[JobReturn] = self.launcher.launch(batch, initial_job_idx=asked[0][0])
        failures = []
        for (number, sets), result in zip(asked, done, strict=True):
            if result.status != JobStatus.FAILED:
                continue
            # Its property would print before it raises.
            error = result._return_value
            failures.append(error)
            ended = trials.read_trial(self._folder, number)
            if ended is None or ended.state == "running":  # its process has been killed
                message = f"{type(error).__name__}: {error}"
                failed = trials.Trial(number, "failed", sets, message=message)
                trials.write(self._folder, failed)
        return next(iter(failures), None)


def _combinations(axes: Mapping[str, Override]) -> list[dict[str, str]]:
    """Return all combinations of what is swept; the last setting changes fastest."""
    values = []
    for word in axes.values():
        if not word.is_discrete_sweep():
            raise SettingsError(
                f"'{word.input_line}' cannot be tried value by value. List values, or search: "
                "hydra.sweeper.sampler=tpe."
            )
        values.append(list(word.sweep_string_iterator()))
    return [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*values)]
