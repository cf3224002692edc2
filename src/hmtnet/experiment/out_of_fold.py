"""What networks say of training images that they have not seen.

A network is over-confident on the images it was trained on. A stage that learns from what it says
there learns to trust it too much; so the training contents are dealt into folds, and each fold is
judged by a network that was trained on the others.
"""

import math
from collections.abc import Mapping, Sequence

import torch

from hmtnet.experiment.devices import device_of
from hmtnet.experiment.plan import Fold
from hmtnet.experiment.predict import predict
from hmtnet.scoring.restore import restore


def out_of_fold(folds: Sequence[Fold]) -> Mapping[str, torch.Tensor]:
    """Let the networks of finished folds judge the images that they lack.

    Returns:
        By stage name, (records, K) grade log-probabilities; NaN for images of no fold.
    """
    tables: dict[str, torch.Tensor] = {}
    for fold in folds:
        context, name = fold.context, fold.planned.stage.name
        found = restore(fold.planned.directory.path)
        judged = predict(
            found.network,
            context.data(found.settings, found.network, found.grades),
            context.manifest,
            found.grades,
            ("test",),
            device_of(context.settings.trainer),
        )
        row_of = {context.manifest.records[row].image: row for row in context.split.test}
        rows = [row_of[image] for image in judged.image]
        shape = (len(context.manifest.records), found.grades.count)
        table = tables.setdefault(name, torch.full(shape, math.nan))
        table[rows] = torch.from_numpy(judged.probabilities).clamp_min(1e-8).log().float()
    return tables
