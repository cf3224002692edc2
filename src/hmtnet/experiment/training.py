"""The training of one stage: made ready, trained, and its artifact and predictions left."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import yaml

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.artifact.predictions import Predictions
from hmtnet.artifact.scenes import Greys, read_scenes, write_scenes
from hmtnet.data.datamodule import QualityData
from hmtnet.data.grades import Grades
from hmtnet.errors import HmtnetError, explained
from hmtnet.experiment.callbacks import Watched
from hmtnet.experiment.checkpoints import Candidate, newest, set_damaged_aside
from hmtnet.experiment.conditions import conditions, record
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.describe import describe
from hmtnet.experiment.devices import device_of, uncompiled
from hmtnet.experiment.fitting import fit
from hmtnet.experiment.initial_candidate import start_of
from hmtnet.experiment.loggers.maps import MapsOfValidation
from hmtnet.experiment.loggers.stage_log import StageLog
from hmtnet.experiment.out_of_fold import out_of_fold
from hmtnet.experiment.plan import Planned, shared_grades
from hmtnet.experiment.predict import predict
from hmtnet.experiment.progress import StageProgress, title_of
from hmtnet.experiment.settings import composed
from hmtnet.files import clear_partial, write_text
from hmtnet.metrics import accuracy, srcc
from hmtnet.metrics.groups import mean_over_datasets
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.task import QualityTask
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status

log = logging.getLogger(__name__)


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


def make_ready(context: RunContext, planned: Planned) -> Ready:
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
    if context.start is not None:
        context.start.fill(network, fit_settings)
    # Restored upstream networks come in evaluation mode, and Lightning leaves modes as they are.
    task = stage.make_task(network.train(), fit_settings, inputs)
    return Ready(network, task, context.data(fit_settings, network, grades), grades)


def train(
    context: RunContext, planned: Planned, ready: Ready, logger: StageLog | None = None
) -> None:
    """Train; whatever goes wrong is written into the run's status before it is passed on."""
    directory = planned.directory
    clear_partial(directory.path)
    set_damaged_aside(directory.checkpoints, planned.key)
    resumes = newest(directory.checkpoints) is not None
    status = begin(context, planned)
    write_text(directory.settings, yaml.safe_dump(composed(context.settings), sort_keys=False))
    verb = "resuming" if resumes else "training"
    log.info("%s: %s %s", planned.stage.name, verb, directory.path)
    try:
        run_status.write(directory.status, status)
        record(directory.conditions, status.epoch, conditions(context.settings.trainer))
        # A resumed stage was judged when it began.
        start = None if resumes else start_of(context, ready.network, ready.data, ready.grades)
        started = time.perf_counter()
        chosen = fit_stage(context, planned, ready, status, logger, start)
        seconds = round(time.perf_counter() - started, 2)
        ended = run_status.read(directory.status) or status  # early, if the settings say so
        # A resumed stage was timed from where it resumed.
        cost = {"seconds": seconds, "epochs_timed": ended.epoch - status.epoch}
        kept_start = chosen.epoch == 0
        if kept_start:
            log.info("%s: no epoch beat its start, which is kept", planned.stage.name)
        ready.network.load_state_dict(chosen.state)
        objective = _leave_artifact(context, planned, ready, cost, kept_start)
        done = ended.then(state="finished", objective=objective)
        run_status.write(directory.status, done)
    except (Exception, KeyboardInterrupt) as error:
        _write_ending(directory, status, error)
        raise


def _write_ending(directory: RunDirectory, status: Status, error: BaseException) -> None:
    """Write down why a stage has not been finished; a disk that takes nothing more is no reason."""
    reached = run_status.read(directory.status) or status
    known = explained(error) or error
    if isinstance(error, KeyboardInterrupt):
        ending = reached.then(state="interrupted", message=str(error) or "stopped by Ctrl-C")
    else:
        ending = reached.then(state="failed", message=f"{type(known).__name__}: {known}")
    try:
        run_status.write(directory.status, ending)
    except HmtnetError as unwritten:
        log.warning("%s", unwritten)


def begin(context: RunContext, planned: Planned) -> Status:
    """Return the status of a stage that begins, or resumes after its last completed epoch."""
    planned_epochs = context.settings.system.stages[planned.stage.name].epochs
    epochs = min(planned_epochs, context.settings.trainer.debug.epochs or planned_epochs)
    resumed = newest(planned.directory.checkpoints)
    return Status.begin(planned.stage.name, planned.key, epochs, resumed.epoch if resumed else 0)


def fit_stage(
    context: RunContext,
    planned: Planned,
    ready: Ready,
    status: Status,
    logger: StageLog | None = None,
    start: Candidate | None = None,
) -> Candidate:
    """Let Lightning train a stage to its last epoch, and return the best one."""
    settings = context.settings
    watching = [] if logger is None else [MapsOfValidation(logger, context)]
    return fit(
        ready.task,
        ready.data,
        planned.directory,
        status,
        settings.trainer,
        logger,
        start,
        before=[StageProgress(title_of(context, planned)), *watching],
        after=[] if context.watch is None else [Watched(planned.stage.name, context.watch)],
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
    agreement = mean_over_datasets(srcc, validation.score, validation.mos, validation.dataset)
    meta["val_srcc"] = _known(agreement)
    meta["grade_accuracy"] = _grade_accuracy(found)
    if kept_start:  # then this stage is the one before
        meta["kept_start"] = True
    meta["cost"] = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "trained_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        **cost,
        "device": str(device),
    }
    write_scenes(directory.path, _scenes(context, planned))
    store.save(directory.path, network.own_state(), meta)
    objective: float | None = meta["val_srcc"]
    return objective


def _scenes(context: RunContext, planned: Planned) -> dict[str, Greys]:
    """Return what the stage, and those that it starts from, have seen, as tiny pictures.

    By the dataset's fingerprint: within one dataset, keys of content tell what shows the same.
    """
    folders = [given.path for given in planned.upstream.values()]
    if context.start is not None:
        folders.append(context.start.restored.folder)
    found = {context.manifest.fingerprint: context.scenes}
    for folder in folders:
        for name, greys in read_scenes(folder).items():
            found[name] = np.concatenate([found[name], greys]) if name in found else greys
    return found


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
