"""PLCC and RMSE after the logistic mapping, gathered over batches and processes."""

import torch
from torch import Tensor

from hmtnet.metrics import mapping
from hmtnet.metrics.quality import PerImage


class MappedQuality(PerImage):
    """PLCC and RMSE after a logistic mapping that is fitted to all images together.

    How the fit went is not a number and is not logged: ask :func:`~hmtnet.metrics.fit_mapping` with
    the final predictions.

    Args:
        parameters: Of the mapping, 4 or 5.
        tolerance: See :class:`~hmtnet.metrics.quality.PerImage`.

    Example:
        >>> import torch
        >>> metric = MappedQuality()
        >>> score = torch.linspace(-3, 3, 9)
        >>> metric.update(score, torch.sigmoid(score), image=torch.arange(9))
        >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
        {'mapped_plcc': 1.0, 'mapped_rmse': 0.0}
    """

    def __init__(self, parameters: int = 4, tolerance: float = 0.01) -> None:
        column = torch.empty(0, dtype=torch.float64)
        super().__init__({"score": column, "mos": column}, tolerance)
        mapping.fit_mapping([], [], parameters)  # an unknown form is told now, not after an epoch
        self.parameter_count = parameters

    def update(self, score: Tensor, mos: Tensor, image: Tensor) -> None:
        """Add a batch.

        Args:
            score: (B,) predicted scores, any floating type and unit.
            mos: (B,) human scores.
            image: (B,) the images' ids, whole numbers.

        Raises:
            MetricError: If a shape does not fit.
        """
        self.add_rows(image, score=score, mos=mos)

    def compute(self) -> dict[str, Tensor]:
        """Return ``mapped_plcc`` and ``mapped_rmse`` as float64 scalars; NaN is undefined.

        Raises:
            MetricError: If a score is not finite (the images are named), or if an image came with
                different scores.
        """
        rows = self.unique_rows()
        plcc, rmse, _ = mapping.mapped_agreement(rows["score"], rows["mos"], self.parameter_count)
        return self.results(mapped_plcc=plcc, mapped_rmse=rmse)
