"""Both stages of MFEN: their networks and their tasks."""

from typing import TYPE_CHECKING

from hmtnet.errors import SettingsError
from hmtnet.models.mfen.dan import DAN
from hmtnet.models.mfen.network import MFEN
from hmtnet.models.mfen.settings import DANStageSettings, QualityStageSettings
from hmtnet.models.system import Stage, StageInputs

if TYPE_CHECKING:
    from hmtnet.models.mfen.task import DANTask, MFENTask


def make_dan(settings: DANStageSettings, given: StageInputs) -> DAN:
    """Make stage 1's network.

    Raises:
        SettingsError: The training images are not of two distortion types at least.
    """
    return DAN(settings.network, given.distortion_mos)


def make_dan_task(network: DAN, settings: DANStageSettings, given: StageInputs) -> "DANTask":
    """Make stage 1's task."""
    from hmtnet.models.mfen.task import DANTask

    return DANTask(network, settings, given.grades, given.distortion_keys)


def make_mfen(settings: QualityStageSettings, given: StageInputs) -> MFEN:
    """Make stage 2's network around a finished DAN, or without one.

    Raises:
        SettingsError: A DAN is wanted and none is there.
    """
    dan = given.upstream.get("dan")
    types = len(given.distortion_mos) if settings.loss.types > 0 else 0
    if not settings.network.dan:
        return MFEN(settings.network, None, types)
    if not isinstance(dan, DAN):
        raise SettingsError(
            "Stage 'quality' needs a DAN. Add the stage (stages=[dan,quality]), give an artifact, "
            "of this or of another dataset (upstream.dan=<run directory>), or go without "
            "(system.quality.network.dan=false)."
        )
    return MFEN(settings.network, dan, types)


def make_mfen_task(network: MFEN, settings: QualityStageSettings, given: StageInputs) -> "MFENTask":
    """Make stage 2's task."""
    from hmtnet.models.mfen.task import MFENTask

    return MFENTask(network, settings, given.grades, given.distortion_keys)


DAN_STAGE = Stage("dan", DANStageSettings, make_dan, make_dan_task, needs=("method", "scale"))
QUALITY_STAGE = Stage(
    "quality", QualityStageSettings, make_mfen, make_mfen_task, after=("dan",), borrows=("dan",)
)
