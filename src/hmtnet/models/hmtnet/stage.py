"""Stage 3 of the chain: its network and its task."""

from typing import TYPE_CHECKING

from hmtnet.errors import SettingsError
from hmtnet.models.grading.network import GradingNet
from hmtnet.models.hmtnet.network import HMTNet
from hmtnet.models.hmtnet.settings import JointStageSettings
from hmtnet.models.sfen.network import SFEN
from hmtnet.models.system import Ingredients, Stage, unweighted

if TYPE_CHECKING:
    from hmtnet.models.hmtnet.task import JointTask


def make_network(settings: JointStageSettings, given: Ingredients) -> HMTNet:
    """Make stage 3's network from the upstream ones; what is not upstream starts afresh.

    Raises:
        SettingsError: An upstream network has another architecture than the settings say.
    """
    grading, upstream_sfen = given.upstream.get("grading"), given.upstream.get("sfen")
    if grading is None:
        grading = GradingNet(settings.network.grading, given.grades)
    else:
        assert isinstance(grading, GradingNet)
        _check_same("grading", grading.settings, settings.network.grading)
        grading.requires_grad_(True).loaded = True
        grading.rate_factor = settings.grading_rate
    if upstream_sfen is None:
        sfen = SFEN(settings.network.sfen, given.grades, settings.network.grading.embedding)
    else:
        assert isinstance(upstream_sfen, (HMTNet, SFEN))
        sfen = upstream_sfen.sfen if isinstance(upstream_sfen, HMTNet) else upstream_sfen
        _check_same("sfen", sfen.settings, settings.network.sfen)
        sfen.loaded = True
    return HMTNet(grading, sfen)


def make_task(network: HMTNet, settings: JointStageSettings, given: Ingredients) -> "JointTask":
    """Make stage 3's task."""
    from hmtnet.models.grading.task import GradeTerms
    from hmtnet.models.hmtnet.task import JointTask

    terms = GradeTerms(settings.loss.grading, given.grades, given.method_keys)
    return JointTask(network, settings, terms)


def _check_same(stage: str, found: object, wanted: object) -> None:
    if unweighted(found) != unweighted(wanted):
        raise SettingsError(
            f"The '{stage}' artifact has another architecture than system.{stage}.network says.\n"
            f"  artifact: {unweighted(found)}\n  settings: {unweighted(wanted)}\n"
            "Give the artifact's settings, or train the stage anew."
        )


JOINT = Stage("joint", JointStageSettings, make_network, make_task, after=("grading", "sfen"))
