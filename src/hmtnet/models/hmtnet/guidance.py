"""How the grade prior guides the score: four ways, one interface.

All take features z (N, Z), the image's grade log-probabilities (N, K) and its embedding (N, D),
each repeated for the image's crops, and return unit scores (N,).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.data.grades import Grades
from hmtnet.models.heads import Regressor

PriorUse = Literal["mixture", "film", "concat", "none"]

PriorSource = Literal["frozen", "out_of_fold", "shuffled", "oracle"]
"""Whose grade prior guides the score of an image.

- ``frozen``: the grading network's own. In stage 2 that network is frozen; it has seen the training
  images, and is over-confident there.
- ``out_of_fold``: while stage 2 trains, that of a grading network which has not seen the image's
  content; otherwise, and in stage 3, as ``frozen``.
- ``shuffled``: that of another image, to see whether it matters what the prior says.
- ``oracle``: the true grade. It reads labels, also of test images: a bound, never a result.

The embeddings of different grading networks have nothing in common, and a true grade has none: with
``out_of_fold`` and ``oracle`` the embedding is zero throughout.
"""


class Mixture(nn.Module):
    """Grade first, position inside the grade second; features may overrule a wrong prior.

    score = Σ_k w_k (m_k + h_k tanh r_k(z)), w = softmax(log p + u(z)), with m_k the grade's
    midpoint and h_k half of its interval plus a margin. Ours. u and r start at zero, so that
    training starts from the prior itself: the score is then the prior's expected midpoint.
    """

    midpoints: Tensor
    halfwidths: Tensor

    def __init__(self, features: int, grades: Grades, margin: float) -> None:
        super().__init__()
        self.update = nn.Linear(features, grades.count)
        self.position = nn.Linear(features, grades.count)
        for layer in (self.update, self.position):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        midpoints = torch.as_tensor(grades.midpoints, dtype=torch.float32)
        halfwidths = torch.as_tensor(grades.halfwidths, dtype=torch.float32) + margin
        self.register_buffer("midpoints", midpoints, persistent=False)
        self.register_buffer("halfwidths", halfwidths, persistent=False)

    def forward(self, z: Tensor, log_grades: Tensor, embedding: Tensor) -> Tensor:
        """Mix the grades' intervals; the embedding is not used."""
        del embedding
        weights = (log_grades + self.update(z).float()).softmax(1)
        inside = self.midpoints + self.halfwidths * self.position(z).float().tanh()
        score: Tensor = (weights * inside).sum(1)
        return score


class Film(nn.Module):
    """Features scaled and shifted by the prior (FiLM: Perez et al., AAAI 2018)."""

    def __init__(self, features: int, count: int, embedding: int) -> None:
        super().__init__()
        self.condition = nn.Sequential(
            nn.Linear(count + embedding, features), nn.ReLU(inplace=True)
        )
        self.scale_shift = nn.Linear(features, 2 * features)
        nn.init.zeros_(self.scale_shift.weight)
        nn.init.zeros_(self.scale_shift.bias)
        self.score = Regressor(features)

    def forward(self, z: Tensor, log_grades: Tensor, embedding: Tensor) -> Tensor:
        """Modulate z, then regress."""
        condition = self.condition(torch.cat([log_grades.exp(), embedding], 1))
        scale, shift = self.scale_shift(condition).chunk(2, 1)
        score: Tensor = self.score(F.relu((1 + scale) * z + shift))
        return score


class Concat(nn.Module):
    """Prior and features side by side into a regressor: the plainest use of a prior."""

    def __init__(self, features: int, count: int, embedding: int) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(features + count + embedding, features),
            nn.ReLU(inplace=True),
            Regressor(features),
        )

    def forward(self, z: Tensor, log_grades: Tensor, embedding: Tensor) -> Tensor:
        """Regress from (z, p, embedding)."""
        score: Tensor = self.score(torch.cat([z, log_grades.exp(), embedding], 1))
        return score


class Unguided(nn.Module):
    """A regressor that does not look at the prior: what guidance must beat."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.score = Regressor(features)

    def forward(self, z: Tensor, log_grades: Tensor, embedding: Tensor) -> Tensor:
        """Regress from z alone."""
        del log_grades, embedding
        score: Tensor = self.score(z)
        return score


def guidance(
    use: PriorUse, features: int, grades: Grades, embedding: int, margin: float
) -> nn.Module:
    """Make the guidance head that ``use`` names."""
    if use == "mixture":
        return Mixture(features, grades, margin)
    if use == "film":
        return Film(features, grades.count, embedding)
    if use == "concat":
        return Concat(features, grades.count, embedding)
    return Unguided(features)
