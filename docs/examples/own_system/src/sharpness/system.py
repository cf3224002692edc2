"""The system: one stage, its settings, its network and its task."""

from typing import TYPE_CHECKING

from hmtnet.models.system import Stage, StageInputs, System
from sharpness.network import SharpnessNet
from sharpness.settings import SharpnessStageSettings

if TYPE_CHECKING:
    from sharpness.task import SharpnessTask


def make_network(settings: SharpnessStageSettings, given: StageInputs) -> SharpnessNet:
    """Make the network; it knows no grades."""
    del given
    return SharpnessNet(settings.network)


def make_task(
    network: SharpnessNet, settings: SharpnessStageSettings, given: StageInputs
) -> "SharpnessTask":
    """Make its task."""
    from sharpness.task import SharpnessTask

    return SharpnessTask(network, settings, given.grades)


SYSTEM = System(
    name="sharpness",
    stages=(Stage("sharpness", SharpnessStageSettings, make_network, make_task),),
)
