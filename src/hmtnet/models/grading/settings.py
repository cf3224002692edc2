"""Settings of stage 1."""

from dataclasses import dataclass, field
from typing import Literal

from hmtnet.losses import GradeLoss
from hmtnet.models.grading.network import GradingSettings
from hmtnet.models.optimisation import FitSettings


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


@dataclass(frozen=True, kw_only=True)
class GradingStageSettings(FitSettings):
    """Everything about the grading stage."""

    network: GradingSettings = field(default_factory=GradingSettings)
    loss: GradingLossSettings = field(default_factory=GradingLossSettings)
