"""What a stage says about itself."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hmtnet.artifact import store
from hmtnet.artifact.calibration import LEARNED_FROM
from hmtnet.data.grades import Grades
from hmtnet.data.join import Together
from hmtnet.data.labels import Labels
from hmtnet.data.pairs import ReferenceUse
from hmtnet.data.split import Split
from hmtnet.experiment import leaks
from hmtnet.experiment.conditions import recorded
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.devices import device_of, uncompiled
from hmtnet.experiment.machine import device_name, versions
from hmtnet.experiment.plan import Planned
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import Stage, added_systems, identified, package_of
from hmtnet.scoring.cost import cost_of
from hmtnet.scoring.familiar import measured
from hmtnet.settings import plain
from hmtnet.storage.key import PREDICTING, sources_digest

log = logging.getLogger(__name__)

_MEASURED = 200  # training images at least, or all: enough for the ranges of simple statistics


def describe(
    context: RunContext, planned: Planned, grades: Grades, network: QualityNetwork
) -> dict[str, Any]:
    """Describe a stage completely enough to rebuild, judge and cite it: its ``stage.json``.

    Args:
        context: What the chain shares.
        planned: The stage.
        grades: Its grades.
        network: Its network, in evaluation mode on the trainer's device. One that reads labels
            predicts a bound, and one that looks at reference images has learned from them; so has
            any stage that starts from it.
    """
    settings, manifest, split = context.settings, context.manifest, context.split
    stage, upstream = planned.stage, planned.upstream
    before = [store.read_meta(given.path) for given in upstream.values()]
    if context.start is not None:
        before.append(context.start.restored.meta)
    caps = context.caps(settings.system.stages[stage.name])
    return {
        "system": context.system.name,
        **describe_package(context.system.name),
        "stage": stage.name,
        "key": planned.key,
        "settings": plain(identified(settings.system.stages[stage.name])),
        "grades": {
            "edges_unit": list(grades.edges),
            "edges": list(grades.in_unit_of(manifest)),
            "rule": settings.system.grades.rule,
        },
        "dataset": describe_dataset(manifest),
        "split": describe_split(split),
        "selection": settings.evaluate.selection,
        "reference": _reference_use(network, before),
        "oracle": network.reads_labels or any(meta.get("oracle", False) for meta in before),
        "seen": leaks.seen(
            manifest,
            split,
            [leaks.Seen.from_json(meta["seen"]) for meta in before],
            context.chosen_on_test,
        ).to_json(),
        "upstream": {
            name: {"key": given.key, "path": os.path.relpath(given.path, planned.directory.path)}
            for name, given in upstream.items()
        },
        **({"start": context.start.describe()} if context.start else {}),
        **({"folds": [fold.planned.key for fold in planned.folds]} if planned.folds else {}),
        "seed": settings.seed,
        "precision": settings.trainer.precision,
        "debug": plain(caps) or next((meta["debug"] for meta in before if meta.get("debug")), None),
        "conditions": recorded(planned.directory.conditions),
        "predictions": describe_predictions(stage),
        "judging": _describe_judging(context, stage, network),
        LEARNED_FROM: _learned_from(context, before),
    }


def _learned_from(context: RunContext, before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the ranges of simple statistics over training images, and over those seen before."""
    train = context.split.train
    some = train[:: max(1, len(train) // _MEASURED)]
    found = [measured(context.store[row] for row in some)]
    found += [meta[LEARNED_FROM] for meta in before if meta.get(LEARNED_FROM)]
    return {
        name: [min(ranges[name][0] for ranges in found), max(ranges[name][1] for ranges in found)]
        for name in found[0]
    }


def _describe_judging(
    context: RunContext, stage: Stage, network: QualityNetwork
) -> dict[str, Any] | None:
    """Measure what it costs to judge an image; None of a network that judges none alone."""
    settings = context.settings
    device = device_of(settings.trainer)
    try:
        with uncompiled(settings.trainer):
            crops = settings.system.stages[stage.name].crops
            found = cost_of(network, crops, device, device_name(device))
    except Exception as error:  # of a system from outside, say: no training is lost for a figure
        log.warning("What judging an image costs was not measured (%s).", error)
        return None
    return None if found is None else asdict(found)


def describe_predictions(stage: Stage) -> dict[str, Any]:
    """Say what predicts a stage's images: the key of its code, and libraries' versions.

    Predictions with another key are made anew; other versions are only told.
    """
    roots = [stage.network.__module__, "hmtnet.experiment.predict"]
    return {"key": sources_digest(roots, parts=PREDICTING)[:12], "versions": versions()}


def describe_package(system: str) -> dict[str, Any]:
    """Say which package adds a system, and its version; nothing of systems of ours."""
    added = added_systems()
    if system not in added:
        return {}
    point = added[system]
    known = None if point.dist is None else point.dist.version
    return {"package": {"name": package_of(point), "version": known}}


def describe_dataset(labels: Labels) -> dict[str, Any]:
    """Describe what the labels are and mean."""
    return {
        "name": labels.name,
        "fingerprint": labels.fingerprint,
        "label_kind": labels.label_kind,
        "mos_range": list(labels.mos_range),
        "higher_is_better": labels.higher_is_better,
        "licence": labels.licence,
        **({"parts": parts} if (parts := _parts(labels)) else {}),
    }


def _parts(labels: Labels) -> list[dict[str, Any]]:
    """Describe the datasets that are used together, scores in the unit of each; none of others."""
    if not isinstance(labels, Together):
        return []
    return [{**describe_dataset(part), "images": len(part)} for part in labels.parts]


def describe_split(split: Split) -> dict[str, Any]:
    """Describe who trained, validated and was tested."""
    return {
        "id": split.id,
        "protocol": split.protocol,
        "variant": split.variant,
        "seed": split.seed,
        "index": split.index,
        "folds": split.folds,
        "leaky": split.leaky,
        "images": {name: len(rows) for name, rows in split.subsets.items()},
    }


def _reference_use(network: QualityNetwork, before: Sequence[Mapping[str, Any]]) -> ReferenceUse:
    learned = any(meta.get("reference", "none") != "none" for meta in before)
    return "training" if learned and network.reference_use == "none" else network.reference_use
