"""Photographs of a folder: which are fit to be references, and which are left out and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from hmtnet.data.demo.pixels import cubic, resize, to_unit
from hmtnet.data.digests import DIGEST_LENGTH
from hmtnet.data.duplicates import content_groups, near_duplicates
from hmtnet.data.readers.assemble import LOSSY
from hmtnet.data.readers.folder import LOSSLESS, is_clutter
from hmtnet.data.threads import map_images
from hmtnet.errors import DataError
from hmtnet.files import digest_file, is_folder
from hmtnet.synthesis.draws import Draws

FLATTEST = 2.0
"""Grey levels: root mean square of what a four-fold reduction takes away from a crop.

Below it lies a sky or a wall, on which no method can show what it does.
"""

_TRIES = 12  # places that are looked at for a crop with detail


@dataclass(frozen=True)
class Photograph:
    """A photograph that references may be cut from.

    Attributes:
        name: Its path below the folder, with forward slashes.
        digest: 16 hexadecimal digits of the SHA-256 of its bytes.
        content: Number of what it shows, from 1; photographs of one scene share it.
    """

    name: str
    digest: str
    content: int


@dataclass(frozen=True)
class Reference:
    """A square of a photograph.

    Attributes:
        number: From 1, RR in ``imgRR``.
        photograph: Where it comes from.
        crop: Which crop of that photograph, from 0.
    """

    number: int
    photograph: Photograph
    crop: int

    @property
    def name(self) -> str:
        """The reference's name in the set, ``imgRR``."""
        return f"img{self.number:02d}"


def survey(
    folder: Path, side: int, exclude: Sequence[Path]
) -> tuple[list[Photograph], dict[str, str]]:
    """Look through a folder of photographs.

    Args:
        folder: The folder; sub-folders count.
        side: Width and height of a reference, pixels.
        exclude: Folders of images that no photograph may show again.

    Returns:
        The photographs that are fit, by name, and why each other one is not.

    Raises:
        DataError: A folder is missing or holds no image, or no photograph is fit.
    """
    paths = _images(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    digests = dict(zip(names, _digests(paths), strict=True))
    left_out: dict[str, str] = {}
    first: dict[str, str] = {}
    for name in names:
        reason = _unfit(folder / name, side)
        if reason is None and digests[name] in first:
            reason = f"a copy of {first[digests[name]]}"
        if reason is None:
            first[digests[name]] = name
        else:
            left_out[name] = reason
    fit = list(first.values())
    left_out |= _twins(folder, {name: digests[name] for name in fit}, exclude)
    fit = [name for name in fit if name not in left_out]
    if not fit:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:3])
        raise DataError(
            f"None of the {len(names)} photographs in '{folder}' can be used ({reasons}). Give "
            f"photographs of at least {side}×{side} pixels, or a smaller side=<pixels>."
        )
    groups = content_groups([folder / name for name in fit], [digests[name] for name in fit])
    numbers: dict[str, int] = {}
    return [
        Photograph(name, digests[name], numbers.setdefault(group, len(numbers) + 1))
        for name, group in zip(fit, groups, strict=True)
    ], left_out


def _images(folder: Path) -> list[Path]:
    """Return the image files below a folder, in the order of their names."""
    if not is_folder(folder):
        raise DataError(f"'{folder}' is no folder. Give a folder of images.")
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in (*LOSSLESS, *LOSSY)
        and path.is_file()
        and not any(map(is_clutter, path.relative_to(folder).parts))
    ]
    if not found:
        raise DataError(
            f"'{folder}' holds no image. Give a folder with {', '.join((*LOSSLESS, *LOSSY))} files."
        )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _unfit(path: Path, side: int) -> str | None:
    from hmtnet.data.images import size_of  # brings torch, which other processes do without

    try:
        width, height = size_of(path)
    except DataError as error:
        return str(error)
    if min(width, height) < side:
        return f"{width}×{height} pixels, smaller than a crop of {side}×{side}"
    return None


def _twins(folder: Path, digests: dict[str, str], exclude: Sequence[Path]) -> dict[str, str]:
    """Return which photographs show what an excluded image shows, and which image that is."""
    others = [path for other in exclude for path in _images(other)]
    if not others:
        return {}
    names = list(digests)
    paths = [*(folder / name for name in names), *others]
    return {
        names[pair.first]: f"shows what {paths[pair.second]} shows, which is excluded"
        for pair in near_duplicates(paths, [*digests.values(), *_digests(others)])
        if pair.first < len(names) <= pair.second
    }


def _digests(paths: Sequence[Path]) -> list[str]:
    # Not by digest_images, which refuses links: a folder of links to photographs is welcome here.
    return map_images(
        lambda path: digest_file(Path(path))[:DIGEST_LENGTH],
        [str(path) for path in paths],
        "digesting photographs",
        show_above=200,
    )


def cut(folder: Path, reference: Reference, side: int, seed: int) -> NDArray[np.uint8]:
    """Cut a reference out of its photograph.

    A photograph that is large enough is first reduced by a drawn factor of at least 2, so that
    the reference has real detail at every pixel: neighbouring pixels of a camera are interpolated
    from a mosaic, smoothed and compressed.

    Args:
        folder: Where the photographs lie.
        reference: What to cut.
        side: Width and height, pixels.
        seed: Of the draws.

    Returns:
        RGB, shape (side, side, 3), uint8.

    Raises:
        DataError: The photograph cannot be decoded, or has no detail at any place looked at.
    """
    from hmtnet.data.images import decode  # brings torch, which other processes do without

    pixels = decode(folder / reference.photograph.name)
    draws = Draws(seed, reference.photograph.digest, "crop", reference.crop)
    largest = min(pixels.shape[:2]) / side
    reduction = largest if largest <= 2.0 else draws.geometric("reduction", 2.0, largest)
    height, width = (max(side, round(length / reduction)) for length in pixels.shape[:2])
    # Pillow's and not ours, which would take seconds and gigabytes for a camera's photograph.
    reduced = PillowImage.fromarray(pixels).resize((width, height), PillowImage.Resampling.LANCZOS)
    for top, left in _places(draws, height - side, width - side):
        square = np.asarray(reduced.crop((left, top, left + side, top + side)))
        if detail(square) >= FLATTEST:
            return square
    raise DataError(
        f"crop {reference.crop + 1} of {reference.photograph.name} shows no detail at "
        f"{_TRIES} places"
    )


def _places(draws: Draws, most_top: int, most_left: int) -> Iterator[tuple[int, int]]:
    for attempt in range(_TRIES):
        yield (
            draws.choice(f"top {attempt}", range(most_top + 1)),
            draws.choice(f"left {attempt}", range(most_left + 1)),
        )


def detail(image: NDArray[np.uint8]) -> float:
    """Return the root mean square, in grey levels, of what a four-fold reduction takes away."""
    grey = to_unit(image).mean(axis=-1) * 255.0
    height, width = grey.shape
    small = resize(grey, height // 4, width // 4, cubic)
    return float(np.sqrt(np.mean((grey - resize(small, height, width, cubic)) ** 2)))
