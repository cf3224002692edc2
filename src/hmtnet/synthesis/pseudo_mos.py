"""A pseudo-MOS of preference: what people would say of an image, by a formula fitted to people.

Measures of fidelity are best for the reference itself. People are not so: they put crisp, clean
upscaling above the photograph that it was made of, and sharp but invented detail above faithful
blur (Göring, Merten and Raake, "Appeal prediction for AI up-scaled images", ISM 2024). Hence three
quantities, each 0 for the reference: how much steeper edges are, how far the image is from the
reference, and how much structure there is where the reference has none.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from hmtnet.errors import DataError, SettingsError
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.perception.checks import check_rgb, full_precision
from hmtnet.perception.colour import luminance

DEFINITION = """\
For a super-resolved image and its reference, with Sobel gradients of the luminance,
  E  edge gain: log2 of the image's gradient along the reference's direction over the reference's,
     both the largest of 3 x 3 pixels and weighted by the reference's squared gradient
  D  distance: the mean of 2 (1 - HaarPSI) (Reisenhofer et al., 2018, at full size) and of the
     squared distance between unit-length deep features (ImageNet EfficientNet-Lite0; the form of
     Zhang et al., CVPR 2018, without learned weights)
  Z  spurious structure: the mean gradient in excess of twice the reference's largest within 5 x 5
