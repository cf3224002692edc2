"""Stage 2 of the chain: its network and its task."""

from typing import TYPE_CHECKING

from hmtnet.errors import SettingsError
from hmtnet.models.grading.network import GradingNet
from hmtnet.models.hmtnet.network import HMTNet
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.sfen.network import SFEN
from hmtnet.models.sfen.settings import SFENStageSettings
from hmtnet.models.system import Ingredients, Stage

if TYPE_CHECKING:
    from hmtnet.models.sfen.task import SFENTask


def make_network(settings: SFENStageSettings, given: Ingredients) -> QualityNetwork:
    """Make stage 2's network: an SFEN behind a frozen grading network, or a bare one.

    Raises:
        SettingsError: A grading network is wanted and none is there, or its encoder is another
            backbone than the SFEN's.
    """
    if settings.stands_alone:
        return SFEN(settings.network, given.grades)
    grading = given.upstream.get("grading")
    if not isinstance(grading, GradingNet):
        raise SettingsError(
            f"Stage 'sfen' with prior={settings.network.prior} and extractor={settings.extractor} "
            "needs a grading network. Add the stage (stages=[grading,sfen]), give an artifact "
            "(upstream.grading=<run directory>), or go without "
            "(system.sfen.network.prior=none system.sfen.extractor=weights)."
        )
    sfen = SFEN(settings.network, given.grades, grading.settings.embedding)
    if settings.extractor == "grading":
        sfen.start_from(grading.encoder)
    if settings.network.prior == "none":
        return sfen
    return HMTNet(grading, sfen, grading_frozen=True)


def make_task(
    network: QualityNetwork, settings: SFENStageSettings, given: Ingredients
) -> "SFENTask":
    """Make stage 2's task.

    Raises:
        SettingsError: Priors out of fold are wanted, and none are there.
    """
    from hmtnet.models.sfen.task import SFENTask

    priors = given.out_of_fold.get("grading")
    if settings.folds and priors is None:
        raise SettingsError(
            "prior_source=out_of_fold needs the priors of grading networks that have not seen the "
            "images they judge (Ingredients.out_of_fold); hmtnet train makes them."
        )
    return SFENTask(network, settings, given.grades, priors)


SFEN_STAGE = Stage(
    "sfen", SFENStageSettings, make_network, make_task, after=("grading",), borrows=("grading",)
)
