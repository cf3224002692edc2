"""PMT-IQA as a system of one stage."""

from typing import TYPE_CHECKING

from hmtnet.models.pmt.network import PMTNet
from hmtnet.models.pmt.settings import PMTStageSettings
from hmtnet.models.system import Stage, StageInputs, System

if TYPE_CHECKING:
    from hmtnet.models.pmt.task import PMTTask


def make_network(settings: PMTStageSettings, given: StageInputs) -> PMTNet:
    """Make the network; it knows no grades."""
    del given
    return PMTNet(settings.network)


def make_task(network: PMTNet, settings: PMTStageSettings, given: StageInputs) -> "PMTTask":
    """Make its task."""
    from hmtnet.models.pmt.task import PMTTask

    return PMTTask(network, settings, given.grades)


SYSTEM = System(name="pmt", stages=(Stage("pmt", PMTStageSettings, make_network, make_task),))
