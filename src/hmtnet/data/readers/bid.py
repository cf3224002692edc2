"""BID: 586 photographs, most of them blurred, MOS in [0, 5], 5 = best.

Layout: ``ImageDatabase/DatabaseImage0001.JPG`` and ``DatabaseGrades.xls`` with the columns
``Image Number`` and ``Average Subjective Grade``, followed by the grades of single raters. The same
table is read as ``.xlsx`` or ``.csv`` too.
"""

from hmtnet.data.facts import Facts
from hmtnet.data.readers.csv_rows import text_of
from hmtnet.data.readers.layout import Layout, Table
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.sheets import Row

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


def _name(row: Row) -> str:
    """Make the image's name from its number; empty where the cell holds no number."""
    number = text_of(row["Image Number"]).removesuffix(".0")
    return f"DatabaseImage{number.lstrip('0'):0>4}.JPG" if number.isdecimal() else ""


LAYOUT = Layout(
    facts=FACTS,
    images=("ImageDatabase",),
    lossy=True,
    labels=(
        Table(
            files=("DatabaseGrades.xls", "DatabaseGrades.xlsx", "DatabaseGrades.csv"),
            image="Image Number",
            name=_name,
            mos="Average Subjective Grade",
        ),
    ),
    hint="Images look like ImageDatabase/DatabaseImage0001.JPG; the table has their numbers.",
)
READER = Reader(LAYOUT.read, FACTS)
