"""Ridge regression in closed form, in float64.

Hoerl & Kennard, Technometrics 1970. With standardised features X (N, F) and centred MOS y, the
weights that minimise |X w - y|² + N F alpha |w|² are w = V diag(s / (s² + N F alpha)) Uᵀ y, where
X = U diag(s) Vᵀ: one decomposition serves every alpha. N F is the sum of squares of X, so that the
same alphas suit any number of images and any backbone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hmtnet.metrics import rmse, srcc
from hmtnet.metrics.groups import mean_over_datasets

Floats = NDArray[np.float64]
Criterion = Literal["srcc", "rmse"]

# A feature that varies by less than this share of its size is not blown up to the weight of the
# others: what varies there is to a good part rounding.
LEAST_VARIATION = 1e-3


@dataclass(frozen=True)
class Solution:
    """score = weight · (feature - centre) / scale + bias.

    Attributes:
        centre: (F,).
        scale: (F,).
        weight: (F,).
        bias: The mean MOS, in [0, 1].
        alpha: The penalty it was solved with.
    """

    centre: Floats
    scale: Floats
    weight: Floats
    bias: float
    alpha: float

    def score(self, features: Floats) -> Floats:
        """Score images by their features (N, F)."""
        scores: Floats = (features - self.centre) / self.scale @ self.weight + self.bias
        return scores


def solve(features: Floats, unit_mos: Floats, alphas: Sequence[float]) -> list[Solution]:
    """Solve for every penalty.

    Args:
        features: (N, F) of the training images.
        unit_mos: (N,) in [0, 1].
        alphas: Positive penalties, relative to N F.

    Returns:
        One solution per penalty, in their order.
    """
    centre = features.mean(0)
    scale = np.maximum(features.std(0), LEAST_VARIATION * np.abs(centre))
    scale[scale == 0] = 1.0  # a channel that never fires
    bias = float(unit_mos.mean())
    u, s, v = np.linalg.svd((features - centre) / scale, full_matrices=False)
    seen = u.T @ (unit_mos - bias)
    return [
        Solution(centre, scale, (s / (s**2 + features.size * alpha) * seen) @ v, bias, alpha)
        for alpha in alphas
    ]


def choose(
    solutions: Sequence[Solution],
    features: Floats,
    unit_mos: Floats,
    by: Criterion,
    dataset: Sequence[int] | None = None,
) -> Solution:
    """Choose the solution that judges the validation images best.

    Args:
        solutions: At least one.
        features: (N, F) of the validation images.
        unit_mos: (N,) in [0, 1].
        by: ``"srcc"`` (what also chooses an epoch elsewhere) or ``"rmse"``. Equally good ones, and
            all where SRCC is undefined, are told apart by the RMSE, then by the larger penalty.
        dataset: (N,) numbers of the images' datasets, over which both are averaged; None: of one.
    """
    of = [0] * len(unit_mos) if dataset is None else dataset

    def badness(solution: Solution) -> tuple[float, float, float]:
        scores = solution.score(features)
        error = mean_over_datasets(rmse, scores, unit_mos, of)
        agreement = mean_over_datasets(srcc, scores, unit_mos, of) if by == "srcc" else math.nan
        # Rounded: equal up to the order of a sum is equal.
        first = 0.0 if math.isnan(agreement) else -round(agreement, 9)
        return first, error, -solution.alpha

    return min(solutions, key=badness)
