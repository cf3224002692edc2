"""What every network here is: crops in, a prediction of each image out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import register_dataclass

from hmtnet.data.batch import Batch, Sample, place_crops
from hmtnet.data.crops import Crops, CropSettings, cut
from hmtnet.data.pairs import ReferenceUse
from hmtnet.models.maps import MapStyle
from hmtnet.perception import SaliencyOperator, saliency_of_list

Means = dict[str, Tensor]
"""By name, means over an image's crops: (I, …) of I images, or (…) of one."""


@dataclass
class Prediction:
    """What a network thinks of I images, seen through N crops.

    A subclass says ``torch.export.register_dataclass`` too, so that its network can be exported.

    Attributes:
        unit_score: (I,), 1 = best; the mean over an image's crops. A regression may leave [0, 1]
            slightly.
        log_grades: (I, K) logarithm of the grade probabilities, which are the mean over an image's
            crops; worst grade first. None for a network without grades.
        maps: By name, (N, …) of the crops. A person is shown those that the network's ``shows``
            describes.
    """

    unit_score: Tensor
    log_grades: Tensor | None = None
    maps: dict[str, Tensor] = field(default_factory=dict)

    def means(self) -> Means:
        """Return what is averaged over an image's crops: (I, …) each, float64, on the CPU."""
        found = {"unit_score": self.unit_score.cpu().double()}
        if self.log_grades is not None:
            found["probabilities"] = self.log_grades.cpu().double().exp()
        return found


register_dataclass(Prediction)


class RunPass(Protocol):
    """Shows a function all crops of one image, and returns the means of what it says of them."""

    def __call__(self, ask: Callable[[Crops], Prediction | Means], together: bool = False) -> Means:
        """Run one pass.

        Args:
            ask: Told a group of crops, each declared an image of its own. Returns a prediction, or
                only the values (N, …) by name that a later pass needs the means of.
            together: Whether it must be told all crops at once, declared crops of one image; then
                memory grows with the image.

        Returns:
            Means over all crops in float64, on the CPU: of a prediction ``unit_score`` (), with
            grades ``probabilities`` (K,), and what else its ``means`` has.
        """


