"""SR networks from weight files of the user's, of any architecture that spandrel knows."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hmtnet.errors import DataError, SettingsError
from hmtnet.files import is_file

SUFFIXES = (".pth", ".ckpt", ".safetensors")


def factor_of(path: Path) -> int:
    """Return the factor that a weight file's network enlarges by.

    Raises:
        SettingsError: spandrel is not installed.
        DataError: The file is missing, or no SR network of RGB images.
    """
    return int(load(path).scale)


@lru_cache(maxsize=4)
def load(path: Path) -> Any:
    """Load a network, weights only: a file that would run code is refused.

    Raises:
        SettingsError: spandrel is not installed.
        DataError: The file is missing, or no SR network of RGB images.
    """
    if find_spec("spandrel") is None:
        raise SettingsError(
            "weights=… needs spandrel, which knows the architectures: "
            "pip install 'hmtnet[synthesis]'."
        )
    import spandrel
    import torch

    if not is_file(path) or path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"'{path}' is no weight file: expected a file that ends in {', '.join(SUFFIXES)}."
        )
    try:
        if path.suffix.lower() != ".safetensors":
            torch.load(path, map_location="cpu", weights_only=True)  # refuses what would run code
        network = spandrel.ModelLoader(device="cpu").load_from_file(path)
    except Exception as error:  # whatever a foreign file makes foreign code do
        raise DataError(
            f"'{path}' cannot be loaded as an SR network ({type(error).__name__}: {error}). Give "
            "weights of an architecture that spandrel supports, saved as a state dict."
        ) from error
    if (
        not isinstance(network, spandrel.ImageModelDescriptor)
        or network.input_channels != 3
        or network.scale < 2
    ):
        raise DataError(f"'{path}' is no network that enlarges RGB images. Leave it out.")
    return network.eval()


def enlarge(path: Path, low: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge an image by the network of a weight file.

    Args:
        path: The weight file.
        low: RGB, shape (h, w, 3), uint8.

    Returns:
        RGB, shape (h·factor, w·factor, 3), uint8.

    Raises:
        DataError: The network fails on this image.
    """
    import torch

    network = load(path)
    given = torch.from_numpy(low.transpose(2, 0, 1).copy())[None].float() / 255.0
    try:
        with torch.inference_mode():
            made = network(given)[0]
    except Exception as error:  # a foreign network
        raise DataError(
            f"the network of '{path.name}' failed on an image ({type(error).__name__}: {error})"
        ) from error
    size = (3, low.shape[0] * network.scale, low.shape[1] * network.scale)
    if tuple(made.shape) != size or not bool(torch.isfinite(made).all()):
        raise DataError(f"the network of '{path.name}' made no image of the size {size}")
    pixels = (made.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
