"""SPAQ: 11,125 photographs taken with smartphones, MOS in [0, 100], 100 = best.

Layout: ``TestImage/00001.jpg`` and ``Annotations/MOS and Image attribute scores.xlsx`` with the
columns ``Image name`` and ``MOS`` among others; the spreadsheet is also found beside the images'
folder.
"""

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.csv_rows import labels_in, text_of
from hmtnet.data.readers.folder import child, contents, find_root
from hmtnet.data.readers.lines import once_each
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.sheets import read_sheet
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError

FACTS = Facts(
    title="SPAQ",
    images=11_125,
    range=(0.0, 100.0),
    higher_is_better=True,
    licence="as granted by its authors",
    citation=(
        "Y. Fang, H. Zhu, Y. Zeng, K. Ma, Z. Wang, Perceptual Quality Assessment of Smartphone "
        "Photography, IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR), 2020"
    ),
    obtained="SPAQ is obtained from its authors (Fang et al., 2020).",
)

_IMAGES = ("TestImage",)
_FOLDER = "Annotations"
_SHEET = "MOS and Image attribute scores.xlsx"
_HINT = "Images look like TestImage/00001.jpg, the spreadsheet has the columns Image name and MOS."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of SPAQ.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted = {} if settings.labels_only else {"images": _IMAGES}
    parts = require(root, FACTS, {**wanted, "labels": (_FOLDER, _SHEET)})
    place = parts["labels"]
    sheet = child(place, (_SHEET,)) if place.is_dir() else place
    if sheet is None:
        raise DataError(
            f"'{place}' has no '{_SHEET}'; {contents(place)}. Copy it anew. {FACTS.obtained}"
        )

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, parts.get("images"), faults, lossy=True)
    rows = read_sheet(sheet, ("Image name", "MOS"))
    labels = labels_in(rows, lambda row: text_of(row["Image name"]), "MOS", faults)
    records = [
        Record(image=images.find(label.name), mos=label.mos) for label in once_each(labels, faults)
    ]
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


READER = Reader(read, FACTS)
