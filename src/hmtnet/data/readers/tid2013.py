"""TID2013: 25 references × 24 distortions × 5 levels = 3,000 images, MOS in [0, 9], 9 = best.

Layout: ``distorted_images/I01_03_5.bmp`` (reference, distortion, level),
``reference_images/I01.BMP`` and ``mos_with_names.txt`` with a line ``MOS name`` an image. Names
differ in letter case between files and labels. ``mos_std.txt`` is not read: it has the standard
errors of the MOS, not the standard deviations of the predictions.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import once_each, read_label_lines
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.references import References
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="TID2013",
    images=3_000,
    references=25,
    methods=24,
    range=(0.0, 9.0),
    higher_is_better=True,
    licence="educational and research purposes only, unmodified and with its copyright notice",
    citation=(
        "N. Ponomarenko, L. Jin, O. Ieremeiev, V. Lukin, K. Egiazarian, J. Astola, B. Vozel, "
        "K. Chehdi, M. Carli, F. Battisti, C.-C. Jay Kuo, Image database TID2013: Peculiarities, "
        "results and perspectives, Signal Processing: Image Communication 30, 2015"
    ),
    obtained="TID2013 is obtained from its authors (Ponomarenko et al., 2015).",
    notes=(
        "Reference I25 is an artificial image, the other 24 are photographs.",
        "Its mos_std.txt (about 0.13) has the standard errors of the MOS, not the standard "
        "deviations of the predictions, and is not read.",
    ),
)

# By their numbers in the image names, from 1.
DISTORTIONS = (
    *("additive Gaussian noise", "additive noise in color components"),
    *("spatially correlated noise", "masked noise", "high frequency noise", "impulse noise"),
    *("quantization noise", "Gaussian blur", "image denoising", "JPEG compression"),
    *("JPEG2000 compression", "JPEG transmission errors", "JPEG2000 transmission errors"),
    *("non eccentricity pattern noise", "local block-wise distortions", "mean shift"),
    *("contrast change", "change of color saturation", "multiplicative Gaussian noise"),
    *("comfort noise", "lossy compression of noisy images", "color quantization with dither"),
    *("chromatic aberrations", "sparse sampling and reconstruction"),
)
_IMAGES = ("distorted_images",)
_SOURCES = ("reference_images",)
_LABELS = ("mos_with_names.txt",)
_NAME = re.compile(r"(I\d\d)_(\d\d)_\d\.(?:bmp|png|tiff?|webp)", re.IGNORECASE | re.ASCII)
_HINT = (
    "Image names look like I01_03_5.bmp (reference, distortion 01 to 24, level), label lines like "
    "'5.51429 I01_03_5.bmp'."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of TID2013.

    Reference images are optional as a whole.

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
    pristine = References(root, _SOURCES, settings, faults)
    labels = read_label_lines(parts["labels"], ("mos", "name"), faults)
    records: list[Record] = []
    for label in once_each(labels, faults):
        match = _NAME.fullmatch(label.name)
        if match is None or not 1 <= int(match[2]) <= len(DISTORTIONS):
            faults.add("malformed names in the labels", f"{label.where}: {label.name!r}")
            continue
        reference = match[1].upper()
        records.append(
            Record(
                image=images.find(label.name),
                mos=label.mos,
                reference=reference,
                method=DISTORTIONS[int(match[2]) - 1],
                reference_image=pristine.find(reference),
            )
        )
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


READER = Reader(read, FACTS)
