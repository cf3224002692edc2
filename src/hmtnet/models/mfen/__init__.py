"""MFEN: quality, distortion and high-frequency features, fused."""

from hmtnet.models.mfen.dan import DAN, DANSettings
from hmtnet.models.mfen.network import MFEN, MFENSettings

__all__ = ["DAN", "MFEN", "DANSettings", "MFENSettings"]