class QualityNetwork(nn.Module):
    """Base of all networks.

    A network judges `Crops`. Called with a tensor of whole images (B, 3, H, W), uint8 or floating
    point in [0, 1], it sees each of them as one crop (see ``crops_of`` for tiles).

    Attributes:
        saliency_operator: Which saliency of the whole image the crops must carry, or None.
        needs_reference: Whether the crops must always carry the reference image's.
        learns_from_reference: Whether the crops of training and validation must carry them, and
            those of predictions need not.
        by_crop: Whether each crop is judged by itself, and an image by the mean over its crops.
        graded: Whether its predictions carry grade probabilities.
        reads_labels: Whether the crops must carry the images' true grades (``Crops.prior``). What
            such a network says is a bound on others and no judgement.
        mixes_images: Whether the prediction of an image depends on the others of its batch, which
            must then be a random sample.
        loaded: Whether this module starts from trained weights, and so learns at the lower rate.
        rate_factor: What the learning rates inside this module are multiplied by.
        loaded_factor: Its ``rate_factor`` where it starts from a finished stage.
        from_labels: Names of persistent buffers derived from training labels: of another dataset,
            they are not taken.
        shows: By name, those of its predictions' maps that a person is shown, in that order.
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
    loaded_factor: float = 1.0
    from_labels: tuple[str, ...] = ()
    shows: Mapping[str, MapStyle] = {}

    def __call__(self, crops: Crops | Tensor, *args: Any, **kwargs: Any) -> Any:
        """Judge crops, or whole images (B, 3, H, W) seen as one crop each."""
        if isinstance(crops, Tensor):
            crops = self.crops_of(crops)
        return super().__call__(crops, *args, **kwargs)

    def forward(self, crops: Crops) -> Prediction:
        """Judge the images that ``crops`` come from."""
        # nn.Module has no abstract methods: a network without this one fails when it is asked.
        raise NotImplementedError("A network says here how it judges.")

    def in_passes(self, run_pass: RunPass) -> Means:
        """Judge one image of any number of crops, in as many passes over them as that takes.

        A network of whose crops each is judged by itself has one pass. Any other one is shown all
        crops together, since nothing is known of how they depend on each other, unless it overrides
        this: what a first pass says on average of the image guides the next.

        Returns:
            ``unit_score`` () and, of a network with grades, ``probabilities`` (K,).
        """
        return run_pass(self, together=not self.by_crop)

    def crops_of(
        self,
        images: Tensor | Sequence[Tensor],
        settings: CropSettings | None = None,
        references: Tensor | Sequence[Tensor] | None = None,
    ) -> Crops:
        """Cut whole images to what this network judges, saliency included.

        Args:
            images: (B, 3, H, W), or B images (3, H, W); RGB, uint8 or floating point in [0, 1].
            settings: Size and grid of the tiles. None takes each image as one crop; then all must
                be of one size.
            references: The reference images, of the images' sizes.

        Raises:
            ValueError: An image is no RGB image, or its reference is of another size.
        """
        if not len(images) or any(image.ndim != 3 or image.shape[0] != 3 for image in images):
            found = tuple(images.shape) if isinstance(images, Tensor) else [*map(_shape, images)]
            raise ValueError(
                f"Expected RGB images (B, 3, H, W), found {found}. Add the batch dimension to a "
                "single one (x[None]), and bring its channels before its rows."
            )
        beside = [None] * len(images) if references is None else list(references)
        pairs = list(zip(images, beside, strict=True))
        if any(other is not None and other.shape != image.shape for image, other in pairs):
            raise ValueError(
                f"Expected references of the images' sizes {[*map(_shape, images)]}, found "
                f"{[None if r is None else _shape(r) for r in beside]}. Cut them to a common part."
            )
        if settings is None:
            whole = [Sample(pixels=i, corners=[(0, 0)], reference=r) for i, r in pairs]
            size = max(images[0].shape[1:])  # what reaches beyond an image is not cut
        else:
            whole, size = [place_crops(i, settings, r) for i, r in pairs], settings.size
        return make_crops(Batch.collate(whole), size, self.saliency_operator)

    @property
    def reference_use(self) -> ReferenceUse:
        """When the crops must carry the reference images'."""
        if self.needs_reference:
            return "always"
        return "training" if self.learns_from_reference else "none"

    def parts(self) -> "dict[str, QualityNetwork]":
        """Return by class the networks in this one's artifact that other stages may start from."""
        return {type(self).__name__: self}

    def mark_loaded(self) -> None:
        """Note that a finished stage has given the weights: they learn at the lower rate."""
        self.loaded = True
        self.rate_factor = self.loaded_factor

    def own_state(self) -> dict[str, Tensor]:
        """Return the tensors that this network's artifact holds: all but upstream networks'."""
        return dict(self.state_dict())


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


def _shape(image: Tensor) -> tuple[int, ...]:
    return tuple(image.shape)


def make_crops(
    batch: Batch, size: int, operator: SaliencyOperator | None, grades: int = 0
) -> Crops:
    """Cut a batch's crops on its device; saliency is computed on the whole images before.

    The saliency of a small crop is meaningless, so it is the one perspective that must be computed
    here and not inside the network.

    Args:
        batch: Whole images, with their saliency if it is known already.
        size: P, the side of the crops.
        operator: The operator of a saliency that is not known yet, or None.
        grades: K, the number of grades, if the crops shall carry the true ones; else 0.
    """
    saliency = batch.saliency
    if saliency is None and operator is not None:
        saliency = saliency_of_list(batch.images, operator)
    crops = cut(batch.images, batch.corners, size, saliency, batch.references)
    if grades:
        crops.prior = nearly_certain(batch.grades, grades)
    return crops


def nearly_certain(grade: Tensor, count: int) -> Tensor:
    """Return log-probabilities (I, K) that give 99 % to the grades (I,), the rest to all others."""
    others = 0.01 / (count - 1)
    return (F.one_hot(grade, count) * (0.99 - others) + others).log()
