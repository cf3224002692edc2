"""What CNNIQA sees of a crop: contrast-normalised grey, in small patches side by side."""

import torch.nn.functional as F
from torch import Tensor

from hmtnet.perception.checks import full_precision


def normalise_contrast(grey: Tensor, window: int, constant: float) -> Tensor:
    """Subtract the local mean and divide by the local deviation: (x − μ) / (σ + C).

    Kang et al. (CVPR 2014), section 3.2. Other than in `hmtnet.perception.mscn` all places of the
    window count alike.

    Args:
        grey: (N, 1, H, W) in [0, 1]; the border is reflected.
        window: Side of the square window over which μ and σ are taken, pixels; odd.
        constant: C > 0, in levels of 255: what keeps flat regions from being amplified.

    Returns:
        (N, 1, H, W); 0 on constant images up to rounding.
    """
    with full_precision(grey) as given:
        # σ² is the difference of two means: smaller numbers leave a smaller rounding error.
        x = given - 0.5
        mean = _box(x, window)
        variance = (_box(x.square(), window) - mean.square()).clamp_min(0)
        return ((x - mean) / (variance.sqrt() + constant / 255)).to(grey.dtype)


def cut_patches(x: Tensor, size: int) -> Tensor:
    """Cut crops (N, C, H, W) into j × k patches side by side, j = ⌊H / size⌋, k = ⌊W / size⌋.

    What does not fill a patch is left out, equally on both sides.

    Returns:
        (N · j · k, C, size, size): a crop's patches row by row, then the next crop's.

    Raises:
        ValueError: The crops are smaller than a patch.
    """
    count, channels, *sides = x.shape
    if min(sides) < size:
        raise ValueError(
            f"Expected crops of at least {size} pixels a side, one patch; found {min(sides)}. "
            "Raise crops.size."
        )
    down, across = (side // size for side in sides)
    top, left = (side % size // 2 for side in sides)
    x = x[:, :, top : top + down * size, left : left + across * size]
    rows = x.reshape(count, channels, down, size, across, size).permute(0, 2, 4, 1, 3, 5)
    return rows.reshape(-1, channels, size, size)


def _box(x: Tensor, window: int) -> Tensor:
    padded = F.pad(x, (window // 2,) * 4, mode="reflect")
    return F.avg_pool2d(padded, window, stride=1)
