"""ISRGen-QA: 19 references, 19 SR methods, ×2 ×3 ×4 ×8 = 720 images, MOS 1 to 5, 5 = best.

Layout: the images in ``SR``, the references ``0813.png`` in ``HR`` (optional), and a list for each
subset of the official split: ``train.xlsx`` with the columns Image_name, LR_ref, HR_ref, P1…P21
(the ratings of 21 people) and MOS, or ``train.txt`` with a line ``name#MOS#LR name`` (in
``test.txt``: ``name#LR name#MOS``; both orders are read). The spreadsheets are preferred, because
only they have the ratings.

What an image shows is taken from the name of its low-resolution version, ``0813x2.png``, never from
its own: the images of the two BFSR methods are numbered otherwise, and ``BFSR_EDSR-LINF_x4_813x4``
shows 0849.
"""

import re
import statistics
from pathlib import Path

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import decode_text, find_root
from hmtnet.data.readers.lines import Label, number_in, once_each, read_label_lines
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.references import References
from hmtnet.data.readers.sheets import read_sheet
from hmtnet.data.record import Official, Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="ISRGen-QA",
    images=720,
    references=19,
    methods=19,
    scales={2: 149, 3: 167, 4: 347, 8: 57},
    range=(1.0, 5.0),
    higher_is_better=True,
    mos=(1.0, 3.1409, 4.6667),
    subsets={"train": 576, "val": 72, "test": 72},
    licence="none stated",
    citation=(
        "Y. Li et al., VQualA 2025 Challenge on Image Super-Resolution Generated Content Quality "
        "Assessment: Methods and Results, arXiv:2509.06413, 2025"
    ),
    obtained="ISRGen-QA is obtained from its authors (Li et al., 2025).",
    notes=(
        "The official split shares its references: all 18 references of the test images and all 19 "
        "of the validation images are also in training, so that it does not test new contents.",
        "The images of BFSR_EDSR-LINF and BFSR_RRDB-LINF are not numbered like the references they "
        "show; the name of the low-resolution version tells the reference.",
    ),
)

_SUBSETS: tuple[Official, ...] = ("train", "val", "test")
_RATINGS = tuple(f"P{person}" for person in range(1, 22))
_COLUMNS = ("Image_name", "LR_ref", "HR_ref", "MOS", *_RATINGS)
_NAME = re.compile(r"(.+?)(?:_x\d+)?_\d+x(\d+)\.(?:png|bmp|tiff?|webp)", re.IGNORECASE | re.ASCII)
_LOW = re.compile(r"(\d+)x(\d+)\.(?:png|bmp|tiff?|webp)", re.IGNORECASE | re.ASCII)
_HINT = (
    "Image names look like ATD_x2_0813x2.png (method, scale, reference, scale), their "
    "low-resolution versions like 0813x2.png."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of ISRGen-QA.

    ``mos_std`` is the sample standard deviation (divisor 20) of the 21 ratings; only the
    spreadsheets have it.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted: dict[str, tuple[str, ...]] = {s: (f"{s}.xlsx", f"{s}.txt") for s in _SUBSETS}
    if not settings.labels_only:
        wanted["images"] = ("SR",)
    parts = require(root, FACTS, wanted)

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, parts.get("images"), faults)
    references = References(root, ("HR",), settings, faults)
    subset_of: dict[str, Official] = {}
    labels: list[Label] = []
    for subset in _SUBSETS:
        found = _labels(parts[subset], faults)
        labels += found
        subset_of |= {label.where: subset for label in found}
    records: list[Record] = []
    for label in once_each(labels, faults):
        image = images.find(label.name)
        name, low = _NAME.fullmatch(label.name), _LOW.fullmatch(label.others["low"])
        if name is None or low is None or name[2] != low[2]:
            shown = f"{label.where}: {label.name!r} made of {label.others['low']!r}"
            faults.add("malformed names in the labels", shown)
            continue
        records.append(
            Record(
                image=image,
                mos=label.mos,
                reference=low[1],
                method=name[1],
                scale=int(low[2]),
                reference_image=references.find(low[1]),
                mos_std=number_in(label.others.get("std", "")),
                official=subset_of[label.where],
            )
        )
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


def _labels(path: Path, faults: Faults) -> list[Label]:
    if path.suffix.lower() == ".xlsx":
        return _sheet_labels(path, faults)
    # The score comes second in train.txt and val.txt, last in test.txt.
    cells = next(iter(decode_text(path).split()), "").split("#")
    scored = len(cells) > 1 and number_in(cells[1]) is not None
    columns = ("name", "mos", "low") if scored else ("name", "low", "mos")
    return read_label_lines(path, columns, faults, "#", several=True)


def _sheet_labels(path: Path, faults: Faults) -> list[Label]:
    labels = []
    for where, row in read_sheet(path, _COLUMNS):
        place = f"{path.name} {where}"
        ratings = [number_in(str(row[column])) for column in ("MOS", *_RATINGS)]
        numbers = [rating for rating in ratings if rating is not None]
        name, low, high = (str(row[column]) for column in _COLUMNS[:3])
        if len(numbers) != len(ratings) or Path(high).stem != low.split("x")[0]:
            faults.add("malformed rows", f"{place}: {name!r}")
        elif abs(statistics.fmean(numbers[1:]) - numbers[0]) > 1e-6:
            faults.add("scores that are not the mean of their ratings", f"{place}: {name!r}")
        else:
            others = {"low": low, "std": repr(statistics.stdev(numbers[1:]))}
            labels.append(Label(name.replace("\\", "/"), numbers[0], place, others))
    return labels


READER = Reader(read, FACTS)
