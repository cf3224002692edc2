"""One image at a time, in a process of its own: degrade, super-resolve, save, score."""

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from functools import reduce as fold
from multiprocessing import parent_process
from operator import add
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from hmtnet.data.demo.learned import gather, learn
from hmtnet.data.demo.pixels import Image, reduce, split_luma, to_bytes, to_unit
from hmtnet.errors import HmtnetError
from hmtnet.files import digest_file, written_aside
from hmtnet.synthesis.degradation import degrade
from hmtnet.synthesis.fidelity import fidelity
from hmtnet.synthesis.methods import Toolbox
from hmtnet.synthesis.photographs import Reference, cut
from hmtnet.synthesis.plan import PlannedImage, draws_of

Pixels = NDArray[np.uint8]
Row = dict[str, Any]

IMAGES, SOURCES = "super-resolved_images", "source_images"


def _preference(image: Pixels, reference: Pixels) -> float:
    # Imported where it is asked for: it needs torch and an extra.
    from hmtnet.synthesis.pseudo_mos import preference

    return preference(image, reference)


FORMULAS: dict[str, Callable[[Pixels, Pixels], float]] = {
    "preference": _preference,
    "fidelity": fidelity,
}
"""By name, what gives an image and its reference a pseudo-MOS in [0, 1], 1 = best."""


def check_formula(name: str) -> None:
    """Check that a formula can be computed here, before images are made that it cannot score.

    Raises:
        SettingsError: Something that it needs is not installed.
        WeightsError: Its weights are not.
    """
    if name == "preference":
        from hmtnet.synthesis.pseudo_mos import Preference

        Preference()


def end_with_parent() -> None:
    """End this process as soon as the one that has started it is gone, however that ended.

    A process of a pool waits for work, and would wait for ever when its parent was killed.
    """
    parent = parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        Thread(target=watch, daemon=True).start()


@dataclass(frozen=True)
class Failure:
    """An image or a reference that could not be made."""

    name: str
    reason: str


@dataclass(frozen=True)
class Workshop:
    """What every process needs to know.

    Attributes:
        folder: The set's folder.
        photos: The folder of photographs.
        side: Of a reference, pixels.
        seed: Of all draws.
        formula: A name of `FORMULAS`.
        weights: Weight files of the user's.
    """

    folder: Path
    photos: Path
    side: int
    seed: int
    formula: str
    weights: tuple[Path, ...]

    def has(self, reference: Reference) -> bool:
        """Whether a reference is there."""
        return self.path(reference).is_file()

    def path(self, reference: Reference) -> Path:
        """Return where a reference lies."""
        return self.folder / SOURCES / f"{reference.name}.png"

    def cut(self, reference: Reference) -> Failure | None:
        """Cut a reference and save it."""
        try:
            _save(cut(self.photos, reference, self.side, self.seed), self.path(reference))
        except HmtnetError as error:
            return Failure(reference.name, str(error))
        return None

    def make(self, image: PlannedImage) -> Row | Failure:
        """Make an image, unless it is there, and score it.

        Returns:
            Everything that was drawn for it, the digest of its file, and its score.
        """
        path = self.folder / IMAGES / image.name
        reference = _read(self.path(image.reference))
        try:
            if not path.is_file():
                draws = draws_of(self.seed, image.reference, image.scale)
                low = degrade(reference, image.scale, image.degradation, draws)
                toolbox, others = _toolbox(self.weights), _Neighbours(self.folder, image.others)
                made = toolbox.super_resolve(image.enlargement, low, self.side, others)
                _save(made, path)
            mos = FORMULAS[self.formula](_read(path), reference)
        except HmtnetError as error:
            return Failure(image.name, str(error))
        return {
            **_drawn(image),
            "sha256": digest_file(path),
            "formula": self.formula,
            "mos": round(mos, 6),
        }

    def knows(self, image: PlannedImage, row: Row) -> bool:
        """Whether a row that was written down before is what `make` would return."""
        path, drawn, mos = self.folder / IMAGES / image.name, _drawn(image), row.get("mos")
        return (
            {name: row.get(name) for name in drawn} == json.loads(json.dumps(drawn))
            and row.get("formula") == self.formula
            and isinstance(mos, float)
            and math.isfinite(mos)
            and path.is_file()
            and row.get("sha256") == digest_file(path)
        )


def _drawn(image: PlannedImage) -> Row:
    return {
        "image": image.name,
        "reference": image.reference.name,
        "photograph": image.reference.photograph.name,
        "scale": image.scale,
        "degradation": asdict(image.degradation),
        "enlargement": asdict(image.enlargement),
    }


@dataclass(frozen=True)
class _Neighbours:
    """References of other photographs, as methods ask for them."""

    folder: Path
    names: Sequence[str]

    def filters(self, factor: int) -> NDArray[np.float64]:
        return _filters(self.folder, tuple(self.names), factor)

    def texture(self, name: str, size: int) -> Image:
        luma = _luma(_read(self.folder / SOURCES / f"{name}.png"))
        missing = max(0, size - luma.shape[0])
        return np.pad(luma, ((0, missing), (0, missing)), mode="symmetric")[:size, :size]


@cache
def _toolbox(weights: tuple[Path, ...]) -> Toolbox:
    return Toolbox(weights)


@lru_cache(maxsize=8)
def _filters(folder: Path, names: tuple[str, ...], factor: int) -> NDArray[np.float64]:
    evidence = []
    for name in names:
        pixels = _read(folder / SOURCES / f"{name}.png")
        whole = pixels.shape[0] - pixels.shape[0] % factor
        square = pixels[:whole, :whole]
        low = to_bytes(reduce(to_unit(square), factor))
        evidence.append(gather(_luma(square), _luma(low), factor))
    return learn(fold(add, evidence))


def _luma(image: Pixels) -> Image:
    return split_luma(to_unit(image))[0]


@lru_cache(maxsize=16)
def _decoded(path: Path, changed: int) -> Pixels:
    with PillowImage.open(path) as stored:
        return np.asarray(stored.convert("RGB"))


def _read(path: Path) -> Pixels:
    return _decoded(path, path.stat().st_mtime_ns)


def _save(image: Pixels, path: Path) -> None:
    with written_aside(path) as aside:
        PillowImage.fromarray(image).save(aside, format="PNG", compress_level=3)
