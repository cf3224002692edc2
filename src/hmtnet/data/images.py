"""Pixels: files decoded to 8-bit RGB, once."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from hmtnet.data.manifest import Manifest
from hmtnet.data.memory import Cache, keeps
from hmtnet.data.pairs import Size, common_part
from hmtnet.data.pillow import DAMAGED, opened
from hmtnet.data.threads import map_images
from hmtnet.errors import DataError, explained, listed

Pixels = npt.NDArray[np.uint8]

# Pillow's modes that have one meaning in RGB.
_MODES = frozenset({"1", "L", "P", "RGB", "RGBA", "LA", "PA", "CMYK", "YCbCr"})


def decode(path: Path) -> Pixels:
    """Decode an image file to 8-bit RGB.

    Grey, palette and CMYK images are converted, an alpha channel that is opaque everywhere is
    dropped. Nothing is guessed: more than 8 bits per channel, or transparency, would need a
    decision about how viewers saw the image, so both are refused. The depth is the one that the
    container's own header states, and containers that do not tell are refused by name. Orientation
    notes of cameras (EXIF) and colour profiles are ignored: the scores belong to the stored pixels,
    and references and crops lie on their grid. Of several frames the first counts.

    Args:
        path: A PNG, BMP, TIFF, JPEG, WebP, GIF, PPM, JPEG 2000, AVIF or SGI file.

    Returns:
        (H, W, 3) uint8, RGB, read-only.

    Raises:
        DataError: The file is missing, damaged, larger than ``hmtnet.data.pillow.LIMIT`` allows,
            transparent, has more than 8 bits, or is of another container.
    """
    try:
        with opened(path) as image:
            if image.mode not in _MODES:
                raise DataError(
                    f"Image '{path}' stores colours as '{image.mode}'. Convert it to RGB the way "
                    "the viewers saw it."
                )
            image.load()
            rgb = _to_rgb(image, path)
    except FileNotFoundError as error:
        raise DataError(f"Image '{path}' does not exist.") from error
    except DAMAGED as error:
        raise explained(error) or DataError(
            f"Image '{path}' cannot be decoded ({error}); {_look(path)}. Copy it anew from the "
            "dataset, or remove its label."
        ) from error
    pixels = np.asarray(rgb)
    pixels.flags.writeable = False
    return pixels


def to_tensor(image: Pixels) -> Tensor:
    """Bring (H, W, 3) to (3, H, W), in memory of its own."""
    return torch.from_numpy(image.transpose(2, 0, 1).copy())


def size_of(path: Path) -> Size:
    """Return an image file's width and height, which its header says.

    Raises:
        DataError: As ``decode``.
    """
    try:
        with opened(path) as image:
            return image.size
    except DAMAGED:
        height, width, _ = decode(path).shape  # or what is wrong with it
        return width, height


class ImageStore:
    """Decoded images of rows of a manifest, and their reference images where these are asked for.

    Args:
        manifest: The dataset.
        rows: The rows that will be asked for.
        cache: ``memory`` decodes all of them now, by several threads, and keeps H·W·3 bytes per
            image; ``none`` decodes an image each time it is used, and once now, so that a broken
            one is found before training; ``auto`` is ``memory`` where that takes no more than half
            of the free memory, else ``none``.
        copies: How many processes will each keep the images.

    Raises:
        DataError: Images cannot be decoded; all of them are listed.
        SettingsError: ``memory``, and there is less memory than the images need.
    """

    def __init__(
        self,
        manifest: Manifest,
        rows: Iterable[int],
        cache: Cache = "auto",
        copies: int = 1,
    ) -> None:
        self.manifest = manifest
        self.rows = tuple(rows)
        self._cache: Cache = cache
        self._copies = copies
        self._kept: dict[str, Pixels] = {}
        self._decided: set[str] = set()
        self._keep((manifest.records[row].image for row in self.rows), "images")

    def keep_references(self, rows: Iterable[int]) -> None:
        """Decode the reference images of some rows now, none twice; keep them if the cache does.

        Args:
            rows: The rows whose references will be asked for. One that several images share is
                kept once.

        Raises:
            DataError: Reference images cannot be decoded; all of them are listed.
            SettingsError: ``memory``, and there is less memory left than they need.
        """
        named = (self.manifest.records[row].reference_image for row in rows)
        self._keep((name for name in named if name is not None), "reference images")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Pixels:
        """Return the image of a row: (H, W, 3) uint8, RGB, read-only."""
        return self._get(self.manifest.records[row].image)

    def reference(self, row: int) -> Pixels:
        """Return the reference image of a row: (H, W, 3) uint8, RGB, read-only.

        Raises:
            DataError: The row has no reference image.
        """
        record = self.manifest.records[row]
        if record.reference_image is None:
            raise DataError(
                f"Image '{record.image}' of dataset '{self.manifest.name}' has no reference image, "
                "which full-reference methods need. Use a dataset with references, or a "
                "no-reference method."
            )
        return self._get(record.reference_image)

    def pair(self, row: int) -> tuple[Pixels, Pixels]:
        """Return the image of a row and its reference, both cut to their common part.

        Raises:
            DataError: The row has no reference image, or one of too different a size.
        """
        record = self.manifest.records[row]
        return common_part(self[row], self.reference(row), record.scale, record.image)

    def _keep(self, names: Iterable[str], what: str) -> None:
        """Decode the files that are to be kept; whether a file is, is decided once."""
        new = sorted(set(names) - self._decided)
        self._decided.update(new)
        if not new:
            return
        title = self.manifest.name
        sizes = map_images(self._bytes_of, new, f"measuring {title}", show_above=1000)
        needed = self._copies * sum(sizes)
        kept = keeps(self._cache, f"the {what} of dataset '{title}' ({len(new)})", needed)
        self._kept |= _decode_all(self.manifest, new, kept)

    def _bytes_of(self, name: str) -> int:
        """Return how many bytes an image has when decoded, by its header; 0 if it is damaged."""
        try:
            width, height = size_of(self.manifest.path(name))
        except DataError:
            return 0
        return width * height * 3

    def _get(self, name: str) -> Pixels:
        kept = self._kept.get(name)
        return decode(self.manifest.path(name)) if kept is None else kept


def _decode_all(manifest: Manifest, wanted: Sequence[str], keep: bool) -> dict[str, Pixels]:
    def attempt(name: str) -> Pixels | DataError | None:
        try:
            pixels = decode(manifest.path(name))
        except DataError as error:
            return error
        return pixels if keep else None

    results = map_images(attempt, wanted, f"decoding {manifest.name}")
    failures = [result for result in results if isinstance(result, DataError)]
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise DataError(
            f"{len(failures)} of {len(wanted)} images cannot be used: {listed(failures)}"
        )
    return {
        n: pixels
        for n, pixels in zip(wanted, results, strict=True)
        if isinstance(pixels, np.ndarray)
    }


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        lowest = rgba.getchannel("A").getextrema()[0]
        if lowest != 255:
            raise DataError(
                f"Image '{path}' is transparent in places (alpha down to {lowest} of 255), so its "
                "looks depend on the background. Flatten it onto the one the viewers saw."
            )
        return rgba.convert("RGB")
    return image.convert("RGB")


def _look(path: Path) -> str:
    """Say what a file that is no image looks like."""
    if path.is_dir():
        return "it is a folder"
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
        size = path.stat().st_size
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if start.startswith(b"version https://"):
        return "it is a Git LFS pointer, not the image itself"
    return f"it has {size} bytes and starts with {start!r}" if size else "it is empty"
