"""One stage, told to a logger: its curve while it is trained, then what came of it."""

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from hmtnet.artifact import curves
from hmtnet.artifact.predictions import Predictions
from hmtnet.errors import SettingsError
from hmtnet.experiment.checkpoints import Candidate
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.loggers.card import Card, card_of
from hmtnet.experiment.loggers.results import (
    by_error,
    compared_table,
    predictions_table,
    test_numbers,
)
from hmtnet.experiment.loggers.sink import Picture, Sink, short
from hmtnet.experiment.loggers.tensorboard_sink import TensorBoardSink
from hmtnet.experiment.loggers.wandb_sink import WandbSink
from hmtnet.experiment.plan import Planned
from hmtnet.experiment.run_settings import Kept, LoggerSettings
from hmtnet.experiment.thumbnails import read_thumbnails
from hmtnet.files import read_json, write_text
from hmtnet.models.task import SELECTED_BY
from hmtnet.settings import build
from hmtnet.storage.directory import RunDirectory

log = logging.getLogger(__name__)

SINKS: Mapping[str, type[WandbSink | TensorBoardSink]] = {
    "wandb": WandbSink,
    "tensorboard": TensorBoardSink,
}

MOST_PICTURES = 100
"""Of the predictions' table, from its first row: where the error is largest."""


@dataclass(frozen=True)
class Logged:
    """What a logger has been told of a stage, by whichever process.

    Attributes:
        epoch: The last epoch.
        finished: Whether the stage was finished.
        subsets: Whose predictions.
        where: The run's address, or its folder.
    """

    epoch: int = -1
    finished: bool = False
    subsets: tuple[str, ...] = ()
    where: str = ""


