"""Settings of the three stages: grading, SFEN, joint."""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

from hmtnet.losses import GradeLoss
from hmtnet.models.hmtnet.grading import GradingSettings
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.optimisation import FitSettings, OptimizerSettings
from hmtnet.models.score_loss import ScoreFitSettings, ScoreLossSettings


@dataclass(frozen=True, kw_only=True)
class GradingLossSettings:
    """The loss of the grading stage.

    Attributes:
        grade: How a wrong grade is punished.
        sigma: Width of the soft target, grades (``grade="soft"`` only).
        contrast: Weight of the contrastive term; 0 leaves it out.
        contrast_key: What makes two crops positives of each other. Beware of ``"method"``: it
            teaches to recognise the SR method, which is a shortcut to its mean score.
        temperature: Of the contrastive softmax.
        contrast_sigma: If set, a positive counts by exp(-|ΔMOS| / sigma), unit score.
    """

    grade: GradeLoss = "soft"
    sigma: float = 0.5
    contrast: float = 0.1
    contrast_key: Literal["grade", "method", "none"] = "grade"
    temperature: float = 0.1
    contrast_sigma: float | None = None

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"temperature: expected above 0, found {self.temperature}")
        if self.sigma <= 0:
            raise ValueError(f"sigma: expected above 0 grades, found {self.sigma}")
        if self.contrast < 0:
            raise ValueError(f"contrast: expected at least 0, found {self.contrast}")
        if self.contrast_sigma is not None and self.contrast_sigma <= 0:
            raise ValueError(
                f"contrast_sigma: expected above 0, or null, found {self.contrast_sigma}"
            )

    def idle(self) -> set[str]:
        """Name what has no effect: another grade loss's width, and contrast that is left out."""
        names = set() if self.grade == "soft" else {"sigma"}
        if self.contrast == 0 or self.contrast_key == "none":
            off = "contrast_key" if self.contrast == 0 else "contrast"
            names |= {off, "temperature", "contrast_sigma"}
        return names


@dataclass(frozen=True, kw_only=True)
class GradingStageSettings(FitSettings):
    """Everything about the grading stage."""

    network: GradingSettings = field(default_factory=GradingSettings)
    loss: GradingLossSettings = field(default_factory=GradingLossSettings)


@dataclass(frozen=True, kw_only=True)
class SFENStageSettings(ScoreFitSettings):
    """Everything about the SFEN stage.

    Attributes:
        network: The network.
        optimizer: By default the extractor is frozen: stage 1 has taught it, and stage 3 tunes it.
        extractor: What the extractor starts from: ``"grading"``: what the grading network's encoder
            has learned of quality; ``"weights"``: the backbone's own weights.
        prior_folds: Number of parts that the training contents are divided into for
            ``prior_source="out_of_fold"``. For each part, one more grading network is trained.
    """

    network: SFENSettings = field(default_factory=SFENSettings)
    optimizer: OptimizerSettings = field(default_factory=lambda: OptimizerSettings(loaded_lr=0.0))
    extractor: Literal["grading", "weights"] = "grading"
    prior_folds: int = 5

    def check(self) -> None:
        """Out of fold means at least two folds."""
        if self.prior_folds < 2:
            raise ValueError(f"prior_folds: expected at least 2, found {self.prior_folds}")

    @property
    def stands_alone(self) -> bool:
        """A grading network is needed for its prior, and for its encoder."""
        return self.network.prior == "none" and self.extractor == "weights"

    def for_restoring(self) -> Self:
        """Its artifact holds the extractor, whatever that started from."""
        return replace(self, extractor="weights")

    def idle(self) -> set[str]:
        """Name what has no effect: the number of folds where no prior is made out of fold."""
        return set() if self.folds else {"prior_folds"}

    @property
    def folds(self) -> int:
        """As ``prior_folds`` says, if priors out of fold are wanted."""
        return self.prior_folds if self.network.prior_source == "out_of_fold" else 0


@dataclass(frozen=True, kw_only=True)
class HMTNetSettings:
    """Settings of both networks."""

    grading: GradingSettings = field(default_factory=GradingSettings)
    sfen: SFENSettings = field(default_factory=SFENSettings)


@dataclass(frozen=True, kw_only=True)
class JointLossSettings:
    """Loss = score + alpha · grade + contrast (which carries its own weight).

    Attributes:
        score: The score's terms.
        grading: The grade's terms.
        alpha: Weight of the grade term.
    """

    score: ScoreLossSettings = field(default_factory=ScoreLossSettings)
    grading: GradingLossSettings = field(default_factory=GradingLossSettings)
    alpha: float = 0.3

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"alpha: expected at least 0, found {self.alpha}")

    def idle(self) -> set[str]:
        """Name what has no effect: how a wrong grade is punished where that is weighted by 0."""
        return set() if self.alpha else {"grading.grade", "grading.sigma"}


@dataclass(frozen=True, kw_only=True)
class JointStageSettings(FitSettings):
    """Everything about the joint stage.

    Attributes:
        network: The networks.
        loss: The loss.
        grading_rate: What the learning rate of a finished grading network is multiplied by.
            A finished grading network that learns at the full rate guides the score worse on
            validation images than it did before. One that is not finished (``size=quick``) needs
            the full rate. README.md beside this file tells more.
    """

    network: HMTNetSettings = field(default_factory=HMTNetSettings)
    loss: JointLossSettings = field(default_factory=JointLossSettings)
    grading_rate: float = 0.1

    def check(self) -> None:
        """A grading network that shall not learn belongs into stage 2."""
        if not self.grading_rate > 0:
            raise ValueError(
                f"grading_rate: expected above 0, found {self.grading_rate}. To train an SFEN "
                "behind a frozen grading network, tune it in stage 2 "
                "(system.sfen.optimizer.loaded_lr=1e-4)."
            )
