"""Predictions that a run directory holds already, as far as they can be used again."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.description import changed_of, read_document, value_at
from hmtnet.artifact.digests import PREDICTIONS_FILE
from hmtnet.artifact.predictions import Predictions
from hmtnet.data.split import SUBSETS, Split, Subset
from hmtnet.errors import ArtifactError
from hmtnet.storage.directory import RunDirectory

log = logging.getLogger(__name__)


class Held(NamedTuple):
    """What a run directory holds of predictions.

    Attributes:
        parts: Of each subset that is whole, its predictions.
        outdated: Subsets whose predictions are not by today's code.
    """

    parts: dict[Subset, Predictions]
    outdated: frozenset[Subset]


def held_predictions(
    directory: RunDirectory, split: Split, made_by: Mapping[str, Any], most: int | None
) -> Held:
    """Return the predictions that can be used again, and tell why others cannot.

    Args:
        directory: The run directory of a finished stage, or of an evaluation.
        split: Which images there should be.
        made_by: What predicts today; see `describe.describe_predictions`.
        most: Images per subset of a capped run.

    Raises:
        ArtifactError: The stage's description is damaged.
    """
    nothing = Held({}, frozenset())
    if not directory.predictions.exists():
        return nothing
    document = read_document(directory.path)
    name = directory.path.name
    try:
        found = prediction_files.read(directory.predictions)
        reasons = changed_of(directory.path, document, [PREDICTIONS_FILE])
    except ArtifactError as error:
        reasons = {PREDICTIONS_FILE: f"cannot be used ({error})"}
    for reason in reasons.values():
        log.warning("%s: %s %s, so it is predicted anew", name, PREDICTIONS_FILE, reason)
        return nothing
    if value_at(document, "predictions", "key") != made_by["key"]:
        log.info("%s: predicted anew, by code that has changed", name)
        return Held({}, frozenset(subset for subset in SUBSETS if subset in found.subsets))
    parts = {}
    for subset in SUBSETS:
        part, wanted = found.select(subset), len(split.subsets[subset])
        wanted = wanted if most is None else min(wanted, most)
        if len(part) == wanted > 0:
            parts[subset] = part
        elif len(part):
            log.warning(
                "%s: %s holds %d of %d %s images, which are predicted anew",
                *(name, PREDICTIONS_FILE, len(part), wanted, subset),
            )
    return Held(parts, frozenset())
