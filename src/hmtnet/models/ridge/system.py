"""The ridge baseline as a system of one stage."""

from typing import TYPE_CHECKING

from hmtnet.models.ridge.network import RidgeNet
from hmtnet.models.ridge.settings import RidgeStageSettings
from hmtnet.models.system import Stage, StageInputs, System

if TYPE_CHECKING:
    from hmtnet.models.ridge.task import RidgeTask


def make_network(settings: RidgeStageSettings, given: StageInputs) -> RidgeNet:
    """Make the network; it knows no grades."""
    del given
    return RidgeNet(settings.network)


def make_task(network: RidgeNet, settings: RidgeStageSettings, given: StageInputs) -> "RidgeTask":
    """Make its task."""
    from hmtnet.models.ridge.task import RidgeTask

    return RidgeTask(network, settings, given.grades)


SYSTEM = System(name="ridge", stages=(Stage("ridge", RidgeStageSettings, make_network, make_task),))
