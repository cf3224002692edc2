"""QADS: 20 references × 49 super-resolved versions = 980 images, MOS in [0, 1], 1 = best.

Layout: ``super-resolved_images/img01_4_01.bmp`` (reference, scale, method),
``source_images/img01.bmp`` and ``mos_with_names.txt`` with a line ``MOS name`` an image. Known
variants are read too: the folders ``super-resolution_images`` and ``reference_images``, other
lossless containers, other letter case, Windows line ends.
"""

import logging
import re
from collections import defaultdict
from pathlib import Path

from hmtnet.data.manifest import Manifest
from hmtnet.data.readers.folder import LOSSLESS, child, contents, decode_text, find_root
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, listed

RANGE = (0.0, 1.0)
IMAGES, REFERENCES = 980, 20
OBTAINED = "QADS is obtained from its authors (Zhou et al., 2019)."
LICENCE = "as granted by its authors"
CITATION = (
    "F. Zhou, R. Yao, B. Liu, G. Qiu, Visual Quality Assessment for Super-Resolved Images: "
    "Database and Method, IEEE Transactions on Image Processing 28(7), 2019"
)

_IMAGE_FOLDERS = ("super-resolved_images", "super-resolution_images")
_SOURCE_FOLDERS = ("source_images", "reference_images")
_LABELS = "mos_with_names.txt"
_NAME = re.compile(r"img(\d+)_(\d+)_(\d+)\.(?:bmp|png|tiff?|webp)", re.IGNORECASE | re.ASCII)
_SOURCE = re.compile(r"img(\d+)\.(?:bmp|png|tiff?|webp)", re.IGNORECASE | re.ASCII)

Key = tuple[int, ...]  # the numbers of a name: reference, scale, method


def read(settings: DataSettings) -> Manifest:
    """Read a folder in the layout of QADS.

    Reference images are optional as a whole (no-reference training does not need them), but not
    one by one: a folder of them that lacks one is an incomplete copy.

    Args:
        settings: ``label_kind`` may be set to ``pseudo`` for a set of one's own in this layout.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(
        {"range": RANGE, "direction": "higher", "table": None, "images": None, "columns": None}
    )
    root = find_root(settings, OBTAINED)
    folder, labels, sources = _parts(root)
    faults: dict[str, list[str]] = defaultdict(list)
    scores = _read_labels(labels, faults)
    images = _read_images(folder, _NAME, faults)
    pristine = _read_images(sources, _SOURCE, {}) if sources else {}

    faults["labels without an image"] = [_text(key) for key in sorted(scores.keys() - images)]
    faults["images without a label"] = [images[key].name for key in sorted(images.keys() - scores)]
    if sources:
        needed = {key[:1] for key in images}
        faults[f"references without an image in '{sources.name}'"] = [
            _text(key) for key in sorted(needed - pristine.keys())
        ]
    found = [f"{len(items)} {what} ({listed(items)})" for what, items in faults.items() if items]
    if found:
        raise DataError(
            f"'{root}' is not a complete dataset in the layout of QADS: {'; '.join(found)}. "
            f"Image names look like img01_4_01.bmp (reference, scale, method; also "
            f"{', '.join(LOSSLESS[1:])}), label lines like '0.05504 img01_4_01.bmp'. {OBTAINED}"
        )
    records = [
        _record(key, scores[key], root, images[key], pristine.get(key[:1]))
        for key in sorted(images)
    ]
    _compare_with_official(settings, records, bool(sources))
    return Manifest.create(
        settings.dataset,
        root,
        records,
        label_kind=settings.label_kind or "human",
        mos_range=RANGE,
        higher_is_better=True,
        licence=settings.licence or LICENCE,
        citation=settings.citation or CITATION,
    )


def _parts(root: Path) -> tuple[Path, Path, Path | None]:
    """Find the folder of images, the label file and, where there is one, the references' folder."""
    images, labels = child(root, _IMAGE_FOLDERS), child(root, [_LABELS])
    if images is None or labels is None:
        expected = {_IMAGE_FOLDERS[0] + "/": images, _LABELS: labels}
        missing = [name for name, found in expected.items() if found is None]
        inner = [e for e in sorted(root.iterdir()) if e.is_dir() and child(e, [_LABELS])]
        hint = f" Did you mean '{inner[0]}'?" if inner else ""
        raise DataError(
            f"'{root}' does not have the layout of QADS: {listed(missing)} not found; "
            f"{contents(root)}.{hint} Set data.root to the folder that holds "
            f"{_IMAGE_FOLDERS[0]}/ and {_LABELS}. {OBTAINED}"
        )
    return images, labels, child(root, _SOURCE_FOLDERS)


def _read_labels(path: Path, faults: dict[str, list[str]]) -> dict[Key, float]:
    """Read ``MOS name`` lines; the container in a name is not compared with the image's."""
    scores: dict[Key, float] = {}
    for number, line in enumerate(decode_text(path).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            mos, name = float(words[0]), words[1]
        except (ValueError, IndexError):
            words = []
        if len(words) != 2:
            faults["malformed label lines"].append(f"line {number}: {line.strip()!r}")
            continue
        match = _NAME.fullmatch(name)
        if match is None:
            faults["malformed names in the labels"].append(f"line {number}: {name!r}")
            continue
        key = _key(match)
        if key in scores:
            faults["names with more than one label"].append(f"line {number}: {name}")
        scores[key] = mos
    return scores


def _read_images(
    folder: Path, pattern: re.Pattern[str], faults: dict[str, list[str]]
) -> dict[Key, Path]:
    images: dict[Key, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in LOSSLESS or path.name.startswith("."):
            continue
        match = pattern.fullmatch(path.name)
        if match is None:
            faults.setdefault("image files with a malformed name", []).append(path.name)
            continue
        key = _key(match)
        if key in images:
            faults.setdefault("images present more than once", []).append(
                f"{images[key].name} and {path.name}"
            )
        images[key] = path
    return images


def _record(key: Key, mos: float, root: Path, image: Path, pristine: Path | None) -> Record:
    reference, scale, method = key
    return Record(
        image=image.relative_to(root).as_posix(),
        mos=mos,
        reference=f"img{reference:02d}",
        method=f"{method:02d}",
        scale=scale,
        reference_image=None if pristine is None else pristine.relative_to(root).as_posix(),
    )


def _compare_with_official(
    settings: DataSettings, records: list[Record], has_references: bool
) -> None:
    log = logging.getLogger(__name__)
    if not has_references:
        log.warning("Dataset '%s' has no folder %s/.", settings.dataset, _SOURCE_FOLDERS[0])
    references = len({record.reference for record in records})
    if settings.dataset == "qads" and (len(records), references) != (IMAGES, REFERENCES):
        log.warning(
            "The official QADS has %d images of %d references; this folder has %d of %d.",
            *(IMAGES, REFERENCES, len(records), references),
        )


def _key(match: re.Match[str]) -> Key:
    return tuple(int(number) for number in match.groups())


def _text(key: Key) -> str:
    return "img" + "_".join(f"{n:02d}" if i != 1 else str(n) for i, n in enumerate(key))
