"""SISAR: 8400 super-resolved images of 100 scenes, semi-automatic ratings in [0, 1], 1 = best.

Layout: ``MOS_with_name.txt`` with one line ``name#MOS`` per image, and the images in ``SR_images``
or in the dataset's folder. A MOS of exactly 1 marks a reference: it is no super-resolved image and
not counted among the scored ones, but the reference image of the images whose names start with its
own, followed by a separator.

How names of images are made is not documented. What the reader takes from them is only what is
plain: the reference, where it is in the list; the scale factor, where exactly one part between
separators looks like ``x4`` or ``4x``; and, where both are known, the rest as the method. Images
whose reference stays unknown have none, and are split by content as any set without references.
"""

import logging
import re
from collections.abc import Mapping

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import LOSSLESS, child, find_root
from hmtnet.data.readers.lines import once_each, read_label_lines
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="SISAR",
    images=8400,
    references=100,
    range=(0.0, 1.0),
    higher_is_better=True,
    licence="as granted by its authors",
    citation=(
        "T. Zhao, Y. Lin, Y. Xu, W. Chen, Z. Wang, Learning-Based Quality Assessment for Image "
        "Super-Resolution, IEEE Transactions on Multimedia 24, 2022"
    ),
    obtained="SISAR is obtained from its authors (Zhao et al., 2022).",
    notes=(
        "The ratings are semi-automatic: people rated a part, and the rest was inferred from it.",
        "Entries with a MOS of 1 are the references themselves; they are not counted as images.",
        "The article in print speaks of 12,600 images, its preprint of 8,400.",
    ),
)

_LABELS = "MOS_with_name.txt"
_ENDING = re.compile(
    rf"(?:{'|'.join(re.escape(suffix) for suffix in (*LOSSLESS, '.jpg', '.jpeg'))})$", re.IGNORECASE
)
_SEPARATOR = re.compile(r"[^A-Za-z0-9.]+")
_SCALE = re.compile(r"x(\d)|(\d)x", re.IGNORECASE | re.ASCII)
_HINT = "Label lines look like 'name.bmp#0.5'; a MOS of 1 marks a reference."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of SISAR.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    parts = require(root, FACTS, {"labels": (_LABELS,)})
    faults = Faults(root, FACTS, _HINT)
    labels = once_each(read_label_lines(parts["labels"], ("name", "mos"), faults, "#"), faults)
    folder = None if settings.labels_only else child(root, ("SR_images",)) or root
    images = Images(root, folder, faults, lossy=True)
    references = {
        _ENDING.sub("", label.name): images.find(label.name) for label in labels if label.mos == 1.0
    }
    records: list[Record] = []
    for label in labels:
        if label.mos == 1.0:
            continue
        stem = _ENDING.sub("", label.name)
        reference = _reference_of(stem, references)
        method, scale = _method_of(stem if reference is None else stem[len(reference) :])
        records.append(
            Record(
                image=images.find(label.name),
                mos=label.mos,
                reference=reference,
                method=None if reference is None else method,
                scale=scale,
                reference_image=None
                if settings.labels_only or reference is None
                else references[reference],
            )
        )
    if folder != root:
        images.check_labelled()
    faults.check()
    unknown = sum(record.reference is None for record in records)
    if unknown:
        logging.getLogger(__name__).warning(
            "Dataset '%s': the names of %d of %d images do not tell their reference.",
            *(settings.dataset, unknown, len(records)),
        )
    return labels_of(settings, FACTS, root, records)


def _reference_of(stem: str, references: Mapping[str, str]) -> str | None:
    """Return the longest name of a reference that the name starts with, up to a separator."""
    fitting = [
        name for name in references if stem.startswith(name) and _SEPARATOR.match(stem, len(name))
    ]
    return max(fitting, key=len, default=None)


def _method_of(rest: str) -> tuple[str | None, int | None]:
    """Split what a name says besides the reference into method and scale factor."""
    parts = [part for part in _SEPARATOR.split(rest) if part]
    scales = [match for part in parts if (match := _SCALE.fullmatch(part))]
    if len(scales) != 1:
        return None, None
    others = [part for part in parts if part != scales[0][0]]
    return "_".join(others) or None, int(scales[0][1] or scales[0][2])


READER = Reader(read, FACTS)
