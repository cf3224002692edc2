"""AHIQ as a system of one stage."""

from typing import TYPE_CHECKING

from hmtnet.models.ahiq.network import AHIQ
from hmtnet.models.ahiq.settings import AHIQStageSettings
from hmtnet.models.ahiq.transformer import check_size
from hmtnet.models.system import Stage, StageInputs, System

if TYPE_CHECKING:
    from hmtnet.models.ahiq.task import AHIQTask


def make_network(settings: AHIQStageSettings, given: StageInputs) -> AHIQ:
    """Make the network; it knows no grades.

    Raises:
        SettingsError: It cannot be made, or cannot look at the stage's crops.
    """
    del given
    network = AHIQ(settings.network)
    check_size(settings.crops.size, network.patch)
    return network


def make_task(network: AHIQ, settings: AHIQStageSettings, given: StageInputs) -> "AHIQTask":
    """Make its task."""
    from hmtnet.models.ahiq.task import AHIQTask

    return AHIQTask(network, settings, given.grades)


SYSTEM = System(
    name="ahiq",
    stages=(Stage("ahiq", AHIQStageSettings, make_network, make_task),),
    reference="always",
)
