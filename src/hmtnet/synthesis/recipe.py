"""The recipe of a set: what decides its bytes, and whether a folder holds that set."""

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hmtnet.errors import DataError, listed
from hmtnet.files import digest_file, read_json, write_text
from hmtnet.synthesis import networks
from hmtnet.synthesis.methods import Toolbox
from hmtnet.synthesis.photographs import Photograph
from hmtnet.synthesis.settings import SynthesisSettings

VERSION = 2
"""Of the way images are made: a higher number wherever the same recipe makes other bytes."""

RECIPE = "recipe.json"
_LIBRARIES = ("numpy", "scipy", "scikit-image", "pillow")


def recipe_of(
    settings: SynthesisSettings,
    photographs: Sequence[Photograph],
    toolbox: Toolbox,
    weights: Sequence[Path],
) -> dict[str, Any]:
    """Return everything that decides the bytes of a set, JSON-ready."""
    libraries: tuple[str, ...] = _LIBRARIES
    if any(family.name in toolbox.methods for family in networks.FAMILIES):
        libraries += ("ncnn", *sorted({family.package for family in networks.FAMILIES}))
    return {
        "version": VERSION,
        "settings": settings.drawn_from(),
        "methods": list(toolbox.methods),
        "weights": {path.stem: digest_file(path) for path in weights},
        "photographs": {photograph.name: photograph.digest for photograph in photographs},
        "libraries": {name: _version(name) for name in libraries},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def claim(folder: Path, recipe: dict[str, Any]) -> None:
    """Begin a set in a folder, or go on with it.

    Raises:
        DataError: The folder holds something else, or a set of another recipe.
    """
    path = folder / RECIPE
    if path.is_file():
        try:
            found = read_json(path)
            known = {name: found[name] for name in recipe}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"'{path}' is no recipe of a synthesised set ({error!r}). Name another folder with "
                "output=<folder>."
            ) from error
        changed = [
            f"{name}.{key} {before!r} → {now!r}" if key else f"{name} {before!r} → {now!r}"
            for name in recipe
            for key, before, now in _changes(known[name], recipe[name])
        ]
        if changed:
            raise DataError(
                f"'{folder}' holds a set of another recipe: {listed(changed, 3)}. Repeat the "
                "command it was made with, or name another folder with output=<folder>."
            )
        return
    left = [each for each in folder.iterdir() if each.name[0] != "."] if folder.is_dir() else []
    if left:
        raise DataError(
            f"'{folder}' is not empty ({listed(each.name for each in left)}) and holds no "
            f"{RECIPE}. Name an empty or a new folder with output=<folder>."
        )
    write_text(path, json.dumps(recipe, indent=1) + "\n")


def _changes(before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [("", before, now)] if before != now else []
    keys = [*before, *(key for key in now if key not in before)]
    return [(k, before.get(k), now.get(k)) for k in keys if before.get(k) != now.get(k)]
