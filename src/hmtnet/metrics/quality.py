"""Metrics that gather batches, on one process or on many, and count every image once.

The distributed sampler pads: 101 images on 8 processes become 104. So each update says which image
a row belongs to, and :meth:`compute` keeps the first row of every image. Rows are put in the order
of the images' ids, so that neither batches nor processes change the last digit.

    self.quality.update(score, mos, image)                 # in validation_step
    self.log_dict(self.quality.compute())                  # in on_validation_epoch_end
    self.quality.reset()

A process without any image is fine. Values are kept as float64: bfloat16 is widened at the door.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from hmtnet.errors import listed
from hmtnet.metrics import correlation, grading
from hmtnet.metrics.checks import Floats, Integers, MetricError, require_finite
from hmtnet.metrics.groups import mean_over_datasets


class PerImage(Metric):
    """Rows of values, one per image, gathered over batches and processes.

    Args:
        columns: Name of each column, and the shape and type of a column without rows.
        tolerance: By how much two rows of one image may differ, relative to the largest magnitude
            in the column. Padding repeats an image in another batch, where half precision may round
            differently (bfloat16: .004); rows that differ by more were not one image's: crops, say,
            that should have been reduced to an image first. Whole numbers must be equal.
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    def __init__(self, columns: dict[str, Tensor], tolerance: float = 0.01) -> None:
        super().__init__()
        self.tolerance = tolerance
        self._empty = {**columns, "image": torch.empty(0, dtype=torch.int64)}
        for name in self._empty:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def add_rows(self, image: Tensor, **columns: Tensor) -> None:
        """Add a batch.

        Args:
            image: (B,) whole numbers: the images' ids, rows of the manifest.
            **columns: (B, …) the values, by name of the column.

        Raises:
            MetricError: If a shape does not fit.
        """
        batch = {**columns, "image": image}
        for name, values in batch.items():  # all are checked before one is kept
            expected = (len(image) if image.ndim else 1, *self._empty[name].shape[1:])
            if tuple(values.shape) != expected:
                raise MetricError(
                    f"{name}: expected shape {expected}, a row for each image, found "
                    f"{tuple(values.shape)}."
                )
        for name, values in batch.items():
            kept = values.detach().to(self.device, self._empty[name].dtype)
            getattr(self, name).append(kept)

    def sync(
        self,
        dist_sync_fn: Callable[..., Any] | None = None,
        process_group: Any | None = None,
        should_sync: bool = True,
        distributed_available: Callable[..., Any] | None = None,
    ) -> None:
        """Gather the processes' states, after giving each its type also where it has no rows.

        torchmetrics would send a float32 vector for a state without rows, whatever the others send,
        and the exchange would break.
        """
        for name in self._empty:
            setattr(self, name, [self._joined(name)])
        super().sync(dist_sync_fn, process_group, should_sync, distributed_available)

    def unique_rows(self) -> dict[str, Any]:
        """Return the columns as arrays, one row per image, in the order of the images' ids.

        Returns:
            Name of the column to (N, …) array; ``image`` to (N,) int64.

        Raises:
            MetricError: If a value is not finite (the images are named), or if rows of one image
                differ.
        """
        rows = {name: self._joined(name).cpu().numpy() for name in self._empty}
        image: Integers = rows.pop("image")
        for name, values in rows.items():
            if values.dtype == np.float64:
                require_finite(values, name, image.tolist())
        kept_images, first, inverse = np.unique(image, return_index=True, return_inverse=True)
        for name, values in rows.items():
            self._require_agreement(name, values, values[first][inverse], image)
        return {"image": kept_images, **{name: values[first] for name, values in rows.items()}}

    def _require_agreement(
        self, name: str, values: Floats | Integers, kept: Floats | Integers, image: Integers
    ) -> None:
        real = values.dtype == np.float64
        allowed = self.tolerance * np.abs(values).max(initial=0) if real else 0
        across = tuple(range(1, values.ndim))
        differ = np.abs(values - kept).max(axis=across, initial=0) > allowed
        if differ.any():
            raise MetricError(
                f"{name}: expected one value per image, found different ones for image(s) "
                f"{listed(np.unique(image[differ]))}. Reduce crops to their image before the "
                "update, and reset the metric after each epoch."
            )

    def _joined(self, name: str) -> Tensor:
        """Return a column as one tensor of its declared type, gathered from processes or not."""
        state = getattr(self, name)
        batches = [state] if isinstance(state, Tensor) else state
        empty = self._empty[name].to(self.device)
        return dim_zero_cat([empty, *batches]).to(empty.dtype)

    def results(self, **values: float) -> dict[str, Tensor]:
        """Return numbers as float64 scalars on the metric's device."""
        return {
            name: torch.tensor(value, dtype=torch.float64, device=self.device)
            for name, value in values.items()
        }


