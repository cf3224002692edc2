"""NEMG as a system of one stage."""

from typing import TYPE_CHECKING

from hmtnet.models.nemg.network import NEMGNet
from hmtnet.models.nemg.settings import NEMGStageSettings
from hmtnet.models.system import Stage, StageInputs, System

if TYPE_CHECKING:
    from hmtnet.models.nemg.task import NEMGTask


def make_network(settings: NEMGStageSettings, given: StageInputs) -> NEMGNet:
    """Make the network; it knows no grades."""
    del given
    return NEMGNet(settings.network)


def make_task(network: NEMGNet, settings: NEMGStageSettings, given: StageInputs) -> "NEMGTask":
    """Make its task."""
    from hmtnet.models.nemg.task import NEMGTask

    return NEMGTask(network, settings, given.grades)


SYSTEM = System(
    name="nemg",
    stages=(Stage("nemg", NEMGStageSettings, make_network, make_task),),
    reference="training",
)
