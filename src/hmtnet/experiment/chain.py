"""A chain of stages over one dataset and split, each starting from the ones before."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hmtnet.artifact import store
from hmtnet.artifact.description import check_files, need
from hmtnet.artifact.digests import SCENES_FILE, WEIGHTS_FILE
from hmtnet.artifact.shipped import find_model
from hmtnet.data.dominance import tell_dominating
from hmtnet.data.join import join
from hmtnet.data.manifest import Manifest
from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.data.split import Split
from hmtnet.errors import ArtifactError, DataError, SettingsError, listed
from hmtnet.experiment import leaks
from hmtnet.experiment.context import RunContext, UpstreamStage, Watch
from hmtnet.experiment.devices import check_device, threads
from hmtnet.experiment.loggers.card import chain_name
from hmtnet.experiment.plan import Planned, plan_chain, rehearse
from hmtnet.experiment.requirements import check_datasets
from hmtnet.experiment.settings import TrainSettings
from hmtnet.experiment.stage import StageResult, run_stage
from hmtnet.experiment.warm_start import WarmStart
from hmtnet.models.system import System
from hmtnet.scoring.restore import restore


@dataclass(frozen=True)
class ChainResult:
    """What a chain has left.

    Attributes:
        manifest: The dataset.
        split: The split.
        stages: The finished stages, in order.
    """

    manifest: Manifest
    split: Split
    stages: Sequence[StageResult]


def run_chain(settings: TrainSettings, system: System, watch: Watch | None = None) -> ChainResult:
    """Read the dataset, split it, check for leaks, and run the stages in order.

    Args:
        settings: The command's settings.
        system: The system.
        watch: Told of every epoch that is trained; what it raises ends the training.

    Raises:
        DataError: The dataset is at fault.
        LeakError: Validation or test content would be seen in training, here or upstream.
        ArtifactError: An upstream artifact is missing or does not fit.
        SettingsError: The stages cannot be chained as asked, or the hardware is not there.
        WeightsError: Pretrained weights cannot be reached.
    """
    check_device(settings.trainer)
    manifest = read(settings.data)
    if settings.other is not None:
        manifest = join(manifest, read(settings.other))
    split = make(manifest, settings.split)
    tell_dominating(manifest, split)
    if not split.train or not split.val:
        raise DataError(
            f"Split '{split.id}' names no images to train or to choose the epoch on. Use another."
        )
    check_datasets(manifest, split)
    leaks.check_split(manifest, split)
    if settings.evaluate.selection == "best_on_test" and not split.test:
        raise SettingsError(
            f"evaluate.selection=best_on_test: split={split.protocol} has no test images."
        )
    with threads(settings.trainer.threads):
        context = _started(RunContext(settings, system, manifest, split, watch=watch))
        given = _given(context)
        plan = plan_chain(context, given)
        _check_folds(context, plan)
        if not all(planned.directory.finished for planned in plan):
            _prepare(context, plan, given)
        name = chain_name(context, plan[-1])
        return ChainResult(manifest, split, [_run(context, planned, name) for planned in plan])


def _prepare(
    context: RunContext, plan: Sequence[Planned], given: Mapping[str, UpstreamStage]
) -> None:
    """Try what a training needs, before the first one begins."""
    from hmtnet.experiment.fitting import check_hardware

    check_hardware(context.settings.trainer)
    rehearse(context, plan, given)


def _run(context: RunContext, planned: Planned, chain: str) -> StageResult:
    """Run one stage, and before it, unless it is finished, the folds that it needs."""
    if not planned.directory.finished:
        for fold in planned.folds:
            run_stage(fold.context, fold.planned, chain)
    return run_stage(context, planned, chain)


def _started(context: RunContext) -> RunContext:
    """Add the finished stage whose weights the chain begins with, if one is named."""
    told = context.settings.start
    if told is None:
        return context
    path = find_model(told)
    _check_unseen(
        context, "The stage to start from (start)", path, _described(f"start={told}", path)
    )
    start = WarmStart(told, restore(path))
    start.check_grades(context.settings.system.grades.count)
    return replace(context, start=start)


def _check_folds(context: RunContext, plan: Sequence[Planned]) -> None:
    """Refuse to begin folds with what has seen the images that they hold out."""
    folds = [fold for planned in plan for fold in planned.folds]
    if not folds:
        return
    sources = {
        f"Upstream stage '{name}' of folds": given.path
        for fold in folds
        for name, given in fold.planned.upstream.items()
    }
    if context.start is not None:
        sources["The stage to start from (start)"] = context.start.restored.folder
    for what, path in sources.items():
        seen = leaks.Seen.from_json(_described(what, path)["seen"])
        leaks.check_held_out(what, path, seen, context.manifest, context.split)


def _given(context: RunContext) -> dict[str, UpstreamStage]:
    """Accept finished stages from elsewhere, each with those that it was trained on.

    A stage brings its own upstream stages along, unless they are given, or to be trained, here.
    """
    settings = context.settings
    found = {
        name: _accept(context, name, find_model(told)) for name, told in settings.upstream.items()
    }
    for given in list(found.values()):
        meta = store.read_meta(given.path)
        for name in need(given.path, meta, dict, "upstream"):
            if name not in found and name not in settings.stages:
                path = given.path / need(given.path, meta, str, "upstream", name, "path")
                found[name] = _accept(context, name, Path(os.path.normpath(path)))
    return found


def _accept(context: RunContext, name: str, path: Path) -> UpstreamStage:
    """Accept a finished stage, unless it has seen what is to be judged here."""
    meta = _described(f"upstream.{name}", path)
    if meta["stage"] != name:
        raise ArtifactError(
            f"upstream.{name}: {path} holds stage '{meta['stage']}'. Give the run directory of "
            f"a finished '{name}' stage."
        )
    _check_unseen(context, f"Upstream stage '{name}'", path, meta)
    return UpstreamStage(need(path, meta, str, "key"), path)


def _described(setting: str, path: Path) -> dict[str, Any]:
    """Read what a finished stage says of itself, if it says enough."""
    meta = store.read_meta(path)
    lacking = [part for part in ("stage", "key", "seen", "upstream") if part not in meta]
    if lacking:
        raise ArtifactError(
            f"{setting}: {path / store.META_FILE} lacks {listed(lacking)}, so what that "
            "stage has seen is not known. Train it anew."
        )
    check_files(path, [WEIGHTS_FILE, SCENES_FILE])
    return meta


def _check_unseen(context: RunContext, what: str, path: Path, meta: Mapping[str, Any]) -> None:
    """Refuse a finished stage that has seen what is to be judged here."""
    seen = leaks.Seen.from_json(meta["seen"])
    leaks.check_upstream(what, seen, context.manifest, context.split)
    leaks.check_look_alikes(what, path, seen, context.manifest, context.split)