class QualityMetrics(PerImage):
    """SRCC, PLCC, KRCC and RMSE at the level of images; of several datasets, the mean over them.

    Args:
        tolerance: See :class:`PerImage`.

    Example:
        >>> import torch
        >>> metric = QualityMetrics()
        >>> mos = torch.tensor([1.0, 2.0, 3.0])
        >>> metric.update(torch.tensor([1.0, 2.0, 4.0]), mos, image=torch.arange(3))
        >>> metric.update(torch.tensor([4.0]), mos[2:], image=torch.tensor([2]))  # padding
        >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
        {'srcc': 1.0, 'plcc': 0.982, 'krcc': 1.0, 'rmse': 0.577}
    """

    def __init__(self, tolerance: float = 0.01) -> None:
        column, whole = torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.int64)
        super().__init__({"score": column, "mos": column, "dataset": whole}, tolerance)

    def update(
        self, score: Tensor, mos: Tensor, image: Tensor, dataset: Tensor | None = None
    ) -> None:
        """Add a batch.

        Args:
            score: (B,) predicted scores, any floating type.
            mos: (B,) human scores in the same unit.
            image: (B,) the images' ids, whole numbers.
            dataset: (B,) number of each image's dataset; None where there is one dataset.

        Raises:
            MetricError: If a shape does not fit.
        """
        one = torch.zeros_like(image) if dataset is None else dataset
        self.add_rows(image, score=score, mos=mos, dataset=one)

    def compute(self) -> dict[str, Tensor]:
        """Return ``srcc``, ``plcc``, ``krcc`` and ``rmse`` as float64 scalars.

        NaN is undefined: no correlation exists for a constant input or for fewer than two images.

        Raises:
            MetricError: If a score is not finite (the images are named), or if an image came with
                different scores.
        """
        rows = self.unique_rows()
        columns = rows["score"], rows["mos"], rows["dataset"].tolist()
        return self.results(
            srcc=mean_over_datasets(correlation.srcc, *columns),
            plcc=mean_over_datasets(correlation.plcc, *columns),
            krcc=mean_over_datasets(correlation.krcc, *columns),
            rmse=mean_over_datasets(correlation.rmse, *columns),
        )


class GradeMetrics(PerImage):
    """Accuracy, ±1 accuracy, quadratic kappa and calibration error of the images' grades.

    The predicted grade is the median of the probabilities (:func:`grading.median_grade`).

    Args:
        count: K, the number of grades.
        tolerance: See :class:`PerImage`.
    """

    def __init__(self, count: int, tolerance: float = 0.01) -> None:
        super().__init__(
            {
                "probabilities": torch.empty(0, count, dtype=torch.float64),
                "true": torch.empty(0, dtype=torch.int64),
            },
            tolerance,
        )

    def update(self, probabilities: Tensor, true: Tensor, image: Tensor) -> None:
        """Add a batch.

        Args:
            probabilities: (B, K) the images' grade probabilities (means over crops); rows sum to 1.
            true: (B,) true grades, 0..K-1.
            image: (B,) the images' ids, whole numbers.

        Raises:
            MetricError: If a shape does not fit.
        """
        self.add_rows(image, probabilities=probabilities, true=true)

    def compute(self) -> dict[str, Tensor]:
        """Return ``accuracy``, ``adjacent_accuracy``, ``kappa`` and ``ece`` as float64 scalars.

        Raises:
            MetricError: If a probability is not finite (the images are named), a row is not a
                distribution, a grade is not in 0..K-1, or an image came with different rows.
        """
        rows = self.unique_rows()
        probabilities, true = rows["probabilities"], rows["true"]
        # First, because it checks what the others rely on: K grades, and rows that sum to 1.
        ece = grading.expected_calibration_error(probabilities, true)
        predicted = grading.median_grade(probabilities)
        return self.results(
            accuracy=grading.accuracy(true, predicted),
            adjacent_accuracy=grading.adjacent_accuracy(true, predicted),
            kappa=grading.quadratic_kappa(true, predicted),
            ece=ece,
        )
