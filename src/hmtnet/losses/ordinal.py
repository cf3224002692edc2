"""Losses of a grade: three answers to how wrong a wrong grade is.

All take *log-probabilities*, so that one function serves both uses: a crop's (``log_softmax`` of
its logits) and an image's, which are no softmax of anything: the mean over its crops of their
probabilities, whose logarithm is ``logsumexp`` over the crops' log-probabilities − log(crops).
"""

from typing import Literal

import torch
from torch import Tensor

from hmtnet.losses.checks import at_least_float32, check_shape

GradeLoss = Literal["cross_entropy", "ordinal", "soft"]


def grade_loss(
    log_probabilities: Tensor, grade: Tensor, kind: GradeLoss, *, sigma: float = 0.5
) -> Tensor:
    """Judge predicted grades by the loss named ``kind``.

    Args:
        log_probabilities: (B, K); a row's exponentials sum to 1.
        grade: (B,) true grades, integers 0 … K-1 in the order of quality.
        kind: ``cross_entropy``, ``ordinal`` or ``soft``: see the function of that name.
        sigma: In grades; read by ``soft`` alone.

    Returns:
        A scalar, the mean over B; 0, with a gradient of zeros, if B is 0.

    Raises:
        ValueError: Shapes disagree, K < 2, ``grade`` holds no integers, or an unknown ``kind``.
    """
    if kind == "cross_entropy":
        return cross_entropy(log_probabilities, grade)
    if kind == "ordinal":
        return ordinal(log_probabilities, grade)
    if kind == "soft":
        return soft(log_probabilities, grade, sigma)
    raise ValueError(f"Expected kind cross_entropy, ordinal or soft; found {kind!r}.")


def cross_entropy(log_probabilities: Tensor, grade: Tensor) -> Tensor:
    """Average −log p_g: every wrong grade is equally wrong.

    Arguments, result and errors as for :func:`grade_loss`; at least 0, at p_g = 1.

    >>> round(cross_entropy(torch.tensor([[0.25, 0.75]]).log(), torch.tensor([1])).item(), 4)
    0.2877
    """
    logs = _checked(log_probabilities, grade)
    return -_mean(logs.gather(1, grade.long()[:, None]).squeeze(1))


def ordinal(log_probabilities: Tensor, grade: Tensor) -> Tensor:
    """Average the squared distance between cumulative distributions: far grades are worse.

        1/(K−1) · Σ_{k=1}^{K−1} (P(grade < k) − [g < k])²

    Hou, Yu and Samaras, "Squared Earth Mover's Distance-based Loss for Training Deep Neural
    Networks", 2016; with probability p on a grade that is d steps off and 1−p on the true one the
    sum is d·p². We divide by K−1, so that the worst case is 1 for every number of grades and the
    loss keeps its weight beside others.

    Arguments, result and errors as for :func:`grade_loss`; in [0, 1], 0 at p_g = 1.

    >>> round(ordinal(torch.tensor([[0.5, 0.0, 0.5]]).log(), torch.tensor([0])).item(), 4)
    0.25
    """
    logs = _checked(log_probabilities, grade)
    # The last sums are 1 on both sides.
    predicted = logs.exp().cumsum(dim=1)[:, :-1]
    true = grade[:, None] <= torch.arange(predicted.shape[1], device=grade.device)
    return _mean((predicted - true.to(predicted.dtype)).square().mean(dim=1))


def soft(log_probabilities: Tensor, grade: Tensor, sigma: float = 0.5) -> Tensor:
    """Average the cross entropy against a Gaussian over the distance in grades.

        −Σ_k t_k log p_k, t_k ∝ exp(−(k − g)²/(2σ²)), Σ_k t_k = 1

    Díaz and Marathe, "Soft Labels for Ordinal Regression", CVPR 2019. A MOS near an edge belongs a
    little to both grades; t says so, and keeps the network from over-confidence. The least value is
    the entropy of t, at p = t. With σ = 0.5 a middle grade has t = 0.79, its neighbours 0.11 each.

    Arguments, result and errors as for :func:`grade_loss`; also ``ValueError`` if ``sigma`` ≤ 0.
    """
    logs = _checked(log_probabilities, grade)
    if not sigma > 0:
        raise ValueError(f"Expected sigma > 0 grades; found {sigma}.")
    steps = torch.arange(logs.shape[1], device=grade.device) - grade[:, None]
    target = (-steps.to(logs.dtype).square() / (2 * sigma**2)).softmax(dim=1)
    return -_mean((target * logs).sum(dim=1))


def _checked(log_probabilities: Tensor, grade: Tensor) -> Tensor:
    if log_probabilities.ndim != 2 or log_probabilities.shape[1] < 2:
        raise ValueError(
            "Expected log-probabilities of shape (B, K) of at least two grades; "
            f"found {tuple(log_probabilities.shape)}."
        )
    check_shape("grade", grade, (len(log_probabilities),), of="the log-probabilities")
    if grade.is_floating_point():
        raise ValueError(
            f"Expected integer grades 0 … K-1; found {grade.dtype}. Cut the MOS into grades first."
        )
    return at_least_float32(log_probabilities)


def _mean(values: Tensor) -> Tensor:
    return values.sum() / max(len(values), 1)
