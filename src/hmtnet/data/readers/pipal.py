"""PIPAL: the 23,200 labelled training images, 200 references × 116 versions; Elo scores.

Layout: the images ``A0001_00_00.bmp`` (reference, class of the distortion, number in the class) in
``Distortion_1`` to ``Distortion_4``, or all in ``Train_Dist``; the references ``A0001.bmp`` in
``Train_Ref`` (optional); the labels in ``Train_Label``: one file ``A0001.txt`` per reference, with
one line ``A0001_00_00.bmp,1436.1`` per image. What lies beside them (the unlabelled validation and
test images) is not looked at.

The reader ``pipal_sr`` reads the 5800 images of a published table from the same folder.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import Label, once_each, read_label_lines
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.references import References
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="PIPAL",
    images=23200,
    references=200,
    methods=116,
    range=(800.0, 1900.0),
    higher_is_better=True,
    licence="as granted by its authors",
    citation=(
        "J. Gu, H. Cai, H. Chen, X. Ye, J. Ren, C. Dong, PIPAL: A Large-Scale Image Quality "
        "Assessment Dataset for Perceptual Image Restoration, European Conference on Computer "
        "Vision, 2020"
    ),
    obtained="PIPAL is obtained from its authors (Gu et al., 2020).",
    notes=(
        "Elo scores have no natural bounds; the range is a round one that holds the known scores.",
        "The 116 versions of a reference are 40 types of distortion at several strengths, in seven "
        "classes; super-resolution makes up only some of them.",
        "Only the training images have public labels; the dataset has 29,000 images in all.",
    ),
)

_PARTS = ("Distortion_1", "Distortion_2", "Distortion_3", "Distortion_4")
TRAINING = (*_PARTS, *(name.replace("_", "") for name in _PARTS), "Train_Dist")
_NAME = re.compile(r"(A\d{4})_(\d{2}_\d{2})\.(?:bmp|png|tiff?|webp)", re.IGNORECASE | re.ASCII)
HINT = (
    "Image names look like A0001_00_00.bmp (reference, class and number of the distortion), label "
    "lines like 'A0001_00_00.bmp,1436.1'."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of PIPAL.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted: dict[str, tuple[str, ...]] = {"labels": ("Train_Label",)}
    if not settings.labels_only:
        wanted["images"] = TRAINING
    parts = require(root, FACTS, wanted)

    faults = Faults(root, FACTS, HINT)
    labels: list[Label] = []
    for file in sorted(parts["labels"].glob("*.txt")):
        labels += read_label_lines(file, ("name", "mos"), faults, ",", several=True)
    images = training_images(settings, root, faults)
    records = [record for _, record in records_of(settings, root, labels, images, faults)]
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


def training_images(settings: DataSettings, root: Path, faults: Faults) -> Images:
    """Find the training images of PIPAL, in whichever of its folders they lie."""
    return Images(root, None if settings.labels_only else root, faults, within=TRAINING, flat=True)


def records_of(
    settings: DataSettings, root: Path, labels: Iterable[Label], images: Images, faults: Faults
) -> list[tuple[str, Record]]:
    """Make a record of every label of a training image.

    Returns:
        The name in the labels, and the record.
    """
    references = References(root, ("Train_Ref", "train_ref1"), settings, faults)
    records = []
    for label in once_each(labels, faults):
        match = _NAME.fullmatch(label.name)
        if match is None:
            faults.add("malformed names in the labels", f"{label.where}: {label.name!r}")
            continue
        record = Record(
            image=images.find(label.name),
            mos=label.mos,
            reference=match[1].upper(),
            method=match[2],
            reference_image=references.find(match[1]),
        )
        records.append((label.name, record))
    return records


READER = Reader(read, FACTS)
