"""Which images of several folders show the same content."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hmtnet.data.labels import Labels
from hmtnet.errors import DataError, listed, nearest
from hmtnet.scoring.listing import Listed

# What SR programs put behind an image's name: "_out", "-RealESRGAN_x4", ".x2", " (enlarged)".
_ADDED = re.compile(r"[-_. (].*")


@dataclass(frozen=True)
class Matched:
    """Images of several SR methods by what they show.

    Attributes:
        contents: Names of the contents that all methods have.
        groups: (N,) what shows one photograph, at whatever scale factor.
        images: Of each method, its images of each content; folders have one of each.
        notes: What was left out, or read into names.
        mos: Of each method, the mean label of its images of each content, in [0, 1], 1 is best;
            None without labels.
        pseudo: Whether these labels are a pseudo-MOS.
    """

    contents: tuple[str, ...]
    groups: tuple[str, ...]
    images: Mapping[str, tuple[tuple[Listed, ...], ...]]
    notes: tuple[str, ...]
    mos: Mapping[str, tuple[float, ...]] | None = None
    pseudo: bool = False


def match_contents(folders: Mapping[str, Sequence[Listed]]) -> Matched:
    """Match the images of several methods by their paths below the methods' folders.

    Suffixes do not count. Where a method's images have names of their own for want of a common end,
    such as ``0801_out.png`` for ``0801.png``, what all names of a folder end in is left out.

    Args:
        folders: Of each method, its images.

    Raises:
        DataError: Methods have no content in common, or one has two images of a content.
    """
    notes: list[str] = []
    keyed = {name: _keyed(name, images, "") for name, images in folders.items()}
    common = _common(keyed)
    if not common:
        for name, images in folders.items():
            end = _common_end([_key(image) for image in images])
            if end:
                keyed[name] = _keyed(name, images, end)
                notes.append(f"{name}: “{end}” at the end of its names was left out.")
        common = _common(keyed)
    if not common:
        shown = "; ".join(f"{name}: {listed(keyed[name], 3)}" for name in folders)
        raise DataError(
            f"No content is in all folders; images are matched by their names. Found {shown}. Name "
            "the results of one photograph alike in each folder."
        )
    for name, own in keyed.items():
        alone = [key for key in own if key not in set(common)]
        if alone:
            notes.append(
                f"{name}: {len(alone)} of {len(own)} images are left out, as not every method "
                f"has them ({listed(alone, 3)})."
            )
    matched = {name: tuple((keyed[name][key],) for key in common) for name in folders}
    return Matched(tuple(common), tuple(common), matched, tuple(notes))


def contents_of(labels: Labels, methods: Sequence[str] | None = None) -> Matched:
    """Take a dataset's images on the contents and scale factors that all methods have.

    Args:
        labels: Of the dataset.
        methods: Which SR methods; None for all.

    Raises:
        DataError: A method is not there, there are fewer than two, or they share no content.
    """
    cells: dict[str, dict[tuple[str, float | None], list[int]]] = {}
    for row, record in enumerate(labels.records):
        if record.method is not None and record.reference is not None:
            key = (record.reference, record.scale)
            cells.setdefault(record.method, {}).setdefault(key, []).append(row)
    names = sorted(cells) if methods is None else list(methods)
    unknown = [name for name in names if name not in cells]
    if unknown:
        raise DataError(
            f"'{labels.name}' has no SR method {listed(unknown)}."
            f"{nearest(unknown[0], cells)} Correct --methods."
        )
    if len(set(names)) < 2:
        raise DataError(
            f"'{labels.name}' names {len(set(names))} SR methods with references "
            f"({listed(names)}), and a comparison needs two."
        )
    common = [key for key in cells[names[0]] if all(key in cells[name] for name in names)]
    if not common:
        raise DataError(
            f"No content of '{labels.name}' comes from all {len(names)} SR methods. Choose some of "
            f"them: --methods {','.join(names[:2])}."
        )
    notes = []
    most = len({key for name in names for key in cells[name]})
    if len(common) < most:
        notes.append(f"{len(common)} of {most} contents come from all of these methods.")
    if any(len(cells[name][key]) > 1 for name in names for key in common):
        notes.append("Where a method has several images of a content, their mean counts.")

    def image(row: int) -> Listed:
        inner = labels.records[row].image
        return Listed(labels.root / inner, Path(inner))

    scales = len({scale for _, scale in common}) > 1
    unit = labels.unit_mos
    return Matched(
        contents=tuple(f"{ref} ×{scale:g}" if scales and scale else ref for ref, scale in common),
        groups=tuple(reference for reference, _ in common),
        images={
            name: tuple(tuple(map(image, cells[name][key])) for key in common) for name in names
        },
        notes=tuple(notes),
        mos={name: tuple(float(unit[cells[name][k]].mean()) for k in common) for name in names},
        pseudo=labels.label_kind == "pseudo",
    )


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name methods by the shortest ends of their folders' paths that tell them apart.

    >>> names_of([Path("esrgan/x2"), Path("esrgan/x4")])
    ['x2', 'x4']
    >>> names_of([Path("esrgan/x4"), Path("bicubic/x4")])
    ['esrgan/x4', 'bicubic/x4']

    Raises:
        DataError: A folder is given twice.
    """
    parts = [folder.absolute().parts for folder in folders]
    if len({*parts}) < len(parts):
        raise DataError(f"A folder is given twice: {listed(folders)}. Give each SR method once.")
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len({*names}) == len(names):
            return names
    raise AssertionError("different paths have different ends")


def _key(image: Listed) -> str:
    return image.inner.with_suffix("").as_posix()


def _keyed(name: str, images: Sequence[Listed], end: str) -> dict[str, Listed]:
    found: dict[str, Listed] = {}
    for image in images:
        other = found.setdefault(_key(image).removesuffix(end), image)
        if other is not image:
            raise DataError(
                f"'{name}' has two images of one content, {other.path} and {image.path}. Give a "
                "folder with one image of each."
            )
    return found


def _common(keyed: Mapping[str, Mapping[str, Listed]]) -> list[str]:
    first, *others = keyed.values()
    return [key for key in first if all(key in other for other in others)]


def _common_end(keys: Sequence[str]) -> str:
    """Return what all keys end in, from a separator on; empty if there is no such end.

    >>> _common_end(["0801_x4_out", "0811_x4_out"]), _common_end(["a1", "b1"])
    ('_x4_out', '')
    """
    columns = zip(*(reversed(key) for key in keys), strict=False)
    alike = itertools.takewhile(lambda column: len({*column}) == 1, columns)
    shared = "".join(column[0] for column in alike)[::-1]
    found = _ADDED.search(shared)
    if found is None or any(key == found.group() for key in keys):
        return ""
    return found.group()
