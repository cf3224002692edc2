"""One stage as a run of Weights & Biases."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from hmtnet.artifact.digests import SCENES_FILE
from hmtnet.data import split_file
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.loggers import wandb_runs
from hmtnet.experiment.loggers.card import Card
from hmtnet.experiment.loggers.sink import Picture, Table
from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.storage.directory import RunDirectory

_EXIT_CODES = {"finished": 0, "failed": 1, "interrupted": 255}


class WandbSink:
    """A run whose summary is the chosen epoch; see `hmtnet.experiment.loggers.sink.Sink`.

    Args:
        card: What the run is found by.
        settings: Where it is kept.
        directory: The run directory, which holds what is not sent yet.

    Raises:
        Exception: Whatever W&B raises.
    """

    title = "W&B"

    def __init__(self, card: Card, settings: LoggerSettings, directory: RunDirectory) -> None:
        import wandb

        self._card, self._directory = card, directory
        try:
            self._run = wandb_runs.start(card, settings, directory)
        except Exception:
            with suppress(Exception):
                wandb.finish(exit_code=1)
            raise
        self.online = not self._run.offline
        self.where = str(self._run.url or self._run.settings.sync_dir)

    def epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        """Add a row of the history."""
        self._run.log({**row, "epoch": epoch})

    def chosen(self, epoch: int, row: Mapping[str, float]) -> None:
        """Make an epoch the summary."""
        self._run.summary.update({**row, "chosen_epoch": epoch})

    def numbers(self, values: Mapping[str, float]) -> None:
        """Add to the summary."""
        self._run.summary.update(dict(values))

    def pictures(self, name: str, pictures: Mapping[str, Picture], epoch: int) -> None:
        """Log a panel that has a picture for each epoch."""
        import wandb

        shown = [wandb.Image(pixels, caption=caption) for caption, pixels in pictures.items()]
        self._run.log({name: shown, "epoch": epoch})

    def tables(self, tables: Mapping[str, Table]) -> None:
        """Log tables, a picture as the first cell of its row."""
        with wandb_runs.kept_in(self._directory):
            self._run.log({name: _table(table) for name, table in tables.items()})

    def files(self, context: RunContext) -> None:
        """Log the stage's files, its split among them, as an artifact, and what it comes from.

        What it comes from is known to W&B's server alone; offline, the settings' ``run.upstream``
        names it.
        """
        import wandb

        told, directory = self._card.config["run"], self._directory
        upstream: Mapping[str, str] = told["upstream"]
        for name, key in upstream.items() if self.online else ():
            with suppress(Exception):  # one that was logged without its files has none
                self._run.use_artifact(f"{_artifact_name(context, name, key)}:latest")
        name = _artifact_name(context, self._card.stage, self._card.key)
        artifact = wandb.Artifact(name, "stage", metadata=told)
        with wandb_runs.kept_in(directory), TemporaryDirectory() as aside:
            # Weights do not change, so they are not copied.
            artifact.add_file(str(directory.weights), policy="immutable")
            for file in (directory.meta, directory.predictions, directory.path / SCENES_FILE):
                artifact.add_file(str(file))
            path = Path(aside) / "split.json"
            split_file.write(path, context.manifest, context.split)
            artifact.add_file(str(path))
            self._run.log_artifact(artifact)

    def finish(self, state: str, message: str) -> None:
        """Write the state into the summary, and end the run with the exit code that W&B shows."""
        try:
            self._run.summary.update({"state": state, **({"message": message} if message else {})})
        finally:
            self._run.finish(exit_code=_EXIT_CODES[state])


def _table(table: Table) -> Any:
    import wandb

    if not table.pictures:
        return wandb.Table(list(table.columns), [list(row) for row in table.rows])
    drawn = {
        row: wandb.Image(Image.fromarray(pixels), file_type="jpg")
        for row, pixels in table.pictures.items()
    }
    rows = [[drawn.get(number), *row] for number, row in enumerate(table.rows)]
    return wandb.Table(["picture", *table.columns], rows)


def _artifact_name(context: RunContext, stage: str, key: str) -> str:
    return f"{context.system.name}-{stage}-{key}"
