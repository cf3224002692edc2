"""What training minimises, besides the plain L1 on scores.

Pure functions that return a scalar; they know no network and no dataset. Every one is computed in
float32 or better, also under autocast, and where it has nothing to compare (one image, no pair) it
returns a zero that is still part of the graph, so that a backward pass needs no special case.

- ``losses.contrastive``: ``supervised_contrastive``.
- ``losses.processes``: ``gather_across_processes``, and ``gathered`` in training, for losses that
  compare images.
- ``losses.ordinal``: ``grade_loss`` and its three kinds, on log-probabilities.
- ``losses.ranking``: ``pairwise_ranking``, ``plcc_loss``.
- ``losses.similarity``: ``ssim_loss``, of maps.
"""

from hmtnet.losses.contrastive import supervised_contrastive
from hmtnet.losses.ordinal import GradeLoss, cross_entropy, grade_loss, ordinal, soft
from hmtnet.losses.processes import gather_across_processes, gathered
from hmtnet.losses.ranking import pairwise_ranking, plcc_loss
from hmtnet.losses.similarity import ssim_loss

__all__ = [
    "GradeLoss",
    "cross_entropy",
    "gather_across_processes",
    "gathered",
    "grade_loss",
    "ordinal",
    "pairwise_ranking",
    "plcc_loss",
    "soft",
    "ssim_loss",
    "supervised_contrastive",
]
