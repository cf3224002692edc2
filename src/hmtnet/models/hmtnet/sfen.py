"""SFEN: three perspectives, one shared extractor, a score guided by the grade.

The published abstract says "a triple-perspective Shared Feature Extractor Network that integrates
texture details, gradient and saliency features"; how is our reconstruction (README.md beside this
file).
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn

from hmtnet.data.crops import Crops
from hmtnet.data.grades import Grades
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.hmtnet.fusion import PerspectiveFusion, Pool
from hmtnet.models.hmtnet.guidance import PriorSource, PriorUse, guidance
from hmtnet.models.maps import MapStyle
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.perception import SaliencyOperator, mscn, residual, sobel
from hmtnet.settings import in_force

Perspective = Literal["pixels", "texture", "gradient", "saliency"]
PERSPECTIVES: tuple[Perspective, ...] = ("pixels", "gradient", "saliency")

# Typical standard deviation of a residual and of a Sobel response of natural images in [0, 1].
# Dividing by it brings all perspectives to the range that one shared extractor expects.
TYPICAL = {"texture": 0.04, "gradient": 0.04}


@dataclass(frozen=True, kw_only=True)
class SFENSettings:
    """Settings of an SFEN.

    Attributes:
        backbone: The shared extractor.
        perspectives: Which perspectives it sees: ``"pixels"`` as the backbone's weights expect
            them, ``"texture"`` (high frequencies alone), ``"gradient"``, ``"saliency"``.
        sharing: ``"shared"``: one extractor for all; ``"separate"``: one each (an ablation).
        texture: ``"residual"``: x minus its Gaussian blur; ``"mscn"``: that divided by the local
            contrast.
        sigma: Standard deviation of the residual's blur, pixels.
        saliency: The saliency operator.
        levels: How many of the backbone's coarsest levels are used, or ``"all"``.
        pool: How a level's map becomes a vector.
        features: Z, the width of the fused feature.
        prior: How the grade prior guides the score.
        prior_source: Whose prior that is; see ``PriorSource``.
        prior_dropout: Probability, per image and epoch, that training hides the prior. The grading
            network has seen the training images, so that its prior is over-confident there.
        margin: How far a grade's interval reaches into its neighbours (mixture), unit score.
    """

    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    perspectives: tuple[Perspective, ...] = PERSPECTIVES
    sharing: Literal["shared", "separate"] = "shared"
    texture: Literal["residual", "mscn"] = "mscn"
    sigma: float = 1.5
    saliency: SaliencyOperator = "spectral_residual"
    levels: int | Literal["all"] = "all"
    pool: Pool = "mean_std"
    features: int = 128
    prior: PriorUse = "mixture"
    prior_source: PriorSource = "frozen"
    prior_dropout: float = 0.2
    margin: float = 0.05

    def __post_init__(self) -> None:
        if not self.perspectives or len(set(self.perspectives)) != len(self.perspectives):
            raise ValueError(f"perspectives: expected distinct ones, found {self.perspectives}")
        if not 0 <= self.prior_dropout <= 1:
            raise ValueError(f"prior_dropout: expected 0 to 1, found {self.prior_dropout}")
        if self.prior == "none" and self.prior_source != "frozen":
            raise ValueError(
                f"prior_source: {self.prior_source} changes nothing where prior=none; leave it out"
            )
        if self.levels != "all" and self.levels < 1:
            raise ValueError(f"levels: expected 'all' or at least 1, found {self.levels}")
        if self.sigma <= 0:
            raise ValueError(f"sigma: expected above 0 pixels, found {self.sigma}")
        if self.features < 1:
            raise ValueError(f"features: expected at least 1, found {self.features}")
        if self.margin < 0:
            raise ValueError(f"margin: expected at least 0, found {self.margin}")

    def idle(self) -> set[str]:
        """Name what has no effect: of perspectives, and of a prior, that are not used."""
        names = set() if "saliency" in self.perspectives else {"saliency"}
        if "texture" not in self.perspectives:
            names.add("texture")
        if "texture" in names or self.texture != "residual":
            names.add("sigma")
        if self.prior != "mixture":
            names.add("margin")
        return names | {"prior_dropout"} if self.prior == "none" else names


@dataclass
class Prior:
    """The grade prior of I images.

    Attributes:
        log_grades: (I, K) logarithm of the grade probabilities.
        embedding: (I, D).
    """

    log_grades: Tensor
    embedding: Tensor

    def repeated(self, images: int) -> "Prior":
        """Return the prior of one image as that of so many."""
        return Prior(self.log_grades.expand(images, -1), self.embedding.expand(images, -1))


GRADIENT = MapStyle(
    kind="local",
    title="gradient",
    hint="brightness change per pixel (1: black to white)",
    shades="from_zero",
)
TEXTURE = {
    "residual": MapStyle(
        kind="local",
        title="texture",
        hint="what a blur removes (1: black to white)",
        shades="around_zero",
    ),
    "mscn": MapStyle(
        kind="local",
        title="texture",
        hint="fine detail, relative to local contrast",
        shades="around_zero",
    ),
}
ATTENTION = MapStyle(
    kind="levels",
    title="attention to the perspectives",
    hint="how much each counts, level by level",
)


class SFEN(QualityNetwork):
    """Shared Feature Extractor Network.

    Args:
        settings: Architecture.
        grades: The grades whose intervals the mixture fills.
        embedding: D, the width of the prior's embedding.
    """

    by_crop = True

    def __init__(self, settings: SFENSettings, grades: Grades, embedding: int = 128) -> None:
        super().__init__()
        self.settings = settings
        self.grades = grades.count
        self.embedding = embedding
        wants_saliency = "saliency" in settings.perspectives or settings.pool == "saliency"
        self.saliency_operator = settings.saliency if wants_saliency else None
        drawn = {"texture": TEXTURE[settings.texture], "gradient": GRADIENT}
        self.shows = {
            **{name: drawn[name] for name in settings.perspectives if name in drawn},
            "attention": replace(ATTENTION, names=tuple(settings.perspectives)),
        }
        views = len(settings.perspectives)
        extractors = 1 if settings.sharing == "shared" else views
        self.extractors = nn.ModuleList(Backbone(settings.backbone) for _ in range(extractors))
        self.adapters = nn.ModuleList(Adapter(self._backbone.loaded) for _ in range(views))
        available = len(self._backbone.channels)
        self.levels = available if settings.levels == "all" else settings.levels
        if self.levels > available:
            raise SettingsError(
                f"levels: expected at most the backbone's {available}, found {self.levels}"
            )
        channels = self._backbone.channels[-self.levels :]
        fusions = [PerspectiveFusion(count, settings.pool) for count in channels]
        self.fusions = nn.ModuleList(fusions)
        width = sum(fusion.width for fusion in fusions)
        self.project = nn.Sequential(nn.Linear(width, settings.features), nn.ReLU(inplace=True))
        self.guidance = guidance(
            settings.prior, settings.features, grades, embedding, settings.margin
        )

    @property
    def _backbone(self) -> Backbone:
        first = self.extractors[0]
        assert isinstance(first, Backbone)
        return first

    def start_from(self, encoder: Backbone) -> None:
        """Start each extractor from a trained encoder, and let it learn as what was loaded.

        Raises:
            SettingsError: The encoder is another backbone.
        """
        theirs, ours = encoder.settings.unweighted(), self.settings.backbone.unweighted()
        if in_force(theirs) != in_force(ours):
            raise SettingsError(
                "extractor=grading: expected the grading network's encoder to be the SFEN's "
                f"backbone.\n  encoder:  {theirs}\n  backbone: {ours}\n"
                "Make them one, or start from the backbone's own weights "
                "(system.sfen.extractor=weights)."
            )
        for extractor in self.extractors:
            extractor.load_state_dict(encoder.state_dict())
        for part in (*self.extractors, *self.adapters):
            assert isinstance(part, (Backbone, Adapter))
            part.loaded = True

    def perspectives(self, crops: Crops) -> dict[Perspective, Tensor]:
        """Compute the perspectives (N, 3, P, P) of the crops, in the order of the settings.

        Pixels are standardised as the backbone's weights expect. Texture and gradient are in units
        of their typical deviation, so about within ±3. Saliency is the backbone's normalised input,
        dimmed where the image is not salient.
        """
        views: dict[Perspective, Tensor] = {}
        for name in self.settings.perspectives:
            if name == "gradient":
                views[name] = sobel(crops.pixels) / TYPICAL[name]
            elif name == "texture" and self.settings.texture == "mscn":
                views[name] = mscn(crops.pixels)
            elif name == "texture":
                views[name] = residual(crops.pixels, self.settings.sigma) / TYPICAL[name]
            elif name == "pixels":
                views[name] = self._backbone.standardise(crops.pixels)
            else:
                assert crops.saliency is not None
                views[name] = self._backbone.normalise(crops.pixels) * crops.saliency
        return views

    def forward(self, crops: Crops, prior: Prior | None = None) -> Prediction:
        """Score images.

        Args:
            crops: The crops; with saliency if ``saliency_operator`` is set.
            prior: The images' grade prior, or None for the uniform one.

        Returns:
            Scores; ``attention`` (N, L, V), how much each of V perspectives counts at each of L
            levels from fine to coarse, which sums to 1 over V; and, if they are perspectives,
            ``gradient`` (N, 1, P, P), the magnitude of the luminance's gradient per pixel, and
            ``texture`` (N, 1, P, P), its mean over the channels.

        Raises:
            ValueError: The crops lack the saliency.
        """
        if self.saliency_operator is not None and crops.saliency is None:
            raise ValueError(
                f"Expected crops with saliency ({self.saliency_operator} of the whole image), "
                "found none. Cut them by the network's crops_of."
            )
        views = self.perspectives(crops)
        z, attention = self._fuse(list(views.values()), crops.saliency)
        if prior is None:
            prior = self.uninformed(crops.images, z)
        score = self.guidance(z, prior.log_grades[crops.image], prior.embedding[crops.image])
        maps: dict[str, Tensor] = {"attention": attention}
        if "gradient" in views:
            maps["gradient"] = views["gradient"][:, 2:] * TYPICAL["gradient"]
        if "texture" in views:
            unit = TYPICAL["texture"] if self.settings.texture == "residual" else 1.0
            maps["texture"] = views["texture"].mean(1, keepdim=True) * unit
        return Prediction(unit_score=crops.mean_by_image(score), maps=maps)

    def uninformed(self, images: int, like: Tensor) -> Prior:
        """Return the prior that says nothing: all grades equally likely, a zero embedding.

        Args:
            images: I.
            like: Any tensor on the device of the result.
        """
        return Prior(
            torch.full((images, self.grades), -math.log(self.grades), device=like.device),
            torch.zeros((images, self.embedding), device=like.device),
        )

    def _fuse(self, views: list[Tensor], saliency: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return z (N, Z) and the attention at each level (N, L, V)."""
        adapted = [adapt(view) for adapt, view in zip(self.adapters, views, strict=True)]
        if self.settings.sharing == "shared":
            # One forward of (V·N, 3, P, P): on a GPU cheaper than V forwards.
            levels = self._backbone(torch.cat(adapted))
            stacked = [level.unflatten(0, (len(views), -1)).transpose(0, 1) for level in levels]
        else:
            pyramids = [net(view) for net, view in zip(self.extractors, adapted, strict=True)]
            stacked = [torch.stack(level, 1) for level in zip(*pyramids, strict=True)]
        fused = [
            fuse(level, saliency)
            for fuse, level in zip(self.fusions, stacked[-self.levels :], strict=True)
        ]
        z = self.project(torch.cat([vector for vector, _ in fused], 1))
        return z, torch.stack([attention for _, attention in fused], 1)


class Adapter(nn.Conv2d):
    """A perspective's 1×1 affine map at the shared extractor's input; starts as the identity.

    It is the extractor's first layer, and learns at the extractor's rate: a faster one would move
    what loaded weights see under them, and none lets them be run without a gradient.

    Args:
        loaded: Whether the extractor starts from trained weights.
    """

    def __init__(self, loaded: bool) -> None:
        super().__init__(3, 3, 1)
        self.loaded = loaded
        nn.init.dirac_(self.weight)
        assert self.bias is not None
        nn.init.zeros_(self.bias)
