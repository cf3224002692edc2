"""Contrastive learning with labels: pull together what has the same grade (or SR method)."""

import torch
from torch import Tensor

from hmtnet.losses.checks import at_least_float32, check_shape


def supervised_contrastive(
    embeddings: Tensor,
    keys: Tensor,
    image: Tensor,
    *,
    temperature: float = 0.1,
    scores: Tensor | None = None,
    sigma: float | None = None,
    among: Tensor | None = None,
) -> Tensor:
    """Ask of every crop that crops of other images with its key be nearer than all others.

    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2 (the mean over the
    positives is outside the logarithm):

        L = mean over i of −Σ_{p ∈ P(i)} w_ip · log( exp(z_i·z_p/τ) / Σ_{a ∈ A(i)} exp(z_i·z_a/τ) )

    A(i) are the crops of *other images* and P(i) those of A(i) with the key of i. Other crops of
    the same image are neither: to find them similar is too easy, and to push them apart is wrong
    (ours). The mean is over the crops that have a positive at all; the others still serve as
    negatives.

    The weights are w_ip = 1/|P(i)|; with ``scores``, w_ip ∝ exp(−|score_i − score_p|/σ), summing to
    1 over P(i), so that the nearest in quality count most among those of one grade (ours).

    Args:
        embeddings: (N, D) unit vectors, all of all processes
            (:func:`hmtnet.losses.gather_across_processes`).
        keys: (N,) integers; crops with equal keys are positives.
        image: (N,) integers that tell the images apart.
        temperature: τ > 0.
        scores: (N,) MOS of each crop's image; needs ``sigma``.
        sigma: σ > 0, in the unit of ``scores``; needs ``scores``.
        among: (N,) integers; crops are compared with those of the same number alone, such as that
            of their dataset. None compares all.

    Returns:
        A scalar, at least 0; 0, with a gradient of zeros, if no crop has a positive.

    Raises:
        ValueError: Shapes disagree, ``temperature`` or ``sigma`` is not positive, or only one of
            ``scores`` and ``sigma`` is given.
    """
    if embeddings.ndim != 2:
        raise ValueError(
            f"Expected embeddings of shape (N, D); found {tuple(embeddings.shape)}. "
            "Flatten crops and images into one dimension."
        )
    count = (len(embeddings),)
    check_shape("keys", keys, count, of="embeddings")
    check_shape("image", image, count, of="embeddings")
    if not temperature > 0:
        raise ValueError(f"Expected temperature > 0; found {temperature}.")
    others = image[:, None] != image
    if among is not None:
        check_shape("among", among, count, of="embeddings")
        others &= among[:, None] == among
    positives = others & (keys[:, None] == keys)
    far = _distance(scores, sigma, count)
    # Under autocast the product would be rounded to half precision and then divided by τ.
    with torch.autocast(embeddings.device.type, enabled=False):
        vectors = at_least_float32(embeddings)
        similarity = vectors @ vectors.T / temperature
    # The lowest finite number, not −inf: a row without others stays finite, and is not counted.
    lowest = torch.finfo(similarity.dtype).min
    log_share = similarity.masked_fill(~others, lowest).log_softmax(dim=1)
    closeness = torch.zeros_like(similarity) if far is None else -far.to(similarity.dtype)
    weights = closeness.masked_fill(~positives, lowest).softmax(dim=1)
    losses = -(weights * log_share).masked_fill(~positives, 0).sum(dim=1)
    anchors = positives.any(dim=1).sum()
    return losses.sum() / anchors.clamp_min(1)


def _distance(scores: Tensor | None, sigma: float | None, count: tuple[int]) -> Tensor | None:
    """(N, N) distances in quality, in units of sigma; none without scores."""
    if scores is None and sigma is None:
        return None
    if scores is None or sigma is None:
        raise ValueError(
            "Expected scores and sigma together, or neither; found only "
            f"{'sigma' if scores is None else 'scores'}. Give the other, or leave both out."
        )
    if not sigma > 0:
        raise ValueError(f"Expected sigma > 0, in the unit of the scores; found {sigma}.")
    check_shape("scores", scores, count, of="embeddings")
    mos = at_least_float32(scores)
    return (mos[:, None] - mos).abs() / sigma
