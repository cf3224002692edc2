"""A network's judgement of one image, from any number of tiles in bounded memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hmtnet.data.crops import Corner, Crops
from hmtnet.models.hmtnet.grading import GradingPrediction
from hmtnet.models.hmtnet.network import HMTNet
from hmtnet.models.hmtnet.sfen import Prior
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.scoring.tiles import Tiles

See = Callable[[Sequence[Corner], dict[str, Tensor]], None]
"""What is told the maps of each group of tiles, with the tiles' corners."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a network says of one image: means over its tiles, float64, on the CPU.

    Attributes:
        unit_score: ().
        probabilities: (K,) of the grades, worst first; None for a network without grades.
        embedding: (D,) the grading network's; None for others.
    """

    unit_score: Tensor
    probabilities: Tensor | None
    embedding: Tensor | None


@torch.inference_mode()
def judge(network: QualityNetwork, tiles: Tiles, see: See) -> Judgement:
    """Judge an image by its tiles.

    A network that judges each crop by itself is shown one group of tiles after the other. The means
    are taken at the end, of all tiles at once and in float64, so that it does not show how tiles
    were grouped. In an HMTNet the crops know of each other by the prior, which is the whole
    image's: there all tiles are graded first, then scored.

    Any other network is shown all tiles together, since nothing is known of how its crops depend on
    each other: the judgement is right, but memory grows with the number of tiles.

    Args:
        network: In evaluation mode, on the tiles' device.
        tiles: The image.
        see: Told the maps of each group of tiles.
    """
    if network.by_crop:
        return _mean(network, tiles.groups(), see)
    if not isinstance(network, HMTNet):
        return _mean(network, [tiles.together()], see)
    grading = _mean(network.grading, tiles.groups(), see)
    prior = _prior(network, grading, tiles)

    def score(crops: Crops) -> Prediction:
        repeated = Prior(
            prior.log_grades.expand(crops.images, -1), prior.embedding.expand(crops.images, -1)
        )
        prediction: Prediction = network.sfen(crops, repeated)
        return prediction

    return replace(_mean(score, tiles.groups(), see), probabilities=grading.probabilities)


def _mean(
    ask: Callable[[Crops], Prediction],
    groups: Iterable[tuple[Sequence[Corner], Crops]],
    see: See,
) -> Judgement:
    """Ask of each group of crops, and return the mean over the images that they declare."""
    scores: list[Tensor] = []
    probabilities: list[Tensor] = []
    embeddings: list[Tensor] = []
    for corners, crops in groups:
        prediction = ask(crops)
        scores.append(prediction.unit_score.cpu())
        if prediction.log_grades is not None:
            probabilities.append(prediction.log_grades.cpu().double().exp())
        if isinstance(prediction, GradingPrediction) and prediction.embedding is not None:
            embeddings.append(prediction.embedding.cpu())
        see(corners, prediction.maps)
    return Judgement(
        unit_score=torch.cat(scores).double().mean(),
        probabilities=torch.cat(probabilities).mean(0) if probabilities else None,
        embedding=torch.cat(embeddings).double().mean(0) if embeddings else None,
    )


def _prior(network: HMTNet, grading: Judgement, tiles: Tiles) -> Prior:
    """Return what the network makes of its grading of the whole image: (1, K) and (1, D)."""
    assert grading.probabilities is not None and grading.embedding is not None
    prediction = GradingPrediction(
        unit_score=grading.unit_score.float()[None].to(tiles.device),
        log_grades=grading.probabilities.log().float()[None].to(tiles.device),
        embedding=grading.embedding.float()[None].to(tiles.device),
    )
    # What the prior is made of depends on the network's settings, so the network is asked; of the
    # crops it only looks at how many images they are of.
    nothing = torch.zeros(0, device=tiles.device)
    return network.prior(Crops(pixels=nothing, image=nothing.long(), images=1), prediction)
