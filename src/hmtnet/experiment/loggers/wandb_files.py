"""What W&B keeps besides numbers: tables, pictures and the files of a stage."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from hmtnet.artifact.digests import SCENES_FILE
from hmtnet.artifact.predictions import Predictions
from hmtnet.artifact.thumbnails import THUMBNAILS, thumbnail_name
from hmtnet.data import split_file
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.loggers.card import Card
from hmtnet.experiment.loggers.results import COLUMNS, Judged, table_rows
from hmtnet.storage.directory import RunDirectory

MOST_PICTURES = 100
"""Of the predictions' table, from its first row: where the error is largest."""


def predictions_table(found: Predictions, directory: RunDirectory, pictures: bool) -> Any:
    """Return validation and test images as a table, the largest error first.

    Args:
        found: A stage's predictions.
        directory: Its run directory, beside which the test images' thumbnails lie.
        pictures: Whether these are shown.
    """
    import wandb

    rows = table_rows(found)
    if not pictures:
        return wandb.Table(list(COLUMNS), rows)
    folder = directory.path.parent / THUMBNAILS
    files = [folder / thumbnail_name(str(row[0])) for row in rows]
    shown = [file for file in files if file.is_file()][:MOST_PICTURES]
    drawn = {file: wandb.Image(_decoded(file), file_type="jpg") for file in shown}
    with_pictures = [[drawn.get(file), *row] for file, row in zip(files, rows, strict=True)]
    return wandb.Table(["picture", *COLUMNS], with_pictures)


def compared_table(judged: Judged) -> Any:
    """Return what the stage and the baselines reach on the same test images."""
    import wandb

    rows = [[name, *numbers.values()] for name, numbers in judged.items()]
    return wandb.Table(["predicted by", *judged["stage"]], rows)


def log_artifact(run: Any, card: Card, context: RunContext, directory: RunDirectory) -> None:
    """Log a finished stage's files, its split among them, and what they come from.

    What they come from is known to W&B's server alone; offline, the settings' ``run.upstream``
    names it.
    """
    import wandb

    upstream: Mapping[str, str] = card.config["run"]["upstream"]
    for name, key in upstream.items() if not run.offline else ():
        with suppress(Exception):  # one that was logged without its files has none
            run.use_artifact(f"{_artifact_name(context, name, key)}:latest")
    artifact = wandb.Artifact(
        _artifact_name(context, card.stage, card.key), "stage", metadata=card.config["run"]
    )
    # Weights do not change, so they are not copied.
    artifact.add_file(str(directory.weights), policy="immutable")
    for file in (directory.meta, directory.predictions, directory.path / SCENES_FILE):
        artifact.add_file(str(file))
    with TemporaryDirectory() as aside:
        path = Path(aside) / "split.json"
        split_file.write(path, context.manifest, context.split)
        artifact.add_file(str(path))
    run.log_artifact(artifact)


def _artifact_name(context: RunContext, stage: str, key: str) -> str:
    return f"{context.system.name}-{stage}-{key}"


def _decoded(file: Path) -> Image.Image:
    with Image.open(file) as image:
        return image.convert("RGB")
