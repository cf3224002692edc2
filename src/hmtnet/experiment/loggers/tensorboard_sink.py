"""One stage as event files of TensorBoard, by Lightning's own logger."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hmtnet.experiment.context import RunContext
from hmtnet.experiment.loggers.card import Card
from hmtnet.experiment.loggers.sink import Picture, Table
from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.files import in_markdown
from hmtnet.models.task import SELECTED_BY
from hmtnet.storage.directory import RunDirectory

FOLDER = "tensorboard"
"""In the run directory."""

_MOST_ROWS = 100
_MOST_PICTURES = 8


class TensorBoardSink:
    """Scalars, pictures, texts and hyperparameters; see `hmtnet.experiment.loggers.sink.Sink`.

    TensorBoard has no summary of a run, so the best epoch so far is a curve of its own:
    ``chosen/val/srcc``, by which the tab of hyperparameters compares runs.

    Args:
        card: What the run is found by.
        settings: Nothing of them counts here.
        directory: The run directory.

    Raises:
        Exception: Whatever TensorBoard raises.
    """

    title = "TensorBoard"
    online = False

    def __init__(self, card: Card, settings: LoggerSettings, directory: RunDirectory) -> None:
        from lightning.pytorch.loggers import TensorBoardLogger

        del settings
        self._logger = TensorBoardLogger(directory.path, FOLDER, "", default_hp_metric=False)
        self._writer = self._logger.experiment
        self.where = str(directory.path / FOLDER)
        told = {"name": card.name, "group": card.group, "stage": card.stage, "tags": card.tags}
        self._text("about", ("", ""), [[name, value] for name, value in told.items()])
        self._logger.log_hyperparams({**told, **card.config}, {_chosen(SELECTED_BY): float("nan")})

    def epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        self._logger.log_metrics(dict(row), epoch)

    def chosen(self, epoch: int, row: Mapping[str, float]) -> None:
        """Add a point to each curve of the best epoch so far."""
        self._logger.log_metrics({_chosen(name): value for name, value in row.items()}, epoch)

    def numbers(self, values: Mapping[str, float]) -> None:
        """Add curves of a single point."""
        self._logger.log_metrics(dict(values))

    def pictures(self, name: str, pictures: Mapping[str, Picture], epoch: int) -> None:
        """Add pictures, each under its caption where there are several."""
        for caption, pixels in pictures.items():
            tag = name if len(pictures) == 1 else f"{name}/{caption}"
            self._writer.add_image(tag, pixels, epoch, dataformats="HWC")

    def tables(self, tables: Mapping[str, Table]) -> None:
        """Add texts, and the pictures of the first rows, which a text cannot show."""
        for name, table in tables.items():
            self._text(name, table.columns, table.rows[:_MOST_ROWS])
            first = [table.pictures[row] for row in sorted(table.pictures)[:_MOST_PICTURES]]
            if first:
                self._writer.add_image(f"{name}/first rows", _beside(first), dataformats="HWC")

    def files(self, context: RunContext) -> None:
        """Do nothing: TensorBoard keeps no files, and the stage's lie beside its own."""

    def finish(self, state: str, message: str) -> None:
        """Add the state as a text, and close the file."""
        self._writer.add_text("state", in_markdown(f"{state} {message}"))
        self._logger.finalize("success" if state == "finished" else state)

    def _text(self, name: str, columns: Any, rows: Any) -> None:
        lines = [_line(columns), "|" + "---|" * len(columns), *map(_line, rows)]
        self._writer.add_text(name, "\n".join(lines))


def _chosen(name: str) -> str:
    return f"chosen/{name}"


def _line(cells: Any) -> str:
    return f"| {' | '.join(_cells(cells))} |"


def _cells(cells: Any) -> Iterator[str]:
    for cell in cells:
        text = f"{cell:.4g}" if isinstance(cell, float) else "" if cell is None else str(cell)
        yield in_markdown(text)


def _beside(pictures: list[Picture]) -> Picture:
    """Put pictures of any size side by side."""
    highest = max(len(pixels) for pixels in pictures)
    filled = [np.pad(p, ((0, highest - len(p)), (0, 4), (0, 0))) for p in pictures]
    return np.concatenate(filled, axis=1)
