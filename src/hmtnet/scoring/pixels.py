"""Whatever a person calls an image, brought to 8-bit RGB."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hmtnet.data.images import Pixels, decode
from hmtnet.data.pillow import DAMAGED
from hmtnet.errors import DataError, explained
from hmtnet.files import is_folder

ImageLike = Path | str | Image.Image | Pixels | Tensor
"""A file, a Pillow image, a uint8 array (H, W, 3) or a uint8 tensor (3, H, W)."""


def read_rgb(image: ImageLike) -> Pixels:
    """Bring an image to (H, W, 3) uint8, RGB; it is not to be written to.

    A file is decoded as the images of a dataset are (see `hmtnet.data.images.decode`): grey and
    palette images are converted, more than 8 bits a channel and transparency are refused. Of what
    is in memory nothing is converted: only its owner knows how it was shown.

    Raises:
        DataError: The image is missing, damaged, no RGB, empty, or not of 8 bits.
    """
    if isinstance(image, (str, Path)):
        path = Path(image).expanduser()
        if is_folder(path):
            raise DataError(f"Expected one image, found the folder '{path}'. Give it to many().")
        return decode(path)
    if isinstance(image, Image.Image):
        return _from_pillow(image)
    if isinstance(image, Tensor):
        _check(image.dtype == torch.uint8, tuple(image.shape), str(image.dtype), "tensor (3, H, W)")
        return image.detach().permute(1, 2, 0).cpu().numpy()
    if isinstance(image, np.ndarray):
        _check(image.dtype == np.uint8, image.shape, str(image.dtype), "array (H, W, 3)")
        return image
    raise DataError(
        "Expected an image: a path, a Pillow image, a uint8 array (H, W, 3) or a uint8 tensor "
        f"(3, H, W); found {type(image).__name__}."
    )


def _from_pillow(image: Image.Image) -> Pixels:
    if image.mode != "RGB":
        raise DataError(
            f"Expected a Pillow image of mode 'RGB', found '{image.mode}'. Convert it the way its "
            "viewers saw it, such as by image.convert('RGB'), or give the file's path."
        )
    _check(True, (image.height, image.width, 3), "uint8", "array (H, W, 3)")
    try:
        return np.asarray(image)
    except DAMAGED as error:
        raise explained(error) or DataError(
            f"The Pillow image cannot be decoded ({error}). Copy its file anew."
        ) from error


def _check(is_uint8: bool, shape: tuple[int, ...], dtype: str, wanted: str) -> None:
    channel = 0 if wanted.startswith("tensor") else -1
    if not is_uint8:
        step = "Multiply values of [0, 1] by 255, round, and convert to uint8."
    elif len(shape) != 3 or shape[channel] != 3:
        other = "Arrays have their channels last, tensors first; repeat a grey channel three times."
        step = "Give images one by one." if len(shape) == 4 else other
    elif 0 in shape:
        step = "It has no pixels."
    else:
        return
    raise DataError(f"Expected a uint8 RGB {wanted}, found {dtype} of shape {shape}. {step}")
