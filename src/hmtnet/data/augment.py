"""Augmentation that leaves the label true: mirroring and quarter turns of whole images.

The only file that knows albumentations, which loads slowly and is therefore imported at first use.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from hmtnet.data.images import Pixels
from hmtnet.errors import DataError, SettingsError, nearest

# Each moves pixels without changing one. Resizing, blur, noise, compression or colour would change
# the quality that the label speaks of.
OPERATIONS = ("horizontal_flip", "vertical_flip", "quarter_turn")


def check_operations(operations: Sequence[str]) -> None:
    """Refuse operations that would change an image's quality, or that come twice.

    Raises:
        SettingsError: An operation is not one of ``OPERATIONS``, or is repeated.
    """
    for name in operations:
        if name not in OPERATIONS:
            raise SettingsError(
                f"Augmentation '{name}' is not allowed: only operations that move pixels keep the "
                f"quality that the label speaks of.{nearest(name, OPERATIONS)} "
                f"Allowed: {', '.join(OPERATIONS)}."
            )
    if len(set(operations)) != len(operations):
        raise SettingsError(f"Augmentations are given more than once: {', '.join(operations)}.")


class Augment:
    """Mirror and turn whole images, each together with its reference.

    The result is a function of the arguments alone: which process calls, in which order, and what
    was called before changes nothing.

    Args:
        operations: Names out of ``OPERATIONS``, applied in this order: flips with probability 1/2,
            ``quarter_turn`` by 0, 90, 180 or 270 degrees with equal probability.

    Raises:
        SettingsError: An operation is not allowed.
    """

    def __init__(self, operations: Sequence[str]) -> None:
        check_operations(operations)
        self.operations = tuple(operations)
        self._pipeline: Any = None

    def __call__(
        self, image: Pixels, reference: Pixels | None, seed: int
    ) -> tuple[Pixels, Pixels | None]:
        """Augment one image.

        Args:
            image: (H, W, 3) uint8.
            reference: The same size, or None.
            seed: 0 or more; all that chance depends on.

        Returns:
            Image and reference, moved alike; quarter turns exchange H and W.

        Raises:
            DataError: Image and reference differ in size.
        """
        if reference is not None and reference.shape != image.shape:
            raise DataError(
                f"An image of shape {image.shape} has a reference of shape {reference.shape}; "
                "they must match pixel by pixel. Crop the reference as the dataset's authors did."
            )
        if not self.operations:
            return image, reference
        if self._pipeline is None:
            self._pipeline = _pipeline(self.operations)
        # Compose.set_random_seed would give every operation the same seed, so that a horizontal
        # flip always came with a vertical one; each gets its own instead.
        seeds = np.random.SeedSequence(seed).generate_state(len(self.operations)).tolist()
        for operation, own in zip(self._pipeline.transforms, seeds, strict=True):
            operation.set_random_seed(own)
        targets = (
            {"image": image} if reference is None else {"image": image, "reference": reference}
        )
        moved = self._pipeline(**targets)
        return moved["image"], moved.get("reference")

    def __getstate__(self) -> dict[str, Any]:
        """Leave the pipeline behind: a worker process builds its own."""
        return self.__dict__ | {"_pipeline": None}


def _pipeline(operations: Sequence[str]) -> Any:
    # Without this, importing albumentations asks the network for a newer version.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    # Here and not above: it takes seconds, and only training needs it.
    import albumentations

    makers = {
        "horizontal_flip": lambda: albumentations.HorizontalFlip(p=0.5),
        "vertical_flip": lambda: albumentations.VerticalFlip(p=0.5),
        "quarter_turn": lambda: albumentations.RandomRotate90(p=1.0),
    }
    return albumentations.Compose(
        [makers[name]() for name in operations], additional_targets={"reference": "image"}
    )
