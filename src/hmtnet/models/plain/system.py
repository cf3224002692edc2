"""The plain baseline as a system of one stage."""

from typing import TYPE_CHECKING

from hmtnet.models.plain.network import PlainNet
from hmtnet.models.plain.settings import PlainStageSettings
from hmtnet.models.system import Stage, StageInputs, System

if TYPE_CHECKING:
    from hmtnet.models.plain.task import PlainTask


def make_network(settings: PlainStageSettings, given: StageInputs) -> PlainNet:
    """Make the network; it knows no grades."""
    del given
    return PlainNet(settings.network)


def make_task(network: PlainNet, settings: PlainStageSettings, given: StageInputs) -> "PlainTask":
    """Make its task."""
    from hmtnet.models.plain.task import PlainTask

    return PlainTask(network, settings, given.grades)


SYSTEM = System(name="plain", stages=(Stage("plain", PlainStageSettings, make_network, make_task),))
