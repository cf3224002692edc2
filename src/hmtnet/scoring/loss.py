"""A trained network as a loss: lower means that it judges an image to be better."""

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from hmtnet.errors import SettingsError
from hmtnet.perception import check_rgb
from hmtnet.scoring.restore import Restored


class QualityLoss(nn.Module):
    """1 − unit score of the images: 0 for the best, whatever the direction of the dataset's scores.

    Images are looked at as in scoring: the same tiles, the mean over them, whole images before
    their saliency. Two things differ, since scoring reads finished 8-bit files: nothing is rounded,
    and values beyond [0, 1], which a screen would clip, are clipped here, so that no quality is
    found where nobody can see it. Saliency is held fixed: a gradient moves what is looked at, not
    where it is looked.

    The network is a copy. It stays frozen and in evaluation mode, also where ``train()`` is called
    on the module that this loss is a part of. All tiles are held until ``backward``: give patches
    rather than photographs.

    A network can be deceived: pixels that it rewards are not always pixels that people like. Use it
    beside a loss of fidelity, and look at the images (docs/examples/improve).

    Args:
        restored: A finished stage that judges images which come alone.
        reduction: ``"mean"`` over the images, or ``"none"``.
    """

    def __init__(self, restored: Restored, reduction: Literal["mean", "none"] = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "none"):
            raise SettingsError(f"reduction: expected 'mean' or 'none', found '{reduction}'.")
        self.reduction = reduction
        self.network = copy.deepcopy(restored.network).requires_grad_(False).eval()
        self._stage = restored.stage
        self._crops = restored.settings.crops

    def forward(self, images: Tensor, references: Tensor | None = None) -> Tensor:
        """Judge a batch.

        Args:
            images: (B, 3, H, W), RGB, floating point in [0, 1].
            references: The reference images, of the same shape, for a full-reference stage.

        Returns:
            () or (B,), about 0 to 1; a regression may leave that slightly.

        Raises:
            ValueError: ``images`` are no floating-point RGB images, or ``references`` of other
                sizes.
            SettingsError: The stage needs references and there are none, or the other way round; or
                no gradient comes through its network.
        """
        check_rgb(images)
        if self.network.needs_reference and references is None:
            raise SettingsError(
                f"Stage '{self._stage}' compares images with their references: give these too, "
                "loss(images, references)."
            )
        if not self.network.needs_reference and references is not None:
            raise SettingsError(
                f"Stage '{self._stage}' judges images without references: leave them out."
            )
        pixels = images if images.dtype == torch.float64 else images.float()
        crops = self.network.crops_of(pixels.clamp(0, 1), self._crops, references)
        score: Tensor = self.network(crops).unit_score
        if images.requires_grad and torch.is_grad_enabled() and not score.requires_grad:
            raise SettingsError(
                f"Stage '{self._stage}' passes no gradient to its images, so nothing can be "
                "learned from it. Take another stage."
            )
        loss = 1 - score
        return loss.mean() if self.reduction == "mean" else loss

    def train(self, mode: bool = True) -> "QualityLoss":
        """Leave the network in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self
