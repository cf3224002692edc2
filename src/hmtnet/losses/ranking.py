"""Losses that compare images: their order, and how linearly scores follow the MOS."""

from torch import Tensor

from hmtnet.losses.checks import at_least_float32, check_shape

# Scores that vary by less (unit scores, standard deviation) are taken for constant.
CONSTANT = 1e-3


def pairwise_ranking(unit_score: Tensor, unit_mos: Tensor, scale: float = 1.0) -> Tensor:
    """Ask that a better image lead by as much as people say: a hinge with a margin per pair.

        L = mean over pairs with m_i > m_j of max(0, scale · (m_i − m_j) − (s_i − s_j))

    A pair that people find equal says nothing and carries no loss. The margin in proportion to the
    MOS difference (ours) asks little of nearly equal images, where the MOS itself is uncertain.

    Args:
        unit_score: (N,) predicted, one per image.
        unit_mos: (N,) true.
        scale: The margin, as a part of the MOS difference, ≥ 0. At 1 perfect scores are just at
            the least loss; at 0 only the order matters (and a constant score has no loss).

    Returns:
        A scalar, at least 0; 0, with a gradient of zeros, if there is no pair.

    Raises:
        ValueError: Shapes disagree or ``scale`` is negative.

    >>> import torch
    >>> pairwise_ranking(torch.tensor([0.5, 0.5, 0.5]), torch.tensor([0.0, 0.5, 0.5])).item()
    0.5
    """
    unit_score, unit_mos = _checked(unit_score, unit_mos)
    if not scale >= 0:
        raise ValueError(f"Expected scale >= 0; found {scale}.")
    lead = unit_score[:, None] - unit_score
    wanted = unit_mos[:, None] - unit_mos
    better = wanted > 0
    short = (scale * wanted - lead).relu().masked_fill(~better, 0)
    return short.sum() / better.sum().clamp_min(1)


def plcc_loss(unit_score: Tensor, unit_mos: Tensor) -> Tensor:
    """Ask that scores follow the MOS on a line: (1 − ρ)/2, ρ Pearson's correlation (PLCC).

    0 for any rising line, 1 for any falling one, 0.5 for no relation. A standard deviation below
    0.001 (of scores or MOS, whose range is 1) counts as 0.001: constant scores have the loss 0.5
    and a finite gradient, which drives them apart in the right direction.

    Args:
        unit_score: (N,) predicted, one per image.
        unit_mos: (N,) true.

    Returns:
        A scalar in [0, 1]; 0, with a gradient of zeros, if N < 2.

    Raises:
        ValueError: Shapes disagree.
    """
    unit_score, unit_mos = _checked(unit_score, unit_mos)
    if len(unit_score) < 2:
        return 0 * unit_score.sum()
    scores, labels = unit_score - unit_score.mean(), unit_mos - unit_mos.mean()
    covariance = (scores * labels).mean()
    return (1 - covariance / (_deviation(scores) * _deviation(labels))) / 2


def _deviation(centred: Tensor) -> Tensor:
    # Clamped before the root, whose derivative at 0 is infinite.
    return centred.square().mean().clamp_min(CONSTANT**2).sqrt()


def _checked(unit_score: Tensor, unit_mos: Tensor) -> tuple[Tensor, Tensor]:
    if unit_score.ndim != 1:
        raise ValueError(
            f"Expected one score per image, shape (N,); found {tuple(unit_score.shape)}. "
            "Average an image's crops, and drop a last dimension of 1."
        )
    check_shape("unit_mos", unit_mos, tuple(unit_score.shape), of="unit_score")
    return at_least_float32(unit_score), at_least_float32(unit_mos)
