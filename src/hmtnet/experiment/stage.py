"""One stage: reuse it, resume it or train it, and leave its artifact and predictions."""

import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.artifact.predictions import Predictions
from hmtnet.data.datamodule import Subset
from hmtnet.data.grades import Grades
from hmtnet.errors import HmtnetError, SettingsError
from hmtnet.experiment.describe import describe
from hmtnet.experiment.fitting import device_of, fit
from hmtnet.experiment.predict import predict
from hmtnet.experiment.scene import Scene, UpstreamStage
from hmtnet.experiment.settings import TrainSettings
from hmtnet.files import write_text
from hmtnet.metrics import accuracy, srcc
from hmtnet.models.system import Ingredients, Stage, identified
from hmtnet.runs import status as run_status
from hmtnet.runs.directory import RunDirectory
from hmtnet.runs.key import digest_of, sources_digest
from hmtnet.runs.lock import locked
from hmtnet.runs.status import Status
from hmtnet.scoring.restore import Restored, restore
from hmtnet.settings import plain

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageResult:
    """A finished stage.

    Attributes:
        stage: Its name.
        key: Its key.
        directory: Its run directory.
        reused: Whether it had been finished before.
        objective: Validation SRCC of the chosen epoch; None where it is undefined.
    """

    stage: str
    key: str
    directory: RunDirectory
    reused: bool
    objective: float | None


def stage_key(scene: Scene, stage: Stage, upstream: Mapping[str, UpstreamStage]) -> str:
    """Return the digest of everything that a stage's result depends on.

    Not of paths, loader workers, logger or device: they change nothing, or nothing that matters.
    """
    settings = scene.settings
    return digest_of(
        {
            "stage": stage.name,
            "settings": identified(settings.system.stages[stage.name]),
            "grades": settings.system.grades,
            "dataset": scene.manifest.fingerprint,
            "split": scene.split.id,
            "seed": settings.seed,
            "upstream": {name: given.key for name, given in upstream.items()},
            "precision": settings.trainer.precision,
            "processes": settings.trainer.devices,
            "debug": settings.trainer.debug,
            "sources": sources_digest(
                [stage.network.__module__, stage.task.__module__, "hmtnet.data.datamodule"]
            ),
        }
    )


def run_stage(scene: Scene, stage: Stage, upstream: Mapping[str, UpstreamStage]) -> StageResult:
    """Run one stage, or find that it has been run.

    A finished key is reused; an interrupted one resumes at the end of its last epoch; if another
    process is training the same key, this one waits and then reuses.

    Args:
        scene: What the chain shares.
        stage: Which stage.
        upstream: The finished stages it starts from.
    """
    settings = scene.settings
    key = stage_key(scene, stage, upstream)
    directory = RunDirectory.locate(
        Path(settings.runs), scene.manifest.name, scene.split.id, stage.name, key
    )

    def waiting() -> None:
        log.info("%s: another process trains %s; waiting for it", stage.name, directory.path)

    if is_helper_process():
        _train_beside(scene, stage, upstream, key, directory)
        return StageResult(stage.name, key, directory, False, None)
    with locked(directory.path, waiting):
        reused = directory.finished
        if not reused:
            _train_or_fail(scene, stage, upstream, key, directory)
        _predict_missing(scene, directory)
        objective = _objective(directory)
        if reused:
            log.info("%s: reused %s", stage.name, directory.path)
        _tell_gap(directory)
    return StageResult(stage.name, key, directory, reused, objective)


def is_helper_process() -> bool:
    """Whether Lightning started this process to train beside another one."""
    return any(int(os.environ.get(name, "0")) > 0 for name in ("LOCAL_RANK", "NODE_RANK"))


def _train_beside(
    scene: Scene,
    stage: Stage,
    upstream: Mapping[str, UpstreamStage],
    key: str,
    directory: RunDirectory,
) -> None:
    """Join the training of the process that holds the lock, and wait for what it leaves."""
    if directory.finished:
        return
    _train(scene, stage, upstream, key, directory)
    while not directory.finished:
        found = run_status.read(directory.status)
        if found is not None and found.state == "failed":
            raise HmtnetError(f"Stage '{stage.name}' failed in the leading process.")
        time.sleep(0.2)


def _train_or_fail(
    scene: Scene,
    stage: Stage,
    upstream: Mapping[str, UpstreamStage],
    key: str,
    directory: RunDirectory,
) -> None:
    """Train; whatever goes wrong is written into the run's status before it is passed on."""
    try:
        _train(scene, stage, upstream, key, directory)
    except Exception as error:
        found = run_status.read(directory.status)
        if found is not None:
            message = f"{type(error).__name__}: {error}"
            run_status.write(directory.status, found.then(state="failed", message=message))
        raise


