"""One stage: reuse it, resume it or train it, and leave its artifact and predictions."""

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import yaml

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.artifact.predictions import Predictions
from hmtnet.data.datamodule import QualityData, Subset
from hmtnet.data.grades import Grades
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.describe import describe
from hmtnet.experiment.fitting import device_of, fit, uncompiled
from hmtnet.experiment.initial_candidate import chosen_state, start_of
from hmtnet.experiment.out_of_fold import out_of_fold
from hmtnet.experiment.plan import Planned, shared_grades
from hmtnet.experiment.predict import predict
from hmtnet.experiment.processes import is_helper, wait_for_leader
from hmtnet.experiment.settings import composed
from hmtnet.experiment.thumbnails import write_thumbnails
from hmtnet.files import write_text
from hmtnet.metrics import accuracy, srcc
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.task import QualityTask
from hmtnet.scoring.restore import restore
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.lock import locked
from hmtnet.storage.status import Status

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


@dataclass(frozen=True)
class Ready:
    """A stage that only needs to be trained: whatever bad input can spoil has been tried.

    Attributes:
        network: Its network, with initial or loaded weights.
        task: What trains it.
        data: The images, decoded.
        grades: The grades.
    """

    network: QualityNetwork
    task: QualityTask
    data: QualityData
    grades: Grades


def run_stage(context: RunContext, planned: Planned) -> StageResult:
    """Run one stage, or find that it has been run.

    A finished key is reused; an interrupted one resumes at the end of its last epoch; if another
    process is training the same key, this one waits and then reuses. Bad input is found before
    anything is written.

    Args:
        context: What the chain shares.
        planned: Which stage, from what, and where.
    """
    name, directory = planned.stage.name, planned.directory

    def waiting() -> None:
        log.info("%s: another process trains %s; waiting for it", name, directory.path)

    ready = None if directory.finished else _make_ready(context, planned)
    if is_helper(context.settings.trainer):
        if ready is not None:
            _fit(context, planned, ready, _begin(context, planned))
            wait_for_leader(directory)
        return StageResult(name, planned.key, directory, ready is None, None)
    with locked(directory.path, waiting):
        reused = directory.finished
        if reused:
            log.info("%s: reused %s", name, directory.path)
        else:
            _train(context, planned, ready or _make_ready(context, planned))
        # A finished run is never resumed: what is left of it is the artifact.
        shutil.rmtree(directory.checkpoints, ignore_errors=True)
        _predict_missing(context, directory)
        meta = store.read_meta(directory.path)
        _tell_gap(meta)
    return StageResult(name, planned.key, directory, reused, meta["val_srcc"])


def _make_ready(context: RunContext, planned: Planned) -> Ready:
    """Decode the images, restore what is upstream, and make network and task."""
    settings, stage = context.settings, planned.stage
    fit_settings = settings.system.stages[stage.name]
    restored = {name: given.restore() for name, given in planned.upstream.items()}
    grades = shared_grades(context, restored)
    upstream = {name: found.network for name, found in restored.items()}
    inputs = context.inputs(grades, upstream, out_of_fold(planned.folds))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = stage.network(fit_settings, inputs)
    # Restored upstream networks come in evaluation mode, and Lightning leaves modes as they are.
    task = stage.make_task(network.train(), fit_settings, inputs)
    return Ready(network, task, context.data(fit_settings, network), grades)


def _train(context: RunContext, planned: Planned, ready: Ready) -> None:
    """Train; whatever goes wrong is written into the run's status before it is passed on."""
    directory = planned.directory
    for leftover in directory.path.glob(".*-*"):
        leftover.unlink()  # of a process that was killed while it wrote a file
    status = _begin(context, planned)
    write_text(directory.settings, yaml.safe_dump(composed(context.settings), sort_keys=False))
    run_status.write(directory.status, status)
    verb = "resuming" if directory.last_checkpoint.exists() else "training"
    log.info("%s: %s %s", planned.stage.name, verb, directory.path)
    try:
        start = start_of(context, ready.network, ready.data, ready.grades, directory)
        started = time.perf_counter()
        _fit(context, planned, ready, status)
        seconds = round(time.perf_counter() - started, 2)
        # A resumed stage was timed from where it resumed.
        cost = {"seconds": seconds, "epochs_timed": status.epochs - status.epoch}
        chosen = chosen_state(directory, start)
        kept_start = start is not None and chosen is start.state
        if kept_start:
            log.info("%s: no epoch beat its start, which is kept", planned.stage.name)
        ready.network.load_state_dict(chosen)
        objective = _leave_artifact(context, planned, ready, cost, kept_start)
        done = status.then(state="finished", epoch=status.epochs, objective=objective)
        run_status.write(directory.status, done)
    except Exception as error:
        reached = run_status.read(directory.status) or status
        message = f"{type(error).__name__}: {error}"
        run_status.write(directory.status, reached.then(state="failed", message=message))
        raise


