"""One stage: reuse it, resume it or train it, and leave its artifact and predictions.

What trains is imported where it is needed: a chain that is finished does without Lightning, which
takes longer to import than all else together.
"""

import logging
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.artifact.description import amend_description, check_files, value_at
from hmtnet.artifact.digests import PREDICTIONS_FILE, SCENES_FILE, WEIGHTS_FILE
from hmtnet.artifact.predictions import Predictions
from hmtnet.data.split import SUBSETS, Subset
from hmtnet.experiment.conditions import conditions, differences
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.describe import describe_predictions
from hmtnet.experiment.devices import device_of
from hmtnet.experiment.held import held_predictions
from hmtnet.experiment.plan import Planned
from hmtnet.experiment.predict import predict
from hmtnet.experiment.processes import is_helper, joins, wait_for_leader
from hmtnet.experiment.thumbnails import write_thumbnails
from hmtnet.files import clear_partial, written_aside
from hmtnet.scoring.restore import restore
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.lock import locked

if TYPE_CHECKING:
    from hmtnet.experiment.loggers.stage_log import StageLog

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
        differs: In what the conditions of a reused stage's training differ from those here.
    """

    stage: str
    key: str
    directory: RunDirectory
    reused: bool
    objective: float | None
    differs: str = ""


def run_stage(context: RunContext, planned: Planned, chain: str) -> StageResult:
    """Run one stage, or find that it has been run.

    A finished key is reused; an interrupted one resumes at the end of its last epoch; if another
    process is training the same key, this one waits and then reuses. Bad input is found before
    anything is written.

    Args:
        context: What the chain shares.
        planned: Which stage, from what, and where.
        chain: What the chain is called where it is logged.
    """
    name, directory = planned.stage.name, planned.directory
    if is_helper(context.settings.trainer):
        return _help(context, planned)

    def waiting() -> None:
        log.info("%s: another process trains %s; waiting for it", name, directory.path)

    ready = None
    if not directory.finished:
        from hmtnet.experiment.training import make_ready

        ready = make_ready(context, planned)
    held = locked(directory.path, waiting, only_read=directory.finished)
    with held, _logged(context, planned, chain) as logged:
        reused = directory.finished
        if reused:
            verified = check_files(directory.path, [WEIGHTS_FILE, SCENES_FILE])
            unknown = "" if verified else " (unverified: an older hmtnet recorded no digests)"
            log.info("%s: reused %s%s", name, directory.path, unknown)
        else:
            from hmtnet.experiment.training import make_ready, train

            ready = ready or make_ready(context, planned)
            if logged is not None:
                logged.open()
            train(context, planned, ready, logged)
        # A finished run is never resumed: what is left of it is the artifact.
        shutil.rmtree(directory.checkpoints, ignore_errors=True)
        _predict_missing(context, planned)
        meta = store.read_meta(directory.path)
        _tell_gap(meta)
        if logged is not None:
            logged.result(context, prediction_files.read(directory.predictions))
        found = value_at(meta, "val_srcc")
        objective = found if isinstance(found, float) else None
        if run_status.read(directory.status) is None:  # lost, and the artifact is whole
            from hmtnet.experiment.training import begin

            status = begin(context, planned)
            done = status.then(state="finished", epoch=status.epochs, objective=objective)
            run_status.write(directory.status, done)
    here = conditions(context.settings.trainer)
    differs = differences(value_at(meta, "conditions"), here) if reused else ""
    return StageResult(name, planned.key, directory, reused, objective, differs)


def _help(context: RunContext, planned: Planned) -> StageResult:
    """Train a stage beside the process that leads, unless it is finished."""
    directory = planned.directory
    joined = joins(directory)
    if joined:
        from hmtnet.experiment.training import begin, fit_stage, make_ready

        fit_stage(context, planned, make_ready(context, planned), begin(context, planned))
        wait_for_leader(directory)
    return StageResult(planned.stage.name, planned.key, directory, not joined, None)


def _logged(
    context: RunContext, planned: Planned, chain: str
) -> "AbstractContextManager[StageLog | None]":
    """Return the stage's log; of nothing where its files are all that is wanted."""
    if context.settings.logger.name == "csv":
        return nullcontext()
    from hmtnet.experiment.loggers.stage_log import stage_log

    return stage_log(context, planned, chain)


def _predict_missing(context: RunContext, planned: Planned) -> None:
    """Predict the subsets that are asked for and have no predictions by today's code.

    That is the test subset, since training does not read it, and all of them if the file has been
    removed or changed, more is asked for than when the stage was trained, or predictions are made
    otherwise than they were then.
    """
    settings, directory = context.settings, planned.directory
    batches = settings.trainer.debug.batches
    batch_size = settings.system.stages[planned.stage.name].batch_size
    made_by = describe_predictions(planned.stage)
    held = held_predictions(
        directory, context.split, made_by, None if batches is None else batches * batch_size
    )
    wanted: set[Subset] = {"val", *held.outdated}
    wanted |= {"train"} if settings.evaluate.train else set()
    wanted |= {"test"} if settings.evaluate.test else set()
    wanted -= held.parts.keys()
    # A final fit has no test images.
    missing = [name for name in SUBSETS if name in wanted and context.split.subsets[name]]
    if not missing:
        return
    clear_partial(directory.path)
    found = restore(directory.path)
    if "test" in missing:
        write_thumbnails(directory, context.manifest, context.store, context.split.test)
    new = predict(
        found.network,
        context.data(found.settings, found.network, found.grades),
        context.manifest,
        found.grades,
        missing,
        device_of(settings.trainer),
        batches,
    )
    with written_aside(directory.predictions) as aside:
        prediction_files.write(aside, Predictions.concatenate([*held.parts.values(), new]))
        # Killed between the two, it has no predictions, rather than others than it describes.
        directory.predictions.unlink(missing_ok=True)
        amend_description(directory.path, {"predictions": made_by}, {PREDICTIONS_FILE: aside})


def _tell_gap(meta: Mapping[str, Any]) -> None:
    """Say how much better grades are known on training images than on others."""
    train, val = (value_at(meta, "grade_accuracy", subset) for subset in ("train", "val"))
    if isinstance(train, float) and isinstance(val, float):
        log.info(
            "%s: grade accuracy %.1f %% on training images, %.1f %% on validation images",
            *(meta["stage"], 100 * train, 100 * val),
        )
