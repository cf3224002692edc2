"""Solve a RidgeNet: one pass collects features, and validation chooses the penalty."""

from typing import Any

import torch
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.metrics.quality import PerImage
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import in_parts, make_crops
from hmtnet.models.ridge.network import RidgeNet, RidgeStageSettings
from hmtnet.models.ridge.solving import choose, solve
from hmtnet.models.task import QualityTask


class ImageFeatures(PerImage):
    """The features of images, in the order of their rows however they were batched.

    Args:
        width: F.
    """

    def __init__(self, width: int) -> None:
        column = torch.empty(0, dtype=torch.float64)
        super().__init__({"features": column.reshape(0, width), "unit_mos": column})

    def update(self, features: Tensor, unit_mos: Tensor, image: Tensor) -> None:
        """Add a batch: (I, F), (I,) in [0, 1], (I,)."""
        self.add_rows(image, features=features, unit_mos=unit_mos)

    def compute(self) -> dict[str, Any]:
        """Return arrays: ``features`` (N, F), ``unit_mos`` (N,) and ``image`` (N,), ascending."""
        return self.unique_rows()


class RidgeTask(QualityTask):
    """Fit in one epoch without an optimiser.

    Training steps only collect; so do validation steps, because what they would score is not known
    before their end. Then the weights are solved for, put into the network, and judged as ever.
    """

    network: RidgeNet
    fit_settings: RidgeStageSettings

    def __init__(
        self, network: RidgeNet, settings: RidgeStageSettings, inputs: StageInputs
    ) -> None:
        super().__init__(network, settings, inputs)
        self.training_images = ImageFeatures(network.width)
        self.validation_images = ImageFeatures(network.width)

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """Collect; there is no loss to descend."""
        del batch_index
        self._collect(batch, self.training_images)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Collect."""
        del batch_index
        self._collect(batch, self.validation_images)

    @torch.no_grad()
    def _collect(self, batch: Batch, images: ImageFeatures) -> None:
        size = self.fit_settings.crops.size
        for part in in_parts(batch, self.network, size):
            crops = make_crops(part, size, self.network.saliency_operator)
            images.update(self.network.features(crops), part.unit_mos, part.rows)

    def on_validation_epoch_end(self) -> None:
        """Solve, and log how well the solution judges both subsets."""
        train, val = self.training_images.compute(), self.validation_images.compute()
        loss = self.fit_settings.loss
        solutions = solve(train["features"], train["unit_mos"], loss.alphas)
        rows = torch.as_tensor(val["image"], device=self.device)
        dataset = None if self.datasets is None else self.datasets[rows].tolist()
        solution = choose(solutions, val["features"], val["unit_mos"], loss.chosen_by, dataset)
        self.network.take(solution)
        self.log("alpha", solution.alpha)
        self._judge("train", train)
        self.compare(*self._judge("val", val), rows)
        self.training_images.reset()
        self.validation_images.reset()
        super().on_validation_epoch_end()

    @torch.no_grad()
    def _judge(self, subset: str, rows: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Log the mean squared error; return the unit scores and the unit MOS, both (N,)."""
        features, unit_mos = (
            torch.as_tensor(rows[name], dtype=torch.float32, device=self.device)
            for name in ("features", "unit_mos")
        )
        scores = self.network.judge(features)
        self.log(f"{subset}/loss", (scores - unit_mos).square().mean())
        return scores, unit_mos

    def configure_optimizers(self) -> None:
        """There is none."""
