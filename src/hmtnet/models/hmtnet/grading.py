"""GradingNet: which of K grades a crop belongs to, and where that shows.

The published abstract says "a quality grading network which integrates a U-Net and contrastive
learning"; how is our reconstruction (README.md beside this file).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import register_dataclass

from hmtnet.data.crops import Crops
from hmtnet.data.grades import Grades
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import Backbone, BackboneSettings, double_convolution
from hmtnet.models.heads import normaliser
from hmtnet.models.maps import MapStyle
from hmtnet.models.quality import Means, Prediction, QualityNetwork


@dataclass(frozen=True, kw_only=True)
class GradingSettings:
    """Settings of a GradingNet.

    Attributes:
        encoder: The contracting path.
        decoder: Channels of the expanding path, from coarse to fine; empty halves the encoder's.
        embedding: Dimensions of the contrastive embedding.
    """

    encoder: BackboneSettings = field(default_factory=BackboneSettings)
    decoder: tuple[int, ...] = ()
    embedding: int = 128


@dataclass
class GradePrior:
    """What the grading network says of N crops.

    Attributes:
        logits: (N, K), worst grade first.
        embedding: (N, D) unit vectors; crops of one grade lie together.
        evidence: (N, K, h, w): what each place says, before weighting.
        weight: (N, 1, h, w): how much each place counts, sums to 1 over a crop.
    """

    logits: Tensor
    embedding: Tensor
    evidence: Tensor
    weight: Tensor


@dataclass
class GradingPrediction(Prediction):
    """A prediction with the crops' grade prior.

    Attributes:
        prior: What was said of each crop.
        embedding: (I, D) mean embedding of each image.
    """

    prior: GradePrior | None = None
    embedding: Tensor | None = None

    def means(self) -> Means:
        """Add the embedding."""
        assert self.embedding is not None
        return {**super().means(), "embedding": self.embedding.cpu().double()}


register_dataclass(GradePrior)
register_dataclass(GradingPrediction)

EVIDENCE = MapStyle(
    kind="evidence",
    title="grade evidence",
    hint="the grade that a place speaks for",
    weighted_by="grade_weight",
)


class GradingNet(QualityNetwork):
    """U-Net with dense grade evidence and a contrastive head.

    Args:
        settings: Architecture.
        grades: The grades; their midpoints turn probabilities into a score.
    """

    graded = True
    by_crop = True
    shows: Mapping[str, MapStyle] = {
        "grade_evidence": EVIDENCE,
        "grade_weight": MapStyle(kind="share"),
    }
    midpoints: Tensor

    def __init__(self, settings: GradingSettings, grades: Grades) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = Backbone(settings.encoder)
        channels = self.encoder.channels
        widths = settings.decoder or tuple(max(8, c // 2) for c in reversed(channels[:-1]))
        if len(widths) != len(channels) - 1:
            raise SettingsError(
                f"decoder: expected {len(channels) - 1} widths for {len(channels)} encoder levels, "
                f"found {len(widths)}"
            )
        inputs = [channels[-1], *widths[:-1]]
        skips = list(reversed(channels[:-1]))
        self.decoder = nn.ModuleList(
            double_convolution(i + s, w) for i, s, w in zip(inputs, skips, widths, strict=True)
        )
        self.evidence = nn.Conv2d(widths[-1], grades.count, 1)
        self.weight = nn.Conv2d(widths[-1], 1, 1)
        self.context = nn.Sequential(
            normaliser(channels[-1]), nn.Linear(channels[-1], grades.count)
        )
        self.project = nn.Sequential(
            nn.Linear(channels[-1], channels[-1]),
            nn.ReLU(inplace=True),
            nn.Linear(channels[-1], settings.embedding),
        )
        midpoints = torch.as_tensor(grades.midpoints, dtype=torch.float32)
        self.register_buffer("midpoints", midpoints, persistent=False)

    def examine(self, pixels: Tensor) -> GradePrior:
        """Grade crops (N, 3, P, P) of RGB in [0, 1], each by itself."""
        levels = self.encoder(self.encoder.normalise(pixels))
        bottleneck = x = levels[-1]
        for block, skip in zip(self.decoder, reversed(levels[:-1]), strict=True):
            x = F.interpolate(x, skip.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skip], 1))
        pooled = bottleneck.mean((2, 3)).float()
        # What the crop as a whole says counts at each of its places. It also teaches the encoder
        # from the first step, while the decoder is still random.
        evidence = self.evidence(x) + self.context(pooled)[:, :, None, None]
        # A sum over thousands of places needs float32, whatever the precision of the features.
        weight = F.softplus(self.weight(x).float()) + 1e-6
        weight = weight / weight.sum((2, 3), keepdim=True)
        embedding = self.project(pooled)
        return GradePrior(
            logits=(weight * evidence.float()).sum((2, 3)),
            embedding=F.normalize(embedding.float(), dim=1),
            evidence=evidence,
            weight=weight,
        )

    def forward(self, crops: Crops) -> GradingPrediction:
        """Grade images: probabilities are the mean over an image's crops."""
        prior = self.examine(crops.pixels)
        probabilities = crops.mean_by_image(prior.logits.softmax(1))
        return GradingPrediction(
            # Not a matrix product, which autocast would round to half precision.
            unit_score=(probabilities * self.midpoints).sum(1),
            log_grades=probabilities.clamp_min(1e-8).log(),
            maps={"grade_evidence": prior.evidence, "grade_weight": prior.weight},
            prior=prior,
            embedding=crops.mean_by_image(prior.embedding),
        )
