"""HMTNet as a system: grading → SFEN → joint."""

from typing import TYPE_CHECKING

from hmtnet.errors import SettingsError
from hmtnet.models.hmtnet.grading import GradingNet
from hmtnet.models.hmtnet.network import HMTNet
from hmtnet.models.hmtnet.settings import (
    GradingStageSettings,
    JointStageSettings,
    SFENStageSettings,
)
from hmtnet.models.hmtnet.sfen import SFEN
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import Stage, StageInputs, System, unweighted

if TYPE_CHECKING:
    from hmtnet.models.hmtnet.task import GradingTask, JointTask, SFENTask


def make_grading(settings: GradingStageSettings, given: StageInputs) -> GradingNet:
    """Make stage 1's network."""
    return GradingNet(settings.network, given.grades)


def make_grading_task(
    network: GradingNet, settings: GradingStageSettings, given: StageInputs
) -> "GradingTask":
    """Make stage 1's task."""
    from hmtnet.models.hmtnet.task import GradeTerms, GradingTask

    terms = GradeTerms(settings.loss, given.grades, given.method_keys)
    return GradingTask(network, settings, terms)


GRADING = Stage("grading", GradingStageSettings, make_grading, make_grading_task)


def make_sfen(settings: SFENStageSettings, given: StageInputs) -> QualityNetwork:
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


def make_sfen_task(
    network: QualityNetwork, settings: SFENStageSettings, given: StageInputs
) -> "SFENTask":
    """Make stage 2's task.

    Raises:
        SettingsError: Priors out of fold are wanted, and none are there.
    """
    from hmtnet.models.hmtnet.task import SFENTask

    priors = given.out_of_fold.get("grading")
    if settings.folds and priors is None:
        raise SettingsError(
            "prior_source=out_of_fold needs the priors of grading networks that have not seen the "
            "images they judge (StageInputs.out_of_fold); hmtnet train makes them."
        )
    return SFENTask(network, settings, given.grades, priors)


SFEN_STAGE = Stage(
    "sfen", SFENStageSettings, make_sfen, make_sfen_task, after=("grading",), borrows=("grading",)
)


def make_joint(settings: JointStageSettings, given: StageInputs) -> HMTNet:
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


def make_joint_task(
    network: HMTNet, settings: JointStageSettings, given: StageInputs
) -> "JointTask":
    """Make stage 3's task."""
    from hmtnet.models.hmtnet.task import GradeTerms, JointTask

    terms = GradeTerms(settings.loss.grading, given.grades, given.method_keys)
    return JointTask(network, settings, terms)


def _check_same(stage: str, found: object, wanted: object) -> None:
    if unweighted(found) != unweighted(wanted):
        raise SettingsError(
            f"The '{stage}' artifact has another architecture than system.{stage}.network says.\n"
            f"  artifact: {unweighted(found)}\n  settings: {unweighted(wanted)}\n"
            "Give the artifact's settings, or train the stage anew."
        )


JOINT = Stage("joint", JointStageSettings, make_joint, make_joint_task, after=("grading", "sfen"))

SYSTEM = System(name="hmtnet", stages=(GRADING, SFEN_STAGE, JOINT))
