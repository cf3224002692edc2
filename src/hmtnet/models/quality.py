"""What every network here is: crops in, a prediction of each image out."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.data.batch import Batch, Sample
from hmtnet.data.crops import Crops, CropSettings, cut, pad_to, tile_corners
from hmtnet.data.pairs import ReferenceUse, common_part
from hmtnet.perception import SaliencyOperator, saliency_of_list


@dataclass
class Prediction:
    """What a network thinks of I images, seen through N crops.

    Attributes:
        unit_score: (I,), 1 = best; the mean over an image's crops. A regression may leave [0, 1]
            slightly.
        log_grades: (I, K) logarithm of the grade probabilities, which are the mean over an image's
            crops; worst grade first. None for a network without grades.
        maps: What a person may look at, by name: (N, C, h, w), or (N, C) where nothing is spatial.
    """

    unit_score: Tensor
    log_grades: Tensor | None = None
    maps: dict[str, Tensor] = field(default_factory=dict)


class QualityNetwork(nn.Module):
    """Base of all networks.

    Attributes:
        saliency_operator: Which saliency of the whole image the crops must carry, or None.
        needs_reference: Whether the crops must always carry the reference image's.
        learns_from_reference: Whether the crops of training and validation must carry them, and
            those of predictions need not.
        by_crop: Whether each crop is judged by itself, and an image by the mean over its crops, so
            that an image may be shown a few crops at a time.
        graded: Whether its predictions carry grade probabilities.
        reads_labels: Whether the crops must carry the images' true grades (``Crops.prior``). What
            such a network says is a bound on others and no judgement.
        mixes_images: Whether the prediction of an image depends on the others of its batch, which
            must then be a random sample.
        loaded: Whether this module starts from trained weights, and so learns at the lower rate.
        rate_factor: What the learning rates inside this module are multiplied by.
    """

    saliency_operator: SaliencyOperator | None = None
    needs_reference: bool = False
    learns_from_reference: bool = False
    by_crop: bool = False
    graded: bool = False
    reads_labels: bool = False
    mixes_images: bool = False
    loaded: bool = False
    rate_factor: float = 1.0

    def forward(self, crops: Crops) -> Prediction:
        """Judge the images that ``crops`` come from."""
        raise NotImplementedError("A network says here how it judges.")

    @property
    def reference_use(self) -> ReferenceUse:
        """When the crops must carry the reference images'."""
        if self.needs_reference:
            return "always"
        return "training" if self.learns_from_reference else "none"

    def own_state(self) -> dict[str, Tensor]:
        """Return the tensors that this network's artifact holds: all but upstream networks'."""
        return dict(self.state_dict())

    @torch.inference_mode()
    def assess(
        self, image: Tensor, crops: CropSettings, reference: Tensor | None = None
    ) -> Prediction:
        """Judge one whole image: saliency, tiles, reduction.

        Args:
            image: (3, H, W) uint8 RGB on the network's device.
            crops: Tile size and grid.
            reference: (3, H', W') uint8 RGB, for a network that needs it; a side may differ by one
                pixel.

        Raises:
            ValueError: An image is no uint8 RGB image, or a reference is missing or not wanted.
            DataError: The reference is of another size.
        """
        if (reference is not None) != self.needs_reference:
            expected = "its reference" if self.needs_reference else "no reference"
            found = "none" if reference is None else "one"
            raise ValueError(
                f"{type(self).__name__} judges an image with {expected}, found {found}."
            )
        shown = _array(image)
        pristine = None
        if reference is not None:
            shown, pristine = common_part(shown, _array(reference), None, "given")
            pristine = pad_to(pristine, crops.size)
        shown = pad_to(shown, crops.size)
        corners = tile_corners(shown.shape[0], shown.shape[1], crops)
        sample = Sample(
            row=0,
            pixels=_pixels(shown),
            corners=corners,
            unit_mos=0.0,
            dropout_draw=0.0,
            reference=None if pristine is None else _pixels(pristine),
        )
        batch = Batch.collate([sample]).to(image.device)
        prediction: Prediction = self(make_crops(batch, crops.size, self.saliency_operator))
        return prediction


# What is shown to a network at once where nothing is learned from it: 128 crops of 224 pixels, for
# which an HMTNet of two ResNet-50 needs about 6 GiB.
PIXELS_AT_ONCE = 128 * 224 * 224


def in_parts(batch: Batch, network: QualityNetwork, size: int) -> Iterator[Batch]:
    """Deal a batch of tiled images into parts that a network judges in bounded memory.

    An image is never divided, nor is a batch whose images a network compares.

    Args:
        batch: Whole images with the corners of their tiles.
        network: What will judge them.
        size: Side of the tiles.
    """
    return iter([batch]) if network.mixes_images else batch.parts(PIXELS_AT_ONCE // size**2)


def _array(image: Tensor) -> npt.NDArray[np.uint8]:
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(
            f"Expected a uint8 RGB image (3, H, W), found {image.dtype} {tuple(image.shape)}."
        )
    return image.permute(1, 2, 0).cpu().numpy()


def _pixels(array: npt.NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def make_crops(
    batch: Batch, size: int, operator: SaliencyOperator | None, edges: Tensor | None = None
) -> Crops:
    """Cut a batch's crops on its device; saliency is computed on the whole images before.

    The saliency of a small crop is meaningless, so it is the one perspective that must be computed
    here and not inside the network.

    Args:
        batch: Whole images.
        size: P, the side of the crops.
        operator: The saliency operator, or None.
        edges: (K - 1,) edges of the grades, if the crops shall carry the true ones.
    """
    saliency = None if operator is None else saliency_of_list(batch.images, operator)
    crops = cut(batch.images, batch.corners, size, saliency, batch.references)
    if edges is not None:
        crops.prior = nearly_certain(true_grades(batch.unit_mos, edges), len(edges) + 1)
    return crops


def true_grades(mos: Tensor, edges: Tensor) -> Tensor:
    """Assign grades 0 … K-1 to unit scores; a score on an edge belongs to the better grade."""
    return torch.bucketize(mos, edges, right=True)


def nearly_certain(grade: Tensor, count: int) -> Tensor:
    """Return log-probabilities (I, K) that give 99 % to the grades (I,), the rest to all others."""
    others = 0.01 / (count - 1)
    return (F.one_hot(grade, count) * (0.99 - others) + others).log()
