"""BIQ2021: 12,000 photographs with authentic distortions, MOS in [0, 1], 1 = best.

Layout: ``Images/ss01 (12).jpg`` (part, number) and the official split as two tables,
``Train (Images and MOS).csv`` and ``Test (Images and MOS).csv``, with the columns ``Image Name``
and ``MOS``. Other tables of the folder are not read: ``Train.csv`` and ``Test.csv`` hold an earlier
scaling of the scores, which leaves [0, 1].
"""

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.csv_rows import labels_in, read_csv
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import Label, once_each
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Official, Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="BIQ2021",
    images=12_000,
    range=(0.0, 1.0),
    higher_is_better=True,
    subsets={"train": 10_000, "test": 2_000},
    licence="none stated; its article calls it freely available for use and benchmarking",
    citation=(
        "N. Ahmed, S. Asif, BIQ2021: A Large-Scale Blind Image Quality Assessment Database, "
        "Journal of Electronic Imaging 31(5), 053010, 2022"
    ),
    obtained="BIQ2021 is obtained from its authors (Ahmed and Asif, 2022).",
    notes=(
        "The official split repeats scenes: of 679 official test images in two of its parts, 287 "
        "have a near duplicate in the training list, so results on it are too good.",
    ),
)

_SUBSETS: tuple[Official, ...] = ("train", "test")
_TABLES = {str(subset): (f"{subset.title()} (Images and MOS).csv",) for subset in _SUBSETS}
_COLUMNS = ("Image Name", "MOS")
_HINT = "Images look like 'Images/ss01 (12).jpg', label lines like 'ss01 (12).jpg,0.2089,,'."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of BIQ2021.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted = {} if settings.labels_only else {"images": ("Images",)}
    parts = require(root, FACTS, {**wanted, **_TABLES})

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, parts.get("images"), faults, lossy=True)
    labels: list[Label] = []
    subset_of: dict[str, Official] = {}
    for subset in _SUBSETS:
        rows = read_csv(parts[subset], _COLUMNS, faults)
        for label in labels_in(rows, lambda row: row["Image Name"], "MOS", faults):
            labels.append(label)
            subset_of[label.name.lower()] = subset
    records = [
        Record(image=images.find(label.name), mos=label.mos, official=subset_of[label.name.lower()])
        for label in once_each(labels, faults)
    ]
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


READER = Reader(read, FACTS)
