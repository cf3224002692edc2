"""Settings of CNNIQA's only stage."""

from dataclasses import dataclass, field
from typing import Literal

from hmtnet.models.cnniqa.network import CNNIQASettings
from hmtnet.models.optimisation import FitSettings


@dataclass(frozen=True, kw_only=True)
class CNNIQALossSettings:
    """The loss: the mean absolute difference to the MOS in [0, 1].

    Attributes:
        of: Whose score is compared: each patch's with its image's MOS, as in the paper, or the
            image's own.
    """

    of: Literal["patches", "images"] = "patches"


@dataclass(frozen=True, kw_only=True)
class CNNIQAStageSettings(FitSettings):
    """Everything about the CNNIQA stage."""

    network: CNNIQASettings = field(default_factory=CNNIQASettings)
    loss: CNNIQALossSettings = field(default_factory=CNNIQALossSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crops.size < self.network.patch:
            raise ValueError(
                f"crops.size: expected at least network.patch={self.network.patch} pixels, "
                f"found {self.crops.size}"
            )
