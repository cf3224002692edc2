"""One scored image."""

import math
from dataclasses import dataclass
from typing import Literal

Official = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One scored image of a dataset.

    Attributes:
        image: Path of the image relative to the dataset's root, with forward slashes; unique.
        mos: Mean opinion score in the dataset's own unit.
        reference: Name of the content the image shows, shared by all versions of one scene.
        method: Name of the super-resolution method (or of the distortion type).
        scale: Scale factor; see ``scale_factor``.
        reference_image: Path of the pristine image relative to the dataset's root.
        mos_std: Standard deviation of the opinions, in the dataset's own unit.
        official: The subset that the dataset's official split puts the image in.

    Whatever the dataset does not have is None.
    """

    image: str
    mos: float
    reference: str | None = None
    method: str | None = None
    scale: float | None = None
    reference_image: str | None = None
    mos_std: float | None = None
    official: Official | None = None


def scale_factor(text: str) -> float:
    """Return the scale factor that a text names: an int where it is whole, so that it reads ×2.

    Raises:
        ValueError: It is no number above 0.

    >>> scale_factor("2"), scale_factor("2.0"), scale_factor("1.5")
    (2, 2, 1.5)
    """
    factor = float(text)
    if not 0 < factor < math.inf:
        raise ValueError(f"expected a number above 0, found {text!r}")
    return int(factor) if factor.is_integer() else factor
