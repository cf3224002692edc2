"""CNNIQA as a system of one stage."""

from typing import TYPE_CHECKING

from hmtnet.models.cnniqa.network import CNNIQANet
from hmtnet.models.cnniqa.settings import CNNIQAStageSettings
from hmtnet.models.system import Stage, StageInputs, System

if TYPE_CHECKING:
    from hmtnet.models.cnniqa.task import CNNIQATask


def make_network(settings: CNNIQAStageSettings, given: StageInputs) -> CNNIQANet:
    """Make the network; it knows no grades."""
    del given
    return CNNIQANet(settings.network)


def make_task(
    network: CNNIQANet, settings: CNNIQAStageSettings, given: StageInputs
) -> "CNNIQATask":
    """Make its task."""
    from hmtnet.models.cnniqa.task import CNNIQATask

    return CNNIQATask(network, settings, given.grades)


SYSTEM = System(
    name="cnniqa", stages=(Stage("cnniqa", CNNIQAStageSettings, make_network, make_task),)
)
