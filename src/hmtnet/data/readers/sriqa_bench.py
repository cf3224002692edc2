"""SRIQA-Bench: 100 scenes × (10 SR methods at ×4 + the original) = 1100 images, scores 0 to 100.

Layout: ``images/SeeSRx4/online50_SeeSRx4.png`` (one folder per method, or all in one) and
``images/Original/online50_Original.png``. Labels: either ``SRIQA-Bench_test_all.txt`` with one
line ``reference restored score`` per image, or the folder ``MOS`` with one file per scene and one
line ``name,score`` per image. The original is scored like the others, and is the reference image of
its scene.
"""

import re
from pathlib import Path

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import decode_text, find_root
from hmtnet.data.readers.lines import Label, once_each, read_label_lines
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="SRIQA-Bench",
    images=1100,
    references=100,
    methods=11,
    scales={4: 1000},
    range=(0.0, 100.0),
    higher_is_better=True,
    mos=(0.0, 50.371, 100.0),
    licence="as granted by its authors",
    citation=(
        "D. Chen, T. Wu, K. Ma, L. Zhang, Toward Generalized Image Quality Assessment: Relaxing "
        "the Perfect Reference Quality Assumption, IEEE/CVF Conference on Computer Vision and "
        "Pattern Recognition, 2025"
    ),
    obtained="SRIQA-Bench is obtained from its authors (Chen et al., 2025).",
    notes=(
        "The scores of every scene are scaled by themselves: its worst image has 0 and its best "
        "100, so that only scores within a scene can be compared.",
        "The originals are scored too, as the method Original without a scale factor; in 60 of "
        "the 100 scenes the original is the best image, in 40 a super-resolved one is.",
    ),
)

_LABELS = ("SRIQA-Bench_test_all.txt", "MOS")
_ORIGINAL = "Original"
_NAME = re.compile(
    r"([^_/]+)_([^_/]+?)(?:x(\d+))?\.(?:png|bmp|tiff?|webp)", re.IGNORECASE | re.ASCII
)
_HINT = (
    "Image names look like online50_SeeSRx4.png (scene, method, scale), label lines like "
    "'online50_Original.png online50_SeeSRx4.png 98.5'."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of SRIQA-Bench.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted: dict[str, tuple[str, ...]] = {"labels": _LABELS}
    if not settings.labels_only:
        wanted["images"] = ("images",)
    parts = require(root, FACTS, wanted)

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, parts.get("images"), faults, flat=True)
    records: list[Record] = []
    for label in once_each(_labels(parts["labels"], faults), faults):
        match = _NAME.fullmatch(label.name)
        # Only the list of all scenes names the original.
        source = label.others.get("reference") or f"{label.name.split('_')[0]}_{_ORIGINAL}.png"
        scene = source.split("_")[0]
        if match is None or match[1].lower() != scene.lower():
            faults.add(
                "malformed names in the labels", f"{label.where}: {label.name!r} of {source!r}"
            )
            continue
        records.append(
            Record(
                image=images.find(label.name),
                mos=label.mos,
                reference=scene,
                method=match[2],
                scale=None if match[3] is None else int(match[3]),
                reference_image=None
                if settings.labels_only
                else images.find(source, "originals without an image"),
            )
        )
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


def _labels(path: Path, faults: Faults) -> list[Label]:
    """Read the one list of all scenes, or the folder with one list per scene."""
    if not path.is_dir():
        return read_label_lines(path, ("reference", "name", "mos"), faults)
    labels = []
    for file in sorted(path.glob("*.txt")):
        separator = "," if "," in decode_text(file) else None
        labels += read_label_lines(file, ("name", "mos"), faults, separator, several=True)
    return labels


READER = Reader(read, FACTS)
