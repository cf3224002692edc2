"""HMTNet: a grading network, an SFEN that its grade guides, and both trained jointly."""

from hmtnet.models.hmtnet.grading import GradePrior, GradingNet, GradingSettings
from hmtnet.models.hmtnet.network import HMTNet
from hmtnet.models.hmtnet.sfen import SFEN, Prior, SFENSettings

__all__ = ["SFEN", "GradePrior", "GradingNet", "GradingSettings", "HMTNet", "Prior", "SFENSettings"]
