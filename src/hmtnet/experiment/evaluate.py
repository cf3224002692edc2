"""A trained stage on a dataset and protocol, also another one than it was trained on."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.description import value_at, write_description
from hmtnet.artifact.shipped import find_model
from hmtnet.data.datamodule import LoaderSettings, QualityData
from hmtnet.data.images import ImageStore
from hmtnet.data.manifest import Manifest
from hmtnet.data.memory import copies
from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SUBSETS, Split, SplitSettings, named
from hmtnet.errors import ArtifactError, DataError, LeakError
from hmtnet.experiment import leaks
from hmtnet.experiment.describe import describe_dataset, describe_predictions, describe_split
from hmtnet.experiment.devices import device_of, threads
from hmtnet.experiment.fitting import check_hardware
from hmtnet.experiment.held import held_predictions
from hmtnet.experiment.predict import predict
from hmtnet.experiment.requirements import check_references
from hmtnet.experiment.run_settings import Caps, TrainerSettings
from hmtnet.experiment.thumbnails import write_thumbnails
from hmtnet.models.system import find_system
from hmtnet.scoring.restore import Restored, restore
from hmtnet.settings import plain
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.key import digest_of
from hmtnet.storage.lock import locked
from hmtnet.storage.status import Status

log = logging.getLogger(__name__)

# What an evaluation says of itself in the words of the stage that it evaluates.
_KEPT = (
    *("system", "package", "stage", "settings", "seed", "precision", "conditions", "selection"),
    *("oracle", "reference", "judging"),
)


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """Everything that ``hmtnet evaluate`` is told.

    Attributes:
        artifact: The run directory of a finished stage, or a shipped model's name.
        data: The dataset to predict.
        split: Which of its images are test images.
        seed: Of the split; ``conf/split`` takes it over.
        drop_seen: Leave out test images that show what the stage has seen, instead of refusing.
        trainer: The hardware.
        runs: The folder of all run directories.
        format: What is printed at the end.
    """

    artifact: str
    data: DataSettings
    split: SplitSettings
    seed: int = 0
    drop_seen: bool = False
    trainer: TrainerSettings
    runs: str = "runs"
    format: Literal["text", "json"] = "text"

    def __post_init__(self) -> None:
        if self.split.protocol == "cross":
            raise ValueError(
                "split=cross trains on one dataset and tests on another; to test a finished stage "
                "on another dataset, name that one (data=…) and use split=whole"
            )


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation has left.

    Attributes:
        manifest: The dataset.
        split: The split; what was left out is in no subset.
        directory: Where predictions and description lie.
        stage: Name of the evaluated stage.
        reused: Whether it had been done before.
    """

    manifest: Manifest
    split: Split
    directory: RunDirectory
    stage: str
    reused: bool


def evaluate(settings: EvaluationSettings) -> Evaluation:
    """Predict a dataset with a finished stage and write the predictions.

    They lie where that dataset's own runs lie, in a run directory without weights, whose
    ``stage.json`` says which stage was evaluated.

    Raises:
        ArtifactError: The artifact is missing or damaged.
        DataError: The dataset is at fault, or nothing is left to test.
        LeakError: The stage has seen test images or what they show.
    """
    check_hardware(settings.trainer)
    trained = restore(find_model(settings.artifact))
    manifest = read(settings.data)
    split = _unseen(settings, trained, manifest, make(manifest, settings.split))
    key = digest_of(
        {
            "evaluated": trained.key,
            "dataset": manifest.fingerprint,
            "split": split.id,
            "debug": _caps(settings, trained, split),
        }
    )
    made_by = describe_predictions(find_system(trained.meta["system"]).stage(trained.stage))
    directory = RunDirectory.locate(
        Path(settings.runs), manifest.name, split.id, trained.stage, key
    )
    with locked(directory.path, only_read=directory.meta.exists()):
        reused = _holds_all(settings, trained, split, directory, made_by)
        if not reused:
            with threads(settings.trainer.threads):
                _predict(settings, trained, manifest, split, directory, key, made_by)
    return Evaluation(manifest, split, directory, trained.stage, reused)


