"""Build the demo set: twelve photographs, three scales, twelve methods, 432 scored images."""

import logging
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce as fold
from importlib.metadata import version
from itertools import product
from operator import add
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.ndimage import gaussian_filter

from hmtnet.data.cache import home as default_home
from hmtnet.data.demo.learned import Evidence, gather, learn
from hmtnet.data.demo.listing import Made, write_listings
from hmtnet.data.demo.methods import (
    METHODS,
    Knowledge,
    Method,
    strength,
    super_resolve,
    uniform_draw,
)
from hmtnet.data.demo.photographs import PHOTOGRAPHS, TEXTURE, Photograph, reference
from hmtnet.data.demo.pixels import Image, reduce, split_luma, to_bytes, to_unit
from hmtnet.data.demo.pseudo_mos import Yardstick, measure, pseudo_mos, yardstick
from hmtnet.errors import DataError
from hmtnet.files import built_aside, digest_file, digest_text
from hmtnet.metrics import fidelity
from hmtnet.terminal import progress

_log = logging.getLogger(__name__)

SOFTEST = 2.5
"""Standard deviation of the strongest camera blur, pixels of the reference."""


@dataclass(frozen=True)
class Recipe:
    """What to build.

    Attributes:
        photographs: The references, at least two: the learned method trains on the other ones.
        scales: The scale factors.
        methods: The super-resolution methods.
    """

    photographs: tuple[Photograph, ...] = PHOTOGRAPHS
    scales: tuple[int, ...] = (2, 3, 4)
    methods: tuple[Method, ...] = METHODS


@dataclass(frozen=True)
class _Source:
    """One reference, and at every scale its low-resolution image and what that teaches."""

    photograph: Photograph
    pixels: NDArray[np.uint8]
    yardstick: Yardstick
    low: dict[int, NDArray[np.uint8]]
    evidence: dict[int, Evidence]


def ensure(home: Path | None = None) -> Path:
    """Return the folder of the demo set, and build the set first if it is not there.

    Building needs no network and takes about half a minute on two cores. It is deterministic to the
    byte for given versions of NumPy, SciPy, scikit-image and Pillow. The folder's name carries a
    digest of those versions and of the recipe's sources, so a changed recipe is another folder.
    Processes that want it at once wait for the first one to build it.

    Args:
        home: Where to keep it; by default the environment variable ``HMTNET_HOME``, else
            ``~/.cache/hmtnet``.

    Returns:
        The folder ``demo-<digest>``, in QADS layout, with a README.txt that says what it is.

    Raises:
        DataError: If the folder cannot be written, or scikit-image lacks a photograph.
    """
    if home is None:
        home = default_home()
    folder = Path(home) / f"demo-{recipe_digest()}"
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():
                # We hold the lock, so what lies aside is what a killed process has left.
                for abandoned in folder.parent.glob(f".{folder.name}-*"):
                    shutil.rmtree(abandoned, ignore_errors=True)
                _log.info("Building the demo set in %s.", folder)
                build(folder, Recipe())
    except OSError as error:
        raise DataError(
            f"The demo set cannot be written to {folder} ({error}). Make room there, or set the "
            f"environment variable HMTNET_HOME to a folder that can be written."
        ) from error
    return folder


def recipe_digest() -> str:
    """Return 12 hexadecimal digits over the recipe's sources and the libraries it runs on."""
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(fidelity.__file__)]
    parts = [f"{path.name} {digest_file(path)}" for path in sources]
    parts += [f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-image", "pillow")]
    return digest_text("\n".join(parts), 12)


def build(folder: Path, recipe: Recipe, workers: int | None = None) -> None:
    """Build a recipe into a folder that appears whole or not at all.

    Args:
        folder: Where to put it; if it exists already, it stays as it is.
        recipe: What to build.
        workers: How many threads; by default one per processor. The result does not depend on it.

    Raises:
        DataError: If the recipe has fewer than two photographs, or scikit-image lacks one.
        OSError: If the folder cannot be written.
    """
    if len(recipe.photographs) < 2:
        raise DataError(
            f"A demo set needs at least 2 photographs, for the learned method trains on the other "
            f"ones, but this recipe has {len(recipe.photographs)}. Add one."
        )
    total = len(recipe.photographs) * len(recipe.scales) * len(recipe.methods)
    # NumPy and SciPy let go of the interpreter while they compute, so threads use every core;
    # unlike processes they ask nothing of the script that calls us.
    with (
        built_aside(folder) as aside,
        ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool,
        progress(total=total, title="building the demo set", unit="image") as bar,
    ):
        for name in ("source_images", "super-resolved_images"):
            (aside / name).mkdir()
        texture = _luma(reference(TEXTURE))
        sources = list(pool.map(lambda photo: _source(photo, recipe.scales), recipe.photographs))
        for source in sources:
            _save(source.pixels, aside / "source_images" / f"{source.photograph.name}.png")

        def work(cell: tuple[_Source, int]) -> list[Made]:
            source, scale = cell
            others = [each.evidence[scale] for each in sources if each is not source]
            knowledge = Knowledge(learn(fold(add, others)), texture)
            return _super_resolved(aside, source, scale, recipe.methods, knowledge)

        made: list[Made] = []
        for done in pool.map(work, product(sources, recipe.scales)):
            made += done
            bar.update(len(done))
        write_listings(aside, recipe.photographs, recipe.methods, made)


def _source(photograph: Photograph, scales: Iterable[int]) -> _Source:
    """Cut a reference, and take a low-resolution picture of it at every scale."""
    pixels = reference(photograph)
    image = to_unit(pixels)
    low = {
        scale: to_bytes(reduce(_out_of_focus(image, photograph.name, scale), scale))
        for scale in scales
    }
    evidence = {scale: gather(_luma(pixels), _luma(low[scale]), scale) for scale in scales}
    return _Source(photograph, pixels, yardstick(pixels), low, evidence)


def _out_of_focus(image: Image, name: str, scale: int) -> Image:
    """Blur an image as a camera would that is a little out of focus, more or less by picture."""
    sigma = SOFTEST * uniform_draw(name, scale, "focus")
    return np.asarray(gaussian_filter(image, (sigma, sigma, 0.0)))


def _super_resolved(
    folder: Path, source: _Source, scale: int, methods: Iterable[Method], knowledge: Knowledge
) -> list[Made]:
    """Make, save and score the images of one reference and scale."""
    made = []
    for method in methods:
        amount = strength(method, source.photograph.name, scale)
        image = super_resolve(method, source.low[scale], scale, amount, knowledge)
        name = f"{source.photograph.name}_{scale}_{method.number:02d}.png"
        _save(image, folder / "super-resolved_images" / name)
        measures = measure(source.pixels, image)
        made.append(Made(name, amount, measures, pseudo_mos(measures, source.yardstick)))
    return made


def _luma(image: NDArray[np.uint8]) -> Image:
    return split_luma(to_unit(image))[0]


def _save(image: NDArray[np.uint8], path: Path) -> None:
    # Stronger compression would take a sixth of the build's time and save almost no space.
    PillowImage.fromarray(image).save(path, compress_level=3)
