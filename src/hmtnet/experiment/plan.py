"""Which stages will run, from what, under which key: known before the first one is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from hmtnet.data.folds import divide
from hmtnet.data.grades import Grades
from hmtnet.data.pairs import REFERENCE_USES
from hmtnet.errors import SettingsError, listed
from hmtnet.experiment.context import RunContext, UpstreamStage
from hmtnet.experiment.requirements import check_fields, check_references
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import Stage, identified, unweighted
from hmtnet.scoring.restore import Restored
from hmtnet.settings import in_force
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.key import TRAINING, digest_of, sources_digest


@dataclass(frozen=True)
class Planned:
    """A stage with all that decides what it will become.

    Attributes:
        stage: The stage.
        upstream: The stages it starts from, finished by the time it runs.
        key: The digest of everything that its result depends on.
        directory: Where it is kept.
        folds: What must be finished too, to judge its training images out of fold.
    """

    stage: Stage
    upstream: Mapping[str, UpstreamStage]
    key: str
    directory: RunDirectory
    folds: "tuple[Fold, ...]" = ()


@dataclass(frozen=True)
class Fold:
    """A stage on a part of the training images; those that it lacks are its context's test images.

    Attributes:
        context: The context it runs in.
        planned: The stage.
    """

    context: RunContext
    planned: Planned


def plan_chain(context: RunContext, given: Mapping[str, UpstreamStage]) -> list[Planned]:
    """Line up the stages that are asked for; all but the given ones if none are named.

    Args:
        context: What the chain shares.
        given: Finished stages from elsewhere.

    Raises:
        DataError: There are fewer training contents than folds.
        SettingsError: Nothing is left to train, a stage is given that is needed in folds, several
            processes are asked for where one solves for the weights.
        WeightsError: A file of weights that a stage starts from is not there.
    """
    settings = context.settings
    at_hand = dict(given)
    planned: list[Planned] = []
    for stage in context.system.stages:
        if stage.name not in settings.stages and (settings.stages or stage.name in given):
            continue
        fit_settings = settings.system.stages[stage.name]
        if fit_settings.closed_form and settings.trainer.devices > 1:
            raise SettingsError(
                f"Stage '{stage.name}' is solved in closed form, by one process: expected "
                f"trainer.devices=1, found {settings.trainer.devices}."
            )
        if context.datasets is not None and fit_settings.batch_size % 2:
            raise SettingsError(
                f"Several datasets are trained on in pairs of images of one dataset: expected an "
                f"even system.{stage.name}.batch_size, found {fit_settings.batch_size}."
            )
        alone = fit_settings.stands_alone
        upstream = {n: at_hand[n] for n in stage.after if n in at_hand and not alone}
        folds = _plan_folds(context, stage, planned)
        try:
            key = stage_key(context, stage, upstream, folds)
        except (ModuleNotFoundError, ValueError):
            stage.task_class()  # tells which task cannot be imported
            raise
        directory = RunDirectory.locate(
            Path(settings.runs), context.manifest.name, context.split.id, stage.name, key
        )
        at_hand[stage.name] = UpstreamStage(key, directory.path)
        planned.append(Planned(stage, upstream, key, directory, folds))
    if not planned:
        raise SettingsError("Nothing to train: upstream gives every stage of the system.")
    return planned


def _plan_folds(context: RunContext, stage: Stage, before: Sequence[Planned]) -> tuple[Fold, ...]:
    """Line up, on each part of the training contents but one, the stages that this one borrows.

    They are kept inside the run directory of the stage on all parts, and resume and are reused like
    any other.
    """
    settings = context.settings
    count = settings.system.stages[stage.name].folds
    if not count:
        return ()
    whole = {planned.stage.name: planned for planned in before}
    for name in stage.borrows:
        if name not in whole:
            raise SettingsError(
                f"system.{stage.name} asks for what '{name}' says of training images it has not "
                f"seen, so '{name}' must be trained here, {count} times more. Name it in the "
                f"chain (stages=[{name},{stage.name}]); if it is finished, it is reused."
            )
    folds = []
    for i, split in enumerate(
        divide(context.manifest, context.split, settings.split, count), start=1
    ):
        part = context.part(split)
        for name in stage.borrows:
            borrowed, upstream = whole[name].stage, whole[name].upstream
            key = stage_key(part, borrowed, upstream)
            path = whole[name].directory.path / "folds" / f"{i}of{count}-{key}"
            folds.append(Fold(part, Planned(borrowed, upstream, key, RunDirectory(path))))
    return tuple(folds)


def stage_key(
    context: RunContext,
    stage: Stage,
    upstream: Mapping[str, UpstreamStage],
    folds: Sequence[Fold] = (),
) -> str:
    """Return the digest of everything that a stage's result depends on.

    Not of paths, loader workers, logger or device: they change nothing, or nothing that matters.
    """
    settings = context.settings
    return digest_of(
        {
            # Two systems of one module may differ in what they hand to their networks alone.
            "system": context.system.name,
            "stage": stage.name,
            "settings": in_force(identified(settings.system.stages[stage.name])),
            "grades": settings.system.grades,
            "dataset": context.manifest.fingerprint,
            "split": context.split.id,
            "seed": settings.seed,
            "upstream": {name: given.key for name, given in upstream.items()},
            **({"start": context.start.digest} if context.start else {}),
            "precision": settings.trainer.precision,
            "processes": settings.trainer.devices,
            "debug": context.caps(settings.system.stages[stage.name]),
            **({"selection": "best_on_test"} if context.chosen_on_test else {}),
            **({"folds": [fold.planned.key for fold in folds]} if folds else {}),
            "sources": sources_digest(
                [*stage.modules, "hmtnet.experiment.training"],
                # What is judged out of fold is predicted, and learned from.
                parts=(*TRAINING, "experiment.predict") if folds else TRAINING,
            ),
        }
    )


def rehearse(
    context: RunContext, plan: Sequence[Planned], given: Mapping[str, UpstreamStage]
) -> None:
    """Build every network once, untrained, and throw it away; check what they need of the dataset.

    So a setting of the last stage that does not fit, or a reference image that is not there, shows
    now, not after the first stages have trained for hours.

    Raises:
        ArtifactError: A given stage cannot be restored.
        DataError: The dataset lacks what a stage learns from, or reference images.
        SettingsError: Networks cannot be built, or not upon each other, as the settings say, or a
            stage names a task that cannot be imported.
    """
    for planned in plan:
        planned.stage.task_class()
        if not planned.directory.finished:
            check_fields(context.manifest, context.split.train, context.system, planned.stage)
    restored = {name: stage.restore() for name, stage in given.items()}
    grades = shared_grades(context, restored)
    networks: dict[str, QualityNetwork] = {n: found.network for n, found in restored.items()}
    filled = []
    with torch.random.fork_rng(devices=[]):
        for planned in plan:
            stage = planned.stage
            settings = unweighted(context.settings.system.stages[stage.name])
            upstream = {name: networks[name] for name in planned.upstream}
            try:
                networks[stage.name] = stage.network(settings, context.inputs(grades, upstream, {}))
            except SettingsError as error:
                raise SettingsError(f"system.{stage.name}: {error}") from error
            if context.start is not None:
                filled.append(context.start.fill(networks[stage.name], settings))
    if any(networks[planned.stage.name].graded for planned in plan) > context.system.graded:
        raise SettingsError(
            f"System '{context.system.name}' is declared without graded=True, and one of its "
            "networks predicts grades. Declare it in its System."
        )
    if context.start is not None and not any(filled):
        raise SettingsError(
            f"start={context.start.where} holds stage '{context.start.restored.stage}', which has "
            f"nothing for {listed(planned.stage.name for planned in plan)}. Start from a stage of "
            "the same system, or name the stages to be trained (stages=[…])."
        )
    _check_references(context, [networks[planned.stage.name] for planned in plan])


def _check_references(context: RunContext, networks: Sequence[QualityNetwork]) -> None:
    """Check that the dataset has the reference images that networks need, as the system says."""
    system = context.system
    use = max((network.reference_use for network in networks), key=REFERENCE_USES.index)
    if REFERENCE_USES.index(use) > REFERENCE_USES.index(system.reference):
        raise SettingsError(
            f"System '{system.name}' is declared with reference='{system.reference}', and one of "
            f"its networks asks for reference='{use}'. Declare it in its System."
        )
    rows = context.rows_with_reference(use)
    check_references(context.manifest, rows, system.name, use)


def shared_grades(context: RunContext, restored: Mapping[str, Restored]) -> Grades:
    """Return the upstream stages' grades, since a prior speaks of those; else the split's.

    An upstream network that knows no grades may come from a dataset that is cut into others.

    Raises:
        SettingsError: Upstream stages have other grades than each other, or than are asked for.
    """
    upstream = {name: found.grades for name, found in restored.items() if found.network.graded}
    wanted = context.settings.system.grades.count
    for name, grades in upstream.items():
        if grades.count != wanted:
            raise SettingsError(
                f"Stage '{name}' was trained with {grades.count} grades, and system.grades.count "
                f"is {wanted}. Make them equal, or train that stage anew."
            )
    different = set(upstream.values())
    if len(different) > 1:
        raise SettingsError(
            f"The stages {', '.join(upstream)} were trained with grades of different edges, so one "
            "cannot guide the other. Give artifacts of one chain, or train them anew."
        )
    return different.pop() if different else context.training_grades()