def _unseen(
    settings: EvaluationSettings, trained: Restored, manifest: Manifest, split: Split
) -> Split:
    """Return the split without test images that the stage has seen, or refuse them."""
    if "seen" not in trained.meta:
        raise ArtifactError(
            f"{settings.artifact}: stage.json does not say what the stage has seen. Train it anew."
        )
    if not split.test:
        raise DataError(f"split={split.protocol} tests nothing. Use split=whole, or another.")
    seen = leaks.Seen.from_json(trained.meta["seen"])
    found = leaks.seen_rows(seen, manifest, split.test, split.leaky)
    near = leaks.look_alikes(trained.folder, seen, manifest, split.test, split.leaky)
    known = sorted({*found, *near})
    if not known:
        return split
    if not settings.drop_seen:
        names = [manifest.records[row].image for row in known]
        raise LeakError(
            f"Stage '{trained.stage}' of {settings.artifact} has seen {len(known)} of "
            f"{len(split.test)} test images, or what they show, such as {names[0]}. Evaluate it on "
            "what it has not seen: its own split, another dataset, or with drop_seen=true."
        )
    left_out = set(known)
    test = tuple(row for row in split.test if row not in left_out)
    if not test:
        raise DataError(
            f"Stage '{trained.stage}' of {settings.artifact} has seen all test images of "
            f"'{manifest.name}'. Use another dataset."
        )
    # Stages that have seen the same are tested on the same: on one split, by one id.
    return named(manifest, replace(split, test=test, variant=f"{split.variant}-unseen"))


def _caps(settings: EvaluationSettings, trained: Restored, split: Split) -> Caps | None:
    """Return the limit that leaves images out; None where none does."""
    largest = max(map(len, split.subsets.values()))
    return settings.trainer.debug.reached(0, -(-largest // trained.settings.batch_size))


def _holds_all(
    settings: EvaluationSettings,
    trained: Restored,
    split: Split,
    directory: RunDirectory,
    made_by: Mapping[str, Any],
) -> bool:
    """Return whether all predictions are there already, and described."""
    if not directory.meta.exists():
        return False
    batches = settings.trainer.debug.batches
    most = None if batches is None else batches * trained.settings.batch_size
    try:
        held = held_predictions(directory, split, made_by, most)
    except ArtifactError as error:
        log.warning("%s It is evaluated anew.", error)
        return False
    return set(held.parts) == {name for name in SUBSETS if split.subsets[name]}


def _predict(
    settings: EvaluationSettings,
    trained: Restored,
    manifest: Manifest,
    split: Split,
    directory: RunDirectory,
    key: str,
    made_by: Mapping[str, Any],
) -> None:
    subsets = [name for name in SUBSETS if split.subsets[name]]
    rows = [row for name in subsets for row in split.subsets[name]]
    device = device_of(settings.trainer)
    network = trained.network
    judged_with = rows if network.needs_reference else []
    check_references(manifest, judged_with, trained.meta["system"], "always")
    held = copies(1, settings.trainer.workers)
    images = ImageStore(manifest, rows, settings.data.cache, held)
    images.keep_references(judged_with)
    data = QualityData(
        manifest,
        split,
        images,
        trained.settings.crops,
        trained.settings.batch_size,
        loader=LoaderSettings(workers=settings.trainer.workers, pin_memory=device.type == "cuda"),
        reference="always" if network.needs_reference else "none",
        mixed=network.mixes_images,
        grades=trained.grades,
    )
    batches = settings.trainer.debug.batches
    found = predict(network, data, manifest, trained.grades, subsets, device, batches)
    directory.meta.unlink(missing_ok=True)  # it is of other predictions, whatever happens next
    prediction_files.write(directory.predictions, found)
    write_thumbnails(directory, manifest, images, split.test)
    write_description(
        directory.path, _description(settings, trained, manifest, split, directory, key, made_by)
    )
    status = Status.begin(trained.stage, key, 0)
    run_status.write(directory.status, status.then(state="finished", epoch=0))


def _description(
    settings: EvaluationSettings,
    trained: Restored,
    manifest: Manifest,
    split: Split,
    directory: RunDirectory,
    key: str,
    made_by: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe the evaluation as a stage is described, and say what was evaluated."""
    path = trained.folder
    kept: dict[str, Any] = {name: trained.meta[name] for name in _KEPT if name in trained.meta}
    edges, caps = trained.grades, _caps(settings, trained, split)
    return {
        **kept,
        "key": key,
        "grades": {"edges_unit": list(edges.edges), "edges": list(edges.in_unit_of(manifest))},
        "dataset": describe_dataset(manifest),
        "split": describe_split(split),
        "debug": plain(caps) or trained.meta.get("debug"),
        "cost": trained.meta.get("cost"),
        "predictions": made_by,
        "evaluated": {
            "key": trained.key,
            "path": os.path.relpath(path, directory.path),
            "dataset": value_at(trained.meta, "dataset", "name"),
            "split": value_at(trained.meta, "split", "id"),
        },
    }