def _train(
    scene: Scene,
    stage: Stage,
    upstream: Mapping[str, UpstreamStage],
    key: str,
    directory: RunDirectory,
) -> None:
    settings = scene.settings
    fit_settings = settings.system.stages[stage.name]
    caps = settings.trainer.debug
    epochs = min(fit_settings.epochs, caps.epochs or fit_settings.epochs)
    restored = {name: given.restore() for name, given in upstream.items()}
    grades = _grades(scene, restored)
    given = Ingredients(
        grades, {name: found.network for name, found in restored.items()}, scene.method_keys
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = stage.network(fit_settings, given)
    # Restored upstream networks come in evaluation mode, and Lightning leaves modes as they are.
    task = stage.task(network.train(), fit_settings, given)
    data = scene.data(fit_settings, network)

    status = Status.begin(stage.name, key, epochs)
    directory.path.mkdir(parents=True, exist_ok=True)
    resumes = directory.last_checkpoint.exists()
    log.info("%s: %s %s", stage.name, "resuming" if resumes else "training", directory.path)
    if not is_helper_process():
        _write_settings(directory, settings)
        run_status.write(directory.status, status)
    started = time.perf_counter()
    state = fit(task, data, directory, status, settings.trainer, settings.logger, epochs)
    if is_helper_process():
        return
    network.load_state_dict(state)
    seconds = time.perf_counter() - started
    device = device_of(settings.trainer)
    subsets: tuple[Subset, ...] = ("train", "val")
    found = predict(network, data, scene.manifest, grades, subsets, device, caps.batches)
    prediction_files.write(directory.predictions, found)
    validation = found.select("val")
    objective = _known(srcc(validation.score, validation.mos))
    meta = describe(scene, stage, key, upstream, grades, directory)
    meta["val_srcc"] = objective
    meta["grade_accuracy"] = _grade_accuracy(found)
    meta["cost"] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "trained_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "seconds": round(seconds, 2),
        "device": str(device),
    }
    store.save(directory.path, network.own_state(), meta)
    done = status.then(state="finished", epoch=epochs, objective=objective)
    run_status.write(directory.status, done)
    # A finished run is never resumed: what is left of it is the artifact.
    shutil.rmtree(directory.checkpoints, ignore_errors=True)


def _known(value: float) -> float | None:
    """Return a number that JSON can hold: None where it is undefined."""
    return float(value) if np.isfinite(value) else None


def _grade_accuracy(found: Predictions) -> dict[str, float] | None:
    """Return the grade accuracy by subset; the gap tells how over-confident the prior is."""
    if (found.grade < 0).any():
        return None
    return {
        subset: float(accuracy(rows.true_grade, rows.grade))
        for subset in found.subsets
        for rows in (found.select(subset),)
    }


def _grades(scene: Scene, upstream: Mapping[str, Restored]) -> Grades:
    """Return the upstream grading's grades, since its prior speaks of those; else the split's."""
    wanted = scene.settings.system.grades.count
    for found in upstream.values():
        if found.grades.count != wanted:
            raise SettingsError(
                f"Stage '{found.stage}' was trained with {found.grades.count} grades, and "
                f"system.grades.count is {wanted}. Make them equal, or train that stage anew."
            )
        return found.grades
    return scene.training_grades()


def _write_settings(directory: RunDirectory, settings: TrainSettings) -> None:
    write_text(directory.settings, yaml.safe_dump(plain(settings), sort_keys=False))


def _predict_missing(scene: Scene, directory: RunDirectory) -> None:
    """Predict the test images if they are asked for and have not been predicted."""
    settings = scene.settings
    have = prediction_files.read(directory.predictions)
    if not settings.evaluate.test or "test" in have.subsets or not scene.split.test:
        return
    found = restore(directory.path)
    test = predict(
        found.network,
        scene.data(found.settings, found.network),
        scene.manifest,
        found.grades,
        ("test",),
        device_of(settings.trainer),
        settings.trainer.debug.batches,
    )
    prediction_files.write(directory.predictions, Predictions.concatenate([have, test]))


def _tell_gap(directory: RunDirectory) -> None:
    """Say how much better grades are known on training images than on others."""
    meta = store.read_meta(directory.path)
    found = meta["grade_accuracy"]
    if found is not None:
        log.info(
            "%s: grade accuracy %.1f %% on training images, %.1f %% on validation images",
            meta["stage"],
            100 * found["train"],
            100 * found["val"],
        )


def _objective(directory: RunDirectory) -> float | None:
    found = run_status.read(directory.status)
    return None if found is None else found.objective
