"""One stage as a run of Weights & Biases."""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from hmtnet.artifact import curves
from hmtnet.artifact.predictions import Predictions
from hmtnet.experiment.checkpoints import Candidate
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.loggers import wandb_files, wandb_runs
from hmtnet.experiment.loggers.card import Card
from hmtnet.experiment.loggers.results import Judged, test_numbers
from hmtnet.experiment.loggers.wandb_runs import Logged
from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.models.task import SELECTED_BY
from hmtnet.storage.directory import RunDirectory

log = logging.getLogger(__name__)


class WandbLog(Logger):
    """Follows ``metrics.csv`` while a stage is trained, then adds what came of it.

    So a curve on W&B is the curve in the run directory, learning rate included, and a stage that
    was finished before is logged by the same lines. The run's summary is the chosen epoch.

    W&B may fail in many ways, and none of them may cost a training: the first costs a warning, and
    nothing more is logged.

    Args:
        card: What the run is found by.
        settings: Where it is kept.
        directory: The run directory.
    """

    def __init__(self, card: Card, settings: LoggerSettings, directory: RunDirectory) -> None:
        super().__init__()
        self.card, self.settings, self.directory = card, settings, directory
        self.before = wandb_runs.read_logged(directory)
        self.run: Any = None
        self.broken = False
        self.epoch = self.before.epoch  # the last one logged, by whichever process
        self.chosen: Candidate | None = None
        self.subsets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call the run."""
        return self.card.name

    @property
    def version(self) -> str:
        """What W&B knows the run by."""
        return self.card.key

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the settings are there since the run was opened."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the epochs that ``metrics.csv`` has won."""
        del metrics, step
        self._try("go on", self._follow)

    def open(self) -> None:
        """Start the run, or go on with the one of the same key."""
        if self.run is not None or self.broken:
            return

        def start() -> None:
            self.run = wandb_runs.start(self.card, self.settings, self.directory)

        self._try("start its run", start)

    def result(self, context: RunContext, found: Predictions) -> None:
        """Log what a finished stage predicts, unless all of it has been logged before.

        Args:
            context: What the chain shares.
            found: The stage's predictions.
        """
        whole = self.before.finished and set(found.subsets) <= set(self.before.subsets)
        if self.run is None and whole:
            log.info("%s: its W&B run is %s", self.card.stage, self.before.where)
            return
        self.open()
        if self.run is not None:
            judged = test_numbers(context, found)
            self._try("take the results", lambda: self._result(context, found, judged))

    def close(self, error: BaseException | None = None) -> None:
        """Finish the run, and say how the stage has ended."""
        if self.run is not None:
            self._try("finish its run", lambda: self._close(error))

    def _follow(self) -> None:
        if not self.directory.metrics.exists():
            return
        for epoch, cells in curves.read(self.directory.metrics).items():
            row = {name: float(cell) for name, cell in cells.items() if cell}
            score = row.get(SELECTED_BY, math.nan)
            if self.chosen is None or (epoch > self.chosen.epoch and self.chosen.yields_to(score)):
                self.chosen = Candidate(epoch, score, {})
                self.run.summary.update({**row, "chosen_epoch": epoch})
            if epoch > self.epoch:
                self.run.log({**row, "epoch": epoch})
                self.epoch = epoch

    def _result(self, context: RunContext, found: Predictions, judged: Judged) -> None:
        self._follow()
        for name, numbers in judged.items():
            prefix = "test" if name == "stage" else f"test/{name}"
            self.run.summary.update({f"{prefix}/{what}": n for what, n in numbers.items()})
        with wandb_runs.kept_in(self.directory):
            self._files(context, found, judged)
        self.subsets = found.subsets

    def _files(self, context: RunContext, found: Predictions, judged: Judged) -> None:
        wanted = self.settings.images
        pictures = bool(self.run.offline) if wanted is None else wanted
        tables = {"predictions": wandb_files.predictions_table(found, self.directory, pictures)}
        if judged:
            tables["test/compared"] = wandb_files.compared_table(judged)
        self.run.log(tables)
        artifacts = self.settings.artifacts
        if artifacts == "all" or (artifacts == "best" and self.card.last):
            wandb_files.log_artifact(self.run, self.card, context, self.directory)

    def _close(self, error: BaseException | None) -> None:
        self._follow()
        run, self.run = self.run, None
        if error is None:
            run.summary.update({"state": "finished"})
            code = 0
        else:
            stopped = isinstance(error, KeyboardInterrupt)
            state = "interrupted" if stopped else "failed"
            run.summary.update({"state": state, "message": f"{type(error).__name__}: {error}"})
            code = 255 if stopped else 1
        where = run.url or run.settings.sync_dir
        run.finish(exit_code=code)
        logged = Logged(self.epoch, error is None, self.subsets, str(where))
        wandb_runs.write_logged(self.directory, logged)

    def _try(self, what: str, action: Callable[[], None]) -> None:
        """Do what W&B may fail at."""
        if self.broken or (self.run is None and what != "start its run"):
            return
        try:
            action()
        except Exception as error:  # whatever W&B may raise
            self.broken = True
            said = wandb_runs.short(error)
            log.warning("W&B could not %s (%s); metrics.csv has the curves.", what, said)
            wandb_runs.abandon()
