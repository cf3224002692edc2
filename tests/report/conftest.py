from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hmtnet.artifact.predictions import Predictions


def make(
    n: int = 60,
    *,
    methods: int = 4,
    scales: int = 3,
    grades: int = 5,
    seed: int = 0,
    **columns: Any,
) -> Predictions:
    """Predictions of a middling system, in the unit 0..1; `columns` replaces whole columns."""
    random = np.random.default_rng(seed)
    mos = random.uniform(0.02, 0.98, n)
    score = np.clip(mos + 0.1 * random.normal(size=n), 0, 1)
    true = np.minimum((mos * 5).astype(np.int64), 4)
    grade = np.minimum((score * 5).astype(np.int64), 4)
    probabilities = np.full((n, grades), 0.2 / max(grades - 1, 1))
    if grades:
        probabilities[np.arange(n), grade] = 0.8
    table: dict[str, Any] = {
        "image": tuple(f"images/{i}.png" for i in range(n)),
        "subset": ("test",) * n,
        "mos": mos,
        "mos_std": np.full(n, np.nan),
        "score": score,
        "grade": grade if grades else np.full(n, -1),
        "true_grade": true if grades else np.full(n, -1),
        "probabilities": probabilities,
        "reference": tuple(f"ref{i % 7}" for i in range(n)),
        "method": tuple(f"method{i % methods}" if methods else None for i in range(n)),
        "scale": tuple(2 + i % scales if scales else None for i in range(n)),
    }
    return Predictions(**(table | columns))


@pytest.fixture
def predictions() -> Callable[..., Predictions]:
    return make
