"""GradingNet: coarse quality grades by a U-Net and contrastive learning."""

from hmtnet.models.grading.network import GradePrior, GradingNet, GradingSettings

__all__ = ["GradePrior", "GradingNet", "GradingSettings"]
