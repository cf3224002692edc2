"""KADID-10k: 81 references × 25 distortions × 5 levels = 10,125 images, scores in [1, 5], 5 = best.

Layout: ``images/I01_03_05.png`` (reference, distortion, level), the references ``images/I01.png``
beside them, and ``dmos.csv`` with the columns ``dist_img``, ``ref_img``, ``dmos`` and ``var``.
Two names mislead: the score is called DMOS, but a higher one means better quality, and ``var`` is
no variance, but the standard deviation of 30 ratings.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.csv_rows import labels_in, read_csv
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import number_in, once_each
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="KADID-10k",
    images=10_125,
    references=81,
    methods=25,
    range=(1.0, 5.0),
    higher_is_better=True,
    licence="as granted by its authors",
    citation=(
        "H. Lin, V. Hosu, D. Saupe, KADID-10k: A Large-scale Artificially Distorted IQA Database, "
        "International Conference on Quality of Multimedia Experience (QoMEX), 2019"
    ),
    obtained="KADID-10k is obtained from the University of Konstanz (Lin et al., 2019).",
    notes=(
        "Its scores are called DMOS, but 5 is the best and 1 the worst quality.",
        "Its column var is the standard deviation of an image's 30 ratings, not their variance: "
        "no 30 ratings have the mean 4.57 and the variance 0.496, as the first row would say.",
    ),
)

# By their numbers in the image names, from 1.
DISTORTIONS = (
    *("Gaussian blur", "lens blur", "motion blur"),
    *("color diffusion", "color shift", "color quantization"),
    *("color saturation 1", "color saturation 2", "JPEG2000", "JPEG"),
    *("white noise", "white noise in color component", "impulse noise", "multiplicative noise"),
    *("denoise", "brighten", "darken", "mean shift", "jitter", "non-eccentricity patch"),
    *("pixelate", "quantization", "color block", "high sharpen", "contrast change"),
)
_IMAGES = ("images",)
_LABELS = ("dmos.csv",)
_COLUMNS = ("dist_img", "ref_img", "dmos", "var")
_NAME = re.compile(r"(I\d\d)_(\d\d)_\d\d\.(?:png|bmp|tiff?|webp)", re.IGNORECASE | re.ASCII)
_HINT = (
    "Image names look like I01_03_05.png (reference, distortion 01 to 25, level), label lines like "
    "'I01_03_05.png,I01.png,2.1,0.58'."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of KADID-10k.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted = {} if settings.labels_only else {"images": _IMAGES}
    parts = require(root, FACTS, {**wanted, "labels": _LABELS})

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, parts.get("images"), faults)
    rows = read_csv(parts["labels"], _COLUMNS, faults)
    records: list[Record] = []
    pristine: dict[str, str | None] = {}
    for label in once_each(labels_in(rows, lambda row: row["dist_img"], "dmos", faults), faults):
        match = _NAME.fullmatch(label.name)
        if match is None or not 1 <= int(match[2]) <= len(DISTORTIONS):
            faults.add("malformed names in the labels", f"{label.where}: {label.name!r}")
            continue
        reference = match[1].upper()
        if label.others["ref_img"].lower().rpartition(".")[0] != reference.lower():
            faults.add(
                "labels that name the reference of another image",
                f"{label.where}: {label.name} of {label.others['ref_img']!r}",
            )
        deviation = number_in(label.others["var"])
        if deviation is None:
            faults.add("labels without a number in var", f"{label.where}: {label.name}")
        if reference not in pristine and not settings.labels_only:
            pristine[reference] = images.find(reference, "references without an image")
        records.append(
            Record(
                image=images.find(label.name),
                mos=label.mos,
                reference=reference,
                method=DISTORTIONS[int(match[2]) - 1],
                reference_image=pristine.get(reference),
                mos_std=deviation,
            )
        )
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


READER = Reader(read, FACTS)
