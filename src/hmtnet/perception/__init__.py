"""What the eye would look at: texture, gradient and saliency of an image.

Pure functions over RGB tensors (B, 3, H, W) in [0, 1], on any device. They know no network and no
dataset. A result has its input's dtype; the arithmetic is in float32 or better, also under
autocast.

- ``perception.colour``: ``luminance``, ``lab``.
- ``perception.gradient``: ``sobel``, computed on crops.
- ``perception.texture``: ``residual`` and ``mscn``, computed on crops.
- ``perception.saliency``: ``spectral_residual``, ``sdsp``; ``saliency`` and ``saliency_of_list``
  bring either to one scale, and want whole images.
- ``perception.checks``: ``check_rgb``, ``full_precision``: the door of all of them.
"""

from hmtnet.perception.checks import check_rgb
from hmtnet.perception.colour import lab, luminance
from hmtnet.perception.gradient import sobel
from hmtnet.perception.saliency import (
    SaliencyOperator,
    saliency,
    saliency_of_list,
    sdsp,
    spectral_residual,
)
from hmtnet.perception.texture import mscn, residual

__all__ = [
    "SaliencyOperator",
    "check_rgb",
    "lab",
    "luminance",
    "mscn",
    "residual",
    "saliency",
    "saliency_of_list",
    "sdsp",
    "sobel",
    "spectral_residual",
]