pseudo-MOS = 1 / (1 + exp(-(a + b (E0 - |E - E0|) - c D^4 - d Z))), in (0, 1), higher is better.
a and b are fitted to people's means of upscaled photographs (1 to 5, brought to 0 to 1). Among
these is no noise, no blocks and no over-sharpening, so that c, d and E0, beyond which more
sharpness is too much, are ours: as strong as those means allow. It is too kind to strong JPEG, to
blocks of nearest-neighbour enlargement, and to noise in busy texture."""

SMALLEST_SIDE = 32
"""Pixels: the deepest features of a smaller image are a single one."""


class Formula(NamedTuple):
    """The constants of `DEFINITION`.

    Attributes:
        offset: a, the logit of a reference's own score.
        gain: b, logits per doubling of the edges' gradients.
        distance: c, logits per unit of the distance's fourth power: mild in SR's range, steep
            beyond.
        spurious: d, logits per unit of luminance and pixel.
        sharpest: E0, the edge gain that people like best.
    """

    offset: float
    gain: float
    distance: float
    spurious: float
    sharpest: float

    def score(self, terms: Tensor) -> Tensor:
        """Return the pseudo-MOS (B,) in (0, 1) of terms E, D and Z (B, 3)."""
        gain, distance, spurious = terms.unbind(-1)
        liked = self.sharpest - (gain - self.sharpest).abs()
        logit = self.offset + self.gain * liked - self.distance * distance**4
        return torch.sigmoid(logit - self.spurious * spurious)


# Offset and gain: benchmarks/pseudo_mos.py on 24 photographs, against the means of people's 1,496
# MOS (1 to 5). Its mean error is .08, and .10 for a method that was left out of the fit.
FORMULA = Formula(offset=0.574, gain=1.197, distance=0.3, spurious=200.0, sharpest=0.5)

_GRADIENT_FLOOR = 1 / 255  # of the luminance: what nobody sees must not decide


class Preference:
    """Scores images against their references by `DEFINITION`; loads the deep features once.

    Args:
        device: Where to work.
        formula: Its constants.

    Raises:
        SettingsError: piq is not installed.
        WeightsError: The package with the deep features' weights is not installed.
    """

    def __init__(self, device: torch.device | str = "cpu", formula: Formula = FORMULA) -> None:
        self.formula = formula
        self._piq = _piq()
        features = Backbone(BackboneSettings(name="tf_efficientnet_lite0", weights="package"))
        self._features = features.eval().requires_grad_(False).to(device)
        self._device = torch.device(device)

    def __call__(self, images: Tensor, references: Tensor) -> Tensor:
        """Return the pseudo-MOS (B,) in (0, 1), higher is better, float32.

        Args:
            images: RGB (B, 3, H, W) in [0, 1], at least 32 × 32 pixels.
            references: As many, of the same size.

        Raises:
            ValueError: They are no such images.
            DataError: They differ in shape, are too small, or hold NaN or values out of range.
        """
        return self.formula.score(self.terms(images, references))

    @torch.inference_mode()
    def terms(self, images: Tensor, references: Tensor) -> Tensor:
        """Return E, D and Z of `DEFINITION` for each image, (B, 3), float32."""
        pair = [self._checked(x) for x in (images, references)]
        if pair[0].shape != pair[1].shape:
            raise DataError(
                f"Images and references must have one shape, found {tuple(images.shape)} and "
                f"{tuple(references.shape)}. Compare equal sizes, pair by pair."
            )
        # One by one: sums over a batch have another order, and no score may know its neighbours.
        rows = [self._terms_of_one(a[None], b[None]) for a, b in zip(*pair, strict=True)]
        return torch.stack(rows)

    def _terms_of_one(self, image: Tensor, reference: Tensor) -> Tensor:
        with full_precision(image):
            theirs, ours = _sobel(reference), _sobel(image)
            deep = self._deep_distance(image, reference)
            # At full size: halved, blocks of two pixels would not count.
            similar = self._piq.haarpsi(image, reference, subsample=False)
            distance = 0.5 * (deep + 2.0 * (1.0 - similar))
            return torch.stack(
                [edge_gain(ours, theirs), distance.reshape(()), spurious(ours, theirs)]
            )

    def _deep_distance(self, image: Tensor, reference: Tensor) -> Tensor:
        """Return the squared distance of unit-length features, mean over places and levels."""
        levels = []
        pair = (self._features(self._features.normalise(x)) for x in (image, reference))
        for ours, theirs in zip(*pair, strict=True):
            apart = functional.normalize(ours, dim=1) - functional.normalize(theirs, dim=1)
            levels.append(apart.square().sum(1).mean())
        return torch.stack(levels).mean()

    def _checked(self, images: Tensor) -> Tensor:
        check_rgb(images)
        images = images.to(self._device, torch.float32)
        if min(images.shape[-2:]) < SMALLEST_SIDE or not images.numel():
            raise DataError(
                f"A pseudo-MOS needs images of at least {SMALLEST_SIDE} × {SMALLEST_SIDE} pixels, "
                f"found {tuple(images.shape)}."
            )
        if not bool(((images >= 0) & (images <= 1)).all()):
            raise DataError("A pseudo-MOS needs RGB in [0, 1], found NaN or values out of range.")
        return images


def edge_gain(gradient: Tensor, reference: Tensor) -> Tensor:
    """Return how much steeper the reference's edges are in the image, log2; 0 for itself.

    Only what runs the reference's way counts, so that noise, blocks and ringing gain nothing.

    Args:
        gradient: Of the image's luminance, (1, 2, H, W).
        reference: Of the reference's.
    """
    size = reference.norm(dim=1, keepdim=True)
    along = (gradient * reference).sum(1, keepdim=True) / size.clamp(min=1e-6)
    # An edge that is a pixel aside is no less steep.
    found, wanted = (functional.max_pool2d(x, 3, 1, 1) for x in (along.clamp(min=0), size))
    weight = size.square()
    floor = _GRADIENT_FLOOR * weight.sum() + 1e-12  # where all is flat, nothing is gained
    gain: Tensor = ((weight * found).sum() + floor) / ((weight * wanted).sum() + floor)
    return gain.log2()


def spurious(gradient: Tensor, reference: Tensor) -> Tensor:
    """Return the mean gradient where the reference has none nearby, luminance per pixel.

    Args:
        gradient: Of the image's luminance, (1, 2, H, W).
        reference: Of the reference's.
    """
    nearby = functional.max_pool2d(reference.norm(dim=1, keepdim=True), 5, 1, 2)
    excess = gradient.norm(dim=1, keepdim=True) - 2.0 * nearby - _GRADIENT_FLOOR
    mean: Tensor = excess.clamp(min=0).mean()
    return mean


def _sobel(rgb: Tensor) -> Tensor:
    """Return the gradient (B, 2, H, W) of the luminance, per pixel; the border is replicated."""
    x = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]).to(rgb) / 8.0
    padded = functional.pad(luminance(rgb), (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, torch.stack([x, x.T])[:, None])


def preference(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Return the pseudo-MOS in (0, 1) of an 8-bit image, on the CPU.

    Args:
        image: RGB, shape (H, W, 3), uint8.
        reference: RGB of the same shape.

    Raises:
        DataError: As for `Preference`.
    """
    pair = (torch.tensor(x).permute(2, 0, 1)[None] / 255.0 for x in (image, reference))
    return float(_on_cpu()(*pair))


@cache
def _on_cpu() -> Preference:
    return Preference()


@cache
def _piq() -> Any:
    try:
        import piq
    except ImportError:
        raise SettingsError(
            "The pseudo-MOS of preference needs piq, which is not installed: "
            "pip install 'hmtnet[synthesis]'."
        ) from None
    return piq
