"""A multirun's jobs: composed once in this process, checked before the first one runs, and run."""

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from hmtnet.cli.composing import Task
from hmtnet.errors import HmtnetError, SettingsError, listed


class Jobs:
    """Jobs of one multirun, by number.

    Hydra's own launcher composes a job to run it, and its sweepers to check it. Composing takes
    longer than whatever else a job does whose stages are finished.

    Args:
        context: Hydra's.
        task: What a job does.
        config: The multirun's configuration.
    """

    def __init__(self, context: HydraContext, task: Task[Any], config: DictConfig) -> None:
        self._context, self._task, self._config = context, task, config
        self._composed: dict[int, bytes] = {}  # a fraction of a configuration's size in memory

    def check(self, words: Mapping[int, list[str]], sets: Sequence[Mapping[str, str]]) -> None:
        """Compose jobs and read their settings.

        Args:
            words: Overrides, by number.
            sets: Which of these are the job's own, by setting.

        Raises:
            SettingsError: The settings of some are wrong; each fault is told once, with its jobs.
        """
        refused: dict[str, list[str]] = {}
        for number, overrides in words.items():
            config = self._compose(number, overrides)
            self._composed[number] = pickle.dumps(config)
            HydraConfig.instance().set_config(config)
            try:
                self._task.settings_of(_without_hydra(config))
            except HmtnetError as error:
                own = " ".join(f"{name}={value}" for name, value in sets[number].items())
                refused.setdefault(str(error), []).append(own)
        if refused:
            count = sum(map(len, refused.values()))
            which = f"{count} of {len(words)} jobs cannot run, so none was started:"
            faults = (f"{listed(jobs, limit=3)}: {why}" for why, jobs in refused.items())
            raise SettingsError("\n  ".join([which, *faults]))

    def run(self, number: int, overrides: list[str]) -> Exception | None:
        """Run a job, and return what it has raised."""
        kept = self._composed.pop(number, None)
        config = pickle.loads(kept) if kept else self._compose(number, overrides)
        HydraConfig.instance().set_config(config)
        with env_override(dict(config.hydra.job.env_set)):
            try:
                self._task(_without_hydra(config))
            except Exception as error:
                return error
        return None

    def forget(self) -> None:
        """Drop what was composed for checking, where numbers come to mean other jobs."""
        self._composed.clear()

    def _compose(self, number: int, overrides: list[str]) -> DictConfig:
        loader = self._context.config_loader
        config: DictConfig = loader.load_sweep_config(self._config, overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        return config


def _without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
