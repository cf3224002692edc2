"""A stage's start as a candidate: what comes in trained may be better than what goes out.

The epoch is chosen by what the network says of images that it does not learn from. So a stage whose
whole network was trained upstream has one epoch more to choose from: the one before its first,
epoch 0. It is judged in float32, as predictions are; the others in the precision of the training.
"""

import numpy as np
import torch

from hmtnet.data.datamodule import QualityData
from hmtnet.data.grades import Grades
from hmtnet.experiment.checkpoints import Candidate
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.devices import device_of
from hmtnet.experiment.predict import predict
from hmtnet.metrics import srcc
from hmtnet.metrics.groups import mean_over_datasets
from hmtnet.models.optimisation import is_loaded
from hmtnet.models.quality import QualityNetwork


def start_of(
    context: RunContext, network: QualityNetwork, data: QualityData, grades: Grades
) -> Candidate | None:
    """Judge a network before its first step.

    Returns:
        None where some of the network's weights are still random: nobody would choose those.
    """
    if not is_loaded(network):
        return None
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    subset = context.chosen_on
    device, batches = device_of(context.settings.trainer), context.settings.trainer.debug.batches
    network.to(device)  # not left to predict: what is moved in inference mode cannot learn
    with torch.random.fork_rng(devices=[]):
        found = predict(network, data, context.manifest, grades, (subset,), device, batches)
    network.cpu().train()
    to_unit = context.manifest.to_unit
    exact = mean_over_datasets(srcc, to_unit(found.score), to_unit(found.mos), found.dataset)
    # As epochs are logged, in float32: equals must stay equal.
    return Candidate(0, float(np.float32(exact)), state)
