"""Agreement within cells and within references, gathered over batches and processes."""

import torch
from torch import Tensor

from hmtnet.metrics import groups
from hmtnet.metrics.checks import Integers
from hmtnet.metrics.quality import PerImage


class WithinQuality(PerImage):
    """Kendall's τ and SRCC within (method, scale) cells, and SRCC within references.

    Cells and references are spread over batches and processes, so that no mean over batches could
    give these numbers.

    Args:
        tolerance: See :class:`~hmtnet.metrics.quality.PerImage`.

    Example:
        >>> import torch
        >>> metric = WithinQuality()
        >>> mos = torch.tensor([1.0, 2.0, 5.0, 7.0])
        >>> one = torch.zeros(4, dtype=torch.int64)
        >>> cell = torch.tensor([0, 0, 1, 1])
        >>> metric.update(torch.tensor([1.0, 2.0, 9.0, 8.0]), mos, cell, one, torch.arange(4))
        >>> metric.compute()["within_tau"].item()  # one pair agrees, one does not
        0.0
    """

    def __init__(self, tolerance: float = 0.01) -> None:
        real, whole = torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.int64)
        columns = {"score": real, "mos": real, "cell": whole, "reference": whole}
        super().__init__(columns, tolerance)

    def update(
        self, score: Tensor, mos: Tensor, cell: Tensor, reference: Tensor, image: Tensor
    ) -> None:
        """Add a batch.

        Args:
            score: (B,) predicted scores, any floating type.
            mos: (B,) human scores.
            cell: (B,) number of each image's (method, scale), from 0; -1 where it is not known.
            reference: (B,) number of each image's reference, from 0; -1 where it is not known.
            image: (B,) the images' ids, whole numbers.

        Raises:
            MetricError: If a shape does not fit.
        """
        self.add_rows(image, score=score, mos=mos, cell=cell, reference=reference)

    def compute(self) -> dict[str, Tensor]:
        """Return ``within_tau``, ``within_srcc`` and ``within_reference_srcc``, float64 scalars.

        NaN is undefined: no cell or reference has what the number needs.

        Raises:
            MetricError: If a score is not finite (the images are named), or if an image came with
                different scores, cells or references.
        """
        rows = self.unique_rows()
        score, mos = rows["score"], rows["mos"]
        cells, references = _known(rows["cell"]), _known(rows["reference"])
        return self.results(
            within_tau=groups.within_tau(score, mos, cells),
            within_srcc=groups.within_srcc(score, mos, cells),
            within_reference_srcc=groups.within_reference_srcc(score, mos, references),
        )


def _known(number: Integers) -> list[int | None]:
    """Return group numbers, None for those below 0."""
    return [None if value < 0 else value for value in number.tolist()]
