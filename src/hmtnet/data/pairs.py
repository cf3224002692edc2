"""An image and its reference, pixel by pixel."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hmtnet.errors import DataError

ReferenceUse = Literal["none", "training", "always"]
"""When reference images are looked at: never, in training and validation, or always."""

REFERENCE_USES: tuple[ReferenceUse, ...] = get_args(ReferenceUse)
"""From the least to the most."""

Size = tuple[int, int]
"""Width and height in pixels."""

ADVICE = (
    "What a scale factor leaves over is cut off (to the common top-left part), and no more. Crop "
    "the files as the dataset's authors did, or take a system that needs no references."
)


def mismatch(name: str, image: Size, reference: Size, scale: float | None) -> str | None:
    """Say why an image and its reference cannot be laid on each other; None where they can.

    A source whose sides are no multiple of the scale factor loses what is left over when it is
    reduced, so its super-resolved versions are smaller by less than that factor. Ours.

    Args:
        name: The image's.
        image: Its size.
        reference: Its reference's size.
        scale: Its scale factor, which is the largest difference of a side; None where it is
            unknown, and 1 pixel is.
    """
    allowed = 1 if scale is None else scale
    if all(abs(a - b) <= allowed for a, b in zip(image, reference, strict=True)):
        return None
    why = "its scale factor" if scale is not None else "its scale factor is not known"
    return (
        f"image '{name}' measures {image[0]}×{image[1]} pixels and its reference "
        f"{reference[0]}×{reference[1]}, where sides may differ by {allowed:g} at most ({why})"
    )


def common_part(
    image: npt.NDArray[np.uint8],
    reference: npt.NDArray[np.uint8],
    scale: float | None,
    name: str,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Cut an image and its reference to the top-left part that both have.

    Args:
        image: (H, W, 3) uint8.
        reference: (H', W', 3) uint8.
        scale: The image's scale factor; None where it is unknown.
        name: The image's, for the message.

    Returns:
        Both at (min(H, H'), min(W, W'), 3).

    Raises:
        DataError: A side differs by more than is allowed (see ``mismatch``).
    """
    (height, width), (tall, wide) = image.shape[:2], reference.shape[:2]
    found = mismatch(name, (width, height), (wide, tall), scale)
    if found is not None:
        raise DataError(f"{found[0].upper()}{found[1:]}. {ADVICE}")
    part = slice(min(height, tall)), slice(min(width, wide))
    return image[part], reference[part]
