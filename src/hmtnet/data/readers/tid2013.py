"""TID2013: 25 references × 24 distortions × 5 levels = 3,000 images, MOS in [0, 9], 9 = best.

Layout: ``distorted_images/I01_03_5.bmp`` (reference, distortion, level),
``reference_images/I01.BMP``, ``mos_with_names.txt`` with a line ``MOS name`` an image, and
``mos.txt`` and ``mos_std.txt`` with a number a line in the same order. Names differ in letter case
between files and labels.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import child, decode_text, find_root
from hmtnet.data.readers.lines import Label, number_in, once_each, read_label_lines
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
    notes=("Reference I25 is an artificial image, the other 24 are photographs.",),
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
    "'5.51429 I01_03_5.bmp'; mos_std.txt has as many numbers as there are labels."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of TID2013.

    Reference images are optional as a whole, and so is ``mos_std.txt``.

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
    deviation = _deviations(root, labels, faults)
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
                mos_std=deviation.get(label.where),
            )
        )
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


def _deviations(root: Path, labels: Sequence[Label], faults: Faults) -> dict[str, float]:
    """Return the standard deviations of ``mos_std.txt`` by where the label stands."""
    path = child(root, ("mos_std.txt",))
    if path is None:
        return {}
    stds = _numbers(path, faults)
    ordered = child(root, ("mos.txt",))
    # The deviations stand in the order of mos.txt, so that the labels must stand in it too.
    scores = [label.mos for label in labels] if ordered is None else _numbers(ordered, faults)
    if not len(stds) == len(scores) == len(labels) or not all(
        math.isclose(score, label.mos, abs_tol=1e-3)
        for score, label in zip(scores, labels, strict=True)
    ):
        faults.add("files that stand in another order than the labels", f"{path.name}, mos.txt")
        return {}
    return {label.where: std for label, std in zip(labels, stds, strict=True)}


def _numbers(path: Path, faults: Faults) -> list[float]:
    numbers = []
    for line, text in enumerate(decode_text(path).splitlines(), 1):
        number = number_in(text)
        if number is not None:
            numbers.append(number)
        elif text.strip():
            faults.add("malformed label lines", f"{path.name} line {line}: {text.strip()!r}")
    return numbers


READER = Reader(read, FACTS)
