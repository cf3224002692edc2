"""BID: 586 photographs, most of them blurred, MOS in [0, 5], 5 = best.

Layout: ``ImageDatabase/DatabaseImage0001.JPG`` and ``DatabaseGrades.xls`` with the columns
``Image Number`` and ``Average Subjective Grade``, followed by the grades of single raters. The same
table is read as ``.xlsx`` or ``.csv`` too.
"""

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.csv_rows import labels_in, read_csv, text_of
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import once_each
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.sheets import Row, read_sheet
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="BID",
    images=586,
    range=(0.0, 5.0),
    higher_is_better=True,
    licence="as granted by its authors",
    citation=(
        "A. Ciancio, A. L. N. T. Targino da Costa, E. A. B. da Silva, A. Said, R. Samadani, "
        "P. Obrador, No-Reference Blur Assessment of Digital Pictures Based on Multifeature "
        "Classifiers, IEEE Transactions on Image Processing 20(1), 2011"
    ),
    obtained="BID is obtained from its authors (Ciancio et al., 2011).",
)

_IMAGES = ("ImageDatabase",)
_LABELS = ("DatabaseGrades.xls", "DatabaseGrades.xlsx", "DatabaseGrades.csv")
_NUMBER, _MOS = "Image Number", "Average Subjective Grade"
_HINT = "Images look like ImageDatabase/DatabaseImage0001.JPG; the table has their numbers."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of BID.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted = {} if settings.labels_only else {"images": _IMAGES}
    parts = require(root, FACTS, {**wanted, "labels": _LABELS})

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, parts.get("images"), faults, lossy=True)
    table = parts["labels"]
    if table.suffix.lower() == ".csv":
        rows = read_csv(table, (_NUMBER, _MOS), faults)
    else:
        rows = read_sheet(table, (_NUMBER, _MOS))
    records = [
        Record(image=images.find(label.name), mos=label.mos)
        for label in once_each(labels_in(rows, _name, _MOS, faults), faults)
    ]
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


def _name(row: Row) -> str:
    """Make the image's name of its number; empty where that is none."""
    number = text_of(row[_NUMBER]).removesuffix(".0")
    return f"DatabaseImage{int(number):04d}.JPG" if number.isdecimal() else ""


READER = Reader(read, FACTS)
