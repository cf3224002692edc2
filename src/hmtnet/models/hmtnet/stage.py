"""HMTNet as a system: grading → SFEN → joint."""

from hmtnet.errors import SettingsError
from hmtnet.models.hmtnet.grading import GradingNet
from hmtnet.models.hmtnet.network import HMTNet
from hmtnet.models.hmtnet.settings import (
    GradingStageSettings,
    JointStageSettings,
    SFENStageSettings,
)
from hmtnet.models.hmtnet.sfen import SFEN
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import Stage, System, unweighted
from hmtnet.settings import in_force


def make_sfen(settings: SFENStageSettings, inputs: StageInputs) -> QualityNetwork:
    """Make stage 2's network: an SFEN behind a frozen grading network, or a bare one.

    Raises:
        SettingsError: A grading network is wanted and none is there, or its encoder is another
            backbone than the SFEN's.
    """
    if settings.stands_alone:
        return SFEN(settings.network, inputs.grades)
    grading = inputs.upstream.get("grading")
    if not isinstance(grading, GradingNet):
        raise SettingsError(
            f"Stage 'sfen' with prior={settings.network.prior} and extractor={settings.extractor} "
            "needs a grading network. Add the stage (stages=[grading,sfen]), give an artifact "
            "(upstream.grading=<run directory>), or go without "
            "(system.sfen.network.prior=none system.sfen.extractor=weights)."
        )
    sfen = SFEN(settings.network, inputs.grades, grading.settings.embedding)
    if settings.extractor == "grading":
        sfen.start_from(grading.encoder)
    if settings.network.prior == "none":
        return sfen
    return HMTNet(grading, sfen, grading_frozen=True)


def make_joint(settings: JointStageSettings, inputs: StageInputs) -> HMTNet:
    """Make stage 3's network from the upstream ones; what is not upstream starts afresh.

    Raises:
        SettingsError: An upstream network has another architecture than the settings say.
    """
    grading, upstream_sfen = inputs.upstream.get("grading"), inputs.upstream.get("sfen")
    if grading is None:
        grading = GradingNet(settings.network.grading, inputs.grades)
        grading.loaded_factor = settings.grading_rate
    else:
        assert isinstance(grading, GradingNet)
        _check_same("grading", grading.settings, settings.network.grading)
        grading.loaded_factor = settings.grading_rate
        grading.requires_grad_(True).mark_loaded()
    if upstream_sfen is None:
        sfen = SFEN(settings.network.sfen, inputs.grades, settings.network.grading.embedding)
    else:
        assert isinstance(upstream_sfen, (HMTNet, SFEN))
        sfen = upstream_sfen.sfen if isinstance(upstream_sfen, HMTNet) else upstream_sfen
        _check_same("sfen", sfen.settings, settings.network.sfen)
        sfen.mark_loaded()
    return HMTNet(grading, sfen)


def _check_same(stage: str, found: object, wanted: object) -> None:
    if in_force(unweighted(found)) != in_force(unweighted(wanted)):
        raise SettingsError(
            f"The '{stage}' artifact has another architecture than system.{stage}.network says.\n"
            f"  artifact: {unweighted(found)}\n  settings: {unweighted(wanted)}\n"
            "Give the artifact's settings, or train the stage anew."
        )


GRADING = Stage(
    name="grading",
    settings=GradingStageSettings,
    network=lambda settings, inputs: GradingNet(settings.network, inputs.grades),
    task="hmtnet.models.hmtnet.task:GradingTask",
)
SFEN_STAGE = Stage(
    name="sfen",
    settings=SFENStageSettings,
    network=make_sfen,
    task="hmtnet.models.hmtnet.task:SFENTask",
    after=("grading",),
    borrows=("grading",),
)
JOINT = Stage(
    name="joint",
    settings=JointStageSettings,
    network=make_joint,
    task="hmtnet.models.hmtnet.task:JointTask",
    after=("grading", "sfen"),
)

SYSTEM = System(name="hmtnet", stages=(GRADING, SFEN_STAGE, JOINT), graded=True)
