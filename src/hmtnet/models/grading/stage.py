"""Stage 1 of the chain: its network and its task."""

from typing import TYPE_CHECKING

from hmtnet.models.grading.network import GradingNet
from hmtnet.models.grading.settings import GradingStageSettings
from hmtnet.models.system import Ingredients, Stage

if TYPE_CHECKING:
    from hmtnet.models.grading.task import GradingTask


def make_network(settings: GradingStageSettings, given: Ingredients) -> GradingNet:
    """Make stage 1's network."""
    return GradingNet(settings.network, given.grades)


def make_task(
    network: GradingNet, settings: GradingStageSettings, given: Ingredients
) -> "GradingTask":
    """Make stage 1's task."""
    from hmtnet.models.grading.task import GradeTerms, GradingTask

    terms = GradeTerms(settings.loss, given.grades, given.method_keys)
    return GradingTask(network, settings, terms)


GRADING = Stage("grading", GradingStageSettings, make_network, make_task)