class StageLog(Logger):
    """Follows ``metrics.csv`` while a stage is trained, then adds what came of it.

    So a curve is the same wherever it is seen, learning rate included, and a stage that was
    finished before is logged by the same lines. What a stage is compared by is its chosen epoch.

    A logger may fail in many ways, and none of them may cost a training: the first costs a warning,
    and nothing more is logged.

    Args:
        card: What the run is found by.
        settings: Where it is kept.
        directory: The run directory.
    """

    def __init__(self, card: Card, settings: LoggerSettings, directory: RunDirectory) -> None:
        super().__init__()
        self.card, self.settings, self.directory = card, settings, directory
        self._open = SINKS[settings.name]
        self._note = note_of(directory, settings.name)
        self.before = read_note(self._note)
        self.sink: Sink | None = None
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
        """The stage's key."""
        return self.card.key

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the settings are there since the log was opened."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the epochs that ``metrics.csv`` has won."""
        del metrics, step
        self._try("go on", self._follow)

    def open(self) -> None:
        """Start, or go on with what was logged of the same stage before."""
        if self.sink is not None or self.broken:
            return
        try:
            self.sink = self._open(self.card, self.settings, self.directory)
        except Exception as error:  # whatever its library may raise
            self._give_up("start", error)

    def pictures(self, name: str, epoch: int, make: Callable[[], Mapping[str, Picture]]) -> None:
        """Show pictures of the dataset, if such are wanted.

        Args:
            name: What they have in common.
            epoch: After which they are made.
            make: Makes them, by their captions.
        """
        if self._shows_images():
            self._try("show pictures", lambda sink: sink.pictures(name, make(), epoch))

    def result(self, context: RunContext, found: Predictions) -> None:
        """Log what a finished stage predicts, unless all of it has been logged before.

        Args:
            context: What the chain shares.
            found: The stage's predictions.
        """
        whole = self.before.finished and set(found.subsets) <= set(self.before.subsets)
        if self.sink is None and whole:
            title, where = self._open.title, self.before.where
            log.info("%s: its %s run is %s", self.card.stage, title, where)
            return
        self.open()
        self._try("take the results", lambda sink: self._result(sink, context, found))

    def close(self, error: BaseException | None = None) -> None:
        """Say how the stage has ended, and finish."""
        self._try("finish", lambda sink: self._close(sink, error))

    def _follow(self, sink: Sink) -> None:
        if not self.directory.metrics.exists():
            return
        for epoch, cells in curves.read(self.directory.metrics).items():
            row = {name: float(cell) for name, cell in cells.items() if cell}
            score = row.get(SELECTED_BY, math.nan)
            if self.chosen is None or (epoch > self.chosen.epoch and self.chosen.yields_to(score)):
                self.chosen = Candidate(epoch, score, {})
                sink.chosen(epoch, row)
            if epoch > self.epoch:
                sink.epoch(epoch, row)
                self.epoch = epoch

    def _result(self, sink: Sink, context: RunContext, found: Predictions) -> None:
        from hmtnet.experiment.loggers.plots import plots

        self._follow(sink)
        judged = test_numbers(context, found)
        for name, numbers in judged.items():
            prefix = "test" if name == "stage" else f"test/{name}"
            sink.numbers({f"{prefix}/{what}": number for what, number in numbers.items()})
        thumbnails: Mapping[str, Picture] = {}
        if self._shows_images():
            shown = [found.image[i] for i in by_error(found)[:MOST_PICTURES]]
            thumbnails = read_thumbnails(self.directory, context.manifest, shown)
        tables = {"predictions": predictions_table(found, thumbnails)}
        if judged:
            tables["test/compared"] = compared_table(judged)
        sink.tables(tables)
        mos = "pseudo-MOS" if context.manifest.label_kind == "pseudo" else "MOS"
        for name, picture in plots(found, mos).items():
            sink.pictures(name, {name: picture}, self.epoch)
        if self._keeps(self.settings.artifacts):
            sink.files(context)
        self.subsets = found.subsets

    def _close(self, sink: Sink, error: BaseException | None) -> None:
        self._follow(sink)
        self.sink = None
        if error is None:
            state, message = "finished", ""
        else:
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            message = f"{type(error).__name__}: {error}"
        sink.finish(state, message)
        logged = Logged(self.epoch, error is None, self.subsets, sink.where)
        write_text(self._note, json.dumps(asdict(logged), indent=2) + "\n")

    def _shows_images(self) -> bool:
        if self.sink is None:
            return False
        asked = self.settings.images
        return self._keeps(("none" if self.sink.online else "all") if asked is None else asked)

    def _keeps(self, which: Kept) -> bool:
        """Whether this stage is among those of which something is kept; a trial keeps its best."""
        if which == "all" and self.settings.changes:
            which = "best"
        return which == "all" or (which == "best" and self.card.last)

    def _try(self, what: str, action: Callable[[Sink], None]) -> None:
        """Do what the logger's library may fail at."""
        if self.sink is None:
            return
        sink = self.sink
        try:
            action(sink)
        except Exception as error:  # whatever it may raise
            self.sink = None
            self._give_up(what, error)
            with suppress(Exception):
                sink.finish("failed", "")

    def _give_up(self, what: str, error: Exception) -> None:
        self.broken = True
        log.warning(
            "%s could not %s (%s); metrics.csv has the curves.",
            *(self._open.title, what, short(error)),
        )


@contextmanager
def stage_log(context: RunContext, planned: Planned, chain: str) -> Iterator[StageLog]:
    """Yield the log of one stage.

    However the stage ends, its log is closed and says how: else the next stage would log into it.

    Args:
        context: What the chain shares.
        planned: The stage.
        chain: What the chain is called.
    """
    card = card_of(context, planned, chain)
    log = StageLog(card, context.settings.logger, planned.directory)
    try:
        yield log
    except BaseException as error:
        log.close(error)
        raise
    log.close()


def note_of(directory: RunDirectory, logger: str) -> Path:
    """Return the file that holds what a logger has been told of a stage."""
    return directory.path / logger / "logged.json"


def read_note(note: Path) -> Logged:
    """Read what a logger has been told of a stage; nothing, where that cannot be read."""
    try:
        return build(Logged, read_json(note))
    except (OSError, ValueError, SettingsError):
        return Logged()
