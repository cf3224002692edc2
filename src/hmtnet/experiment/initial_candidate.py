"""A stage's start as a candidate: what comes in trained may be better than what goes out.

The epoch is chosen by what the network says of images that it does not learn from. So a stage whose
whole network was trained upstream has one epoch more to choose from: the one before its first,
epoch 0. It is judged in float32, as predictions are; the others in the precision of the training.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from hmtnet.artifact import curves
from hmtnet.data.datamodule import QualityData
from hmtnet.data.grades import Grades
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.fitting import best_state, device_of
from hmtnet.experiment.predict import predict
from hmtnet.metrics import srcc
from hmtnet.models.optimisation import is_loaded
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.task import SELECTED_BY
from hmtnet.storage.directory import RunDirectory


@dataclass(frozen=True)
class Start:
    """A network before its first step.

    Attributes:
        score: Its SRCC on the images that the epoch is chosen on; NaN where it is undefined.
        state: Its weights.
    """

    score: float
    state: dict[str, torch.Tensor]


def start_of(
    context: RunContext,
    network: QualityNetwork,
    data: QualityData,
    grades: Grades,
    directory: RunDirectory,
) -> Start | None:
    """Judge a network before its first step, and write that down as epoch 0.

    A resumed stage was judged when it began: its curve is read instead.

    Returns:
        None where some of the network's weights are still random, since nobody would choose those,
        and where the curve of a resumed stage is lost.
    """
    if not is_loaded(network):
        return None
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    if directory.last_checkpoint.exists():
        scores = _curve(directory)
        return Start(scores[0], state) if 0 in scores else None
    subset = context.chosen_on
    device, batches = device_of(context.settings.trainer), context.settings.trainer.debug.batches
    network.to(device)  # not left to predict: what is moved in inference mode cannot learn
    with torch.random.fork_rng(devices=[]):
        found = predict(network, data, context.manifest, grades, (subset,), device, batches)
    network.cpu().train()
    exact = srcc(context.manifest.to_unit(found.score), context.manifest.to_unit(found.mos))
    score = float(np.float32(exact))  # as epochs are logged: equals must stay equal
    curves.write(directory.metrics, {"epoch": 0, "step": 0, SELECTED_BY: score})
    return Start(score, state)


def chosen_state(directory: RunDirectory, start: Start | None) -> dict[str, torch.Tensor]:
    """Return the weights of the best epoch; of equals, the trained ones."""
    if start is not None and math.isfinite(start.score):
        trained = [score for epoch, score in _curve(directory).items() if epoch > 0]
        if not any(score >= start.score for score in trained):
            return start.state
    return best_state(directory)


def _curve(directory: RunDirectory) -> dict[int, float]:
    """Read the score that epochs are chosen by, by epoch."""
    if not directory.metrics.exists():
        return {}
    found = curves.read(directory.metrics).items()
    return {epoch: float(row.get(SELECTED_BY) or math.nan) for epoch, row in found}