def _begin(context: RunContext, planned: Planned) -> Status:
    """Return the status of a stage that begins, or resumes after its last completed epoch."""
    planned_epochs = context.settings.system.stages[planned.stage.name].epochs
    epochs = min(planned_epochs, context.settings.trainer.debug.epochs or planned_epochs)
    before = run_status.read(planned.directory.status)
    resumes = before is not None and planned.directory.last_checkpoint.exists()
    return Status.begin(
        planned.stage.name, planned.key, epochs, before.epoch if before and resumes else 0
    )


def _fit(context: RunContext, planned: Planned, ready: Ready, status: Status) -> None:
    settings = context.settings
    fit(
        ready.task,
        ready.data,
        planned.directory,
        status,
        settings.trainer,
        settings.logger,
        status.epochs,
    )


def _leave_artifact(
    context: RunContext, planned: Planned, ready: Ready, cost: Mapping[str, float], kept_start: bool
) -> float | None:
    """Predict, write predictions and artifact, and return the validation SRCC."""
    settings, directory, network = context.settings, planned.directory, ready.network
    device = device_of(settings.trainer)
    with uncompiled(settings.trainer):
        found = predict(
            network,
            ready.data,
            context.manifest,
            ready.grades,
            ("train", "val") if settings.evaluate.train else ("val",),
            device,
            settings.trainer.debug.batches,
        )
    prediction_files.write(directory.predictions, found)
    validation = found.select("val")
    meta = describe(context, planned, ready.grades, network)
    meta["val_srcc"] = _known(srcc(validation.score, validation.mos))
    meta["grade_accuracy"] = _grade_accuracy(found)
    if kept_start:  # then this stage is the one before
        meta["kept_start"] = True
    meta["cost"] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "trained_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        **cost,
        "device": str(device),
    }
    store.save(directory.path, network.own_state(), meta)
    objective: float | None = meta["val_srcc"]
    return objective


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


def _predict_missing(context: RunContext, directory: RunDirectory) -> None:
    """Predict the subsets that are asked for and have no predictions.

    That is the test subset, since training does not read it, and all of them if the file has been
    removed, or more is asked for than when the stage was trained.
    """
    settings = context.settings
    wanted: list[Subset] = ["train", "val"] if settings.evaluate.train else ["val"]
    if settings.evaluate.test:
        wanted.append("test")
    parts = []
    if directory.predictions.exists():
        parts.append(prediction_files.read(directory.predictions))
    missing = [
        name
        for name in wanted
        # A final fit has no test images.
        if context.split.subsets[name] and not any(name in part.subsets for part in parts)
    ]
    if not missing:
        return
    found = restore(directory.path)
    if "test" in missing:
        write_thumbnails(directory, context.manifest, context.store, context.split.test)
    parts.append(
        predict(
            found.network,
            context.data(found.settings, found.network),
            context.manifest,
            found.grades,
            missing,
            device_of(settings.trainer),
            settings.trainer.debug.batches,
        )
    )
    prediction_files.write(directory.predictions, Predictions.concatenate(parts))


def _tell_gap(meta: Mapping[str, Any]) -> None:
    """Say how much better grades are known on training images than on others."""
    found = meta["grade_accuracy"]
    if found is not None and "train" in found:
        log.info(
            "%s: grade accuracy %.1f %% on training images, %.1f %% on validation images",
            meta["stage"],
            100 * found["train"],
            100 * found["val"],
        )
