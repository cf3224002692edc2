"""``hmtnet train`` as functions of Python, with the command's words and its runs."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig

from hmtnet.cli import chain
from hmtnet.cli.sweep_table import short_names
from hmtnet.cli.train import read, run
from hmtnet.cli.trial import recorded
from hmtnet.cli.words import MULTIRUN, is_sweep
from hmtnet.errors import SettingsError
from hmtnet.experiment.settings import TrainSettings
from hmtnet.models.system import System
from hmtnet.storage import trials


def train(*settings: str) -> dict[str, Path]:
    """Train a chain of stages, or find what of it is finished, as ``hmtnet train`` does.

    Args:
        settings: Words of the command line, such as ``"size=small"``; see ``hmtnet train --help``.

    Returns:
        The run directory of each stage by its name, in order: for ``load``, ``curves`` and
        ``predictions``.

    Raises:
        SettingsError: A setting is wrong, or several values of one are given.
        HmtnetError: As the command: the dataset, the split or what a stage starts from is at fault.

    >>> train("sise=small")
    Traceback (most recent call last):
    ...
    hmtnet.errors.SettingsError: Unknown setting 'sise'. Did you mean 'size'?
    """
    if is_sweep(settings):
        raise SettingsError(f"train(…) trains once. Leave {MULTIRUN[0]} out, or use sweep(…).")
    found: dict[str, Path] = {}

    def job(told: tuple[TrainSettings, System]) -> float:
        outcome = chain.run(*told, quiet=True)
        found.update({} if outcome is None else outcome.runs)
        return math.nan  # to nobody

    run(settings, read, job)
    return found


def sweep(*settings: str) -> pd.DataFrame:
    """Train every combination of several values, as ``hmtnet train -m`` does.

    It prints the command's closing table. Test images are predicted with ``"evaluate.test=true"``
    only: what is chosen on them is no result.

    Args:
        settings: Words of the command line, such as ``"system.sfen.optimizer.lr=1e-3,3e-3"``.

    Returns:
        One row per trial: its number (``trial``), what it sets, under the shortest name that tells
        (``lr``), as text, the validation SRCC of its last stage (``val_srcc``; NaN where there is
        none), ``state``, ``seconds`` and the last stage's ``key``.

    Raises:
        SettingsError: A setting is wrong, or none has several values.
        HmtnetError: A trial has failed; the others have run.
    """
    folders: set[Path] = set()

    def placed(values: dict[str, Any]) -> tuple[TrainSettings, System]:
        folders.add(Path(HydraConfig.get().sweep.dir))  # known only while a job is composed
        return read(values)

    run([MULTIRUN[0], *settings], placed, lambda told: recorded(lambda: chain.run(*told)))
    (folder,) = folders
    found = trials.read_trials(folder)
    names = list(found[0].overrides)
    shown = dict(zip(names, short_names(names), strict=True))
    return pd.DataFrame(
        {
            "trial": trial.number,
            **{shown[name]: value for name, value in trial.overrides.items()},
            "val_srcc": math.nan if trial.val_srcc is None else trial.val_srcc,
            "state": trial.state,
            "seconds": trial.seconds,
            "key": trial.key,
        }
        for trial in found
    )
