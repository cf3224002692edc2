"""Settings of PMT-IQA's only stage."""

from dataclasses import dataclass, field
from typing import Literal

from hmtnet.models.optimisation import FitSettings
from hmtnet.models.pmt.network import PMTSettings


@dataclass(frozen=True, kw_only=True)
class PMTLossSettings:
    """Loss = λ1 · distance of the score to the MOS + λ2 · cross-entropy of the class.

    Attributes:
        progressive: ``"linear"`` moves λ1 from 0 in the first epoch to 1 in the last, and
            λ2 = 1 - λ1; ``"off"`` leaves them at ``score_weight`` and ``class_weight``.
        score_weight: λ1 of ``"off"``; the default is the authors'.
        class_weight: λ2 of ``"off"``; the default is the authors'.
        mos_range: On which range the distance is taken: 1 is the unit score, beside which the
            cross-entropy rules until the last epochs. The authors take each dataset's own range,
            mostly 100.
    """

    progressive: Literal["linear", "off"] = "linear"
    score_weight: float = 0.942
    class_weight: float = 0.960
    mos_range: float = 100.0

    def __post_init__(self) -> None:
        for name in ("score_weight", "class_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected at least 0, found {getattr(self, name)}")
        if self.mos_range <= 0:
            raise ValueError(f"mos_range: expected above 0, found {self.mos_range}")


@dataclass(frozen=True, kw_only=True)
class PMTStageSettings(FitSettings):
    """Everything about the PMT-IQA stage."""

    network: PMTSettings = field(default_factory=PMTSettings)
    loss: PMTLossSettings = field(default_factory=PMTLossSettings)
