"""Settings of stage 2."""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

from hmtnet.models.optimisation import FitSettings, OptimizerSettings
from hmtnet.models.score_loss import ScoreLossSettings
from hmtnet.models.sfen.network import SFENSettings


@dataclass(frozen=True, kw_only=True)
class SFENStageSettings(FitSettings):
    """Everything about the SFEN stage.

    Attributes:
        network: The network.
        optimizer: By default the extractor is frozen: stage 1 has taught it, and stage 3 tunes it.
        loss: The loss.
        extractor: What the extractor starts from: ``"grading"``: what the grading network's encoder
            has learned of quality; ``"weights"``: the backbone's own weights.
        prior_folds: In how many parts the training contents are dealt for
            ``prior_source="out_of_fold"``; so many more grading networks are trained.
    """

    network: SFENSettings = field(default_factory=SFENSettings)
    optimizer: OptimizerSettings = field(default_factory=lambda: OptimizerSettings(loaded_lr=0.0))
    loss: ScoreLossSettings = field(default_factory=ScoreLossSettings)
    extractor: Literal["grading", "weights"] = "grading"
    prior_folds: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.prior_folds < 2:
            raise ValueError(f"prior_folds: expected at least 2, found {self.prior_folds}")

    @property
    def stands_alone(self) -> bool:
        """A grading network is needed for its prior, and for its encoder."""
        return self.network.prior == "none" and self.extractor == "weights"

    def for_restoring(self) -> Self:
        """Its artifact holds the extractor, whatever that started from."""
        return replace(self, extractor="weights")

    @property
    def folds(self) -> int:
        """So many parts of the training contents are judged by a network that lacks them."""
        return self.prior_folds if self.network.prior_source == "out_of_fold" else 0
