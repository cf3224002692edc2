"""Settings of NEMG's only stage."""

from dataclasses import dataclass, field

from hmtnet.errors import SettingsError
from hmtnet.models.nemg.network import FINE, NEMGSettings, check_shave, reduced
from hmtnet.models.optimisation import FitSettings, OptimizerSettings


@dataclass(frozen=True, kw_only=True)
class NEMGLossSettings:
    """Weights of the three terms, and the window of one.

    Attributes:
        score: Of the smooth L1 distance of the score to the MOS; both are in [0, 1], where it is
            half the squared one.
        mse: Of the coarse error map's mean squared error.
        ssim: Of the fine error map's 1 - SSIM.
        window: Side of SSIM's Gaussian window, places of the map at stride 4; odd.
        sigma: Its standard deviation, places.
    """

    score: float = 1000.0
    mse: float = 50.0
    ssim: float = 150.0
    window: int = 11
    sigma: float = 1.5

    def __post_init__(self) -> None:
        for name in ("score", "mse", "ssim"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected at least 0, found {getattr(self, name)}")
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window: expected an odd number, found {self.window}")
        if self.sigma <= 0:
            raise ValueError(f"sigma: expected above 0, found {self.sigma}")


@dataclass(frozen=True, kw_only=True)
class NEMGStageSettings(FitSettings):
    """Everything about NEMG's stage; its new layers learn at its authors' rate."""

    optimizer: OptimizerSettings = field(default_factory=lambda: OptimizerSettings(lr=2e-4))
    network: NEMGSettings = field(default_factory=NEMGSettings)
    loss: NEMGLossSettings = field(default_factory=NEMGLossSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        size, window = self.crops.size, self.loss.window
        if reduced(size, FINE) < window:
            raise ValueError(
                f"crops.size: {size} pixels make error maps of {reduced(size, FINE)} places, "
                f"smaller than the window of SSIM, {window}; expected at least "
                f"{FINE * (window - 1) + 1} pixels"
            )
        try:
            check_shave(size, self.network.shave)
        except SettingsError as error:
            raise ValueError(str(error)) from error
