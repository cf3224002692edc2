"""PlainNet: what a backbone alone can do. Ours, and meant to be beaten."""

from dataclasses import dataclass, field

from hmtnet.data.crops import Crops
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.heads import NormalisedRegressor
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.score_loss import ScoreFitSettings
from hmtnet.models.system import Stage, System


@dataclass(frozen=True, kw_only=True)
class PlainSettings:
    """Settings of a PlainNet.

    Attributes:
        backbone: The feature extractor, fine-tuned as a whole.
    """

    backbone: BackboneSettings = field(default_factory=BackboneSettings)


@dataclass(frozen=True, kw_only=True)
class PlainStageSettings(ScoreFitSettings):
    """Everything about the plain stage."""

    network: PlainSettings = field(default_factory=PlainSettings)


class PlainNet(QualityNetwork):
    """A backbone's coarsest level, averaged over places, into a linear regressor.

    Args:
        settings: Architecture.
    """

    by_crop = True

    def __init__(self, settings: PlainSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = Backbone(settings.backbone)
        self.score = NormalisedRegressor(self.backbone.channels[-1])

    def forward(self, crops: Crops) -> Prediction:
        """Score images: the mean over the scores of their crops.

        Args:
            crops: Crops (N, 3, P, P) of I images, RGB in [0, 1].
        """
        levels = self.backbone(self.backbone.normalise(crops.pixels))
        return Prediction(unit_score=crops.mean_by_image(self.score(levels[-1].mean((2, 3)))))


SYSTEM = System(
    name="plain",
    stages=(
        Stage(
            name="plain",
            settings=PlainStageSettings,
            network=lambda settings, _: PlainNet(settings.network),
            task="hmtnet.models.task:ScoreTask",
        ),
    ),
)
