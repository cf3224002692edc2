"""CSIQ: 30 references × 6 distortions × 4 or 5 levels = 866 images, DMOS in [0, 1], 0 = best.

Layout: ``dst_imgs/awgn/1600.AWGN.1.png`` (distortion, reference, level), ``src_imgs/1600.png`` and
``csiq.DMOS.xlsx``, whose sheet ``all_by_image`` has, below some free rows, the columns ``image``,
``dst_type``, ``dst_lev``, ``dmos_std`` and ``dmos`` among others.
"""

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.csv_rows import labels_in, text_of
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import number_in, once_each
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.references import References
from hmtnet.data.readers.sheets import Row, read_sheet
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="CSIQ",
    images=866,
    references=30,
    methods=6,
    range=(0.0, 1.0),
    higher_is_better=False,
    licence="as granted by its authors",
    citation=(
        "E. C. Larson, D. M. Chandler, Most apparent distortion: full-reference image quality "
        "assessment and the role of strategy, Journal of Electronic Imaging 19(1), 2010"
    ),
    obtained="CSIQ is obtained from its authors (Larson and Chandler, 2010).",
    notes=("Its scores are DMOS: 0 is the best and 1 the worst quality.",),
)

_IMAGES = ("dst_imgs",)
_SOURCES = ("src_imgs",)
_LABELS = ("csiq.DMOS.xlsx", "csiq.beta.xlsx")
_SHEET = "all_by_image"
_COLUMNS = ("image", "dst_type", "dst_lev", "dmos_std", "dmos")
# A distortion in the sheet to its folder and its name in the image names; the folder names it here.
_DISTORTIONS = {
    "noise": ("awgn", "AWGN"),
    "blur": ("blur", "BLUR"),
    "contrast": ("contrast", "contrast"),
    "fnoise": ("fnoise", "fnoise"),
    "jpeg": ("jpeg", "JPEG"),
    "jpeg 2000": ("jpeg2000", "jpeg2000"),
}
_HINT = (
    "Images look like dst_imgs/awgn/1600.AWGN.1.png; dst_type in the sheet is one of "
    f"{', '.join(_DISTORTIONS)}."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of CSIQ.

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
    rows = read_sheet(parts["labels"], _COLUMNS, _SHEET)
    records: list[Record] = []
    for label in once_each(labels_in(rows, _name, "dmos", faults), faults):
        reference, deviation = label.others["image"], number_in(label.others["dmos_std"])
        if deviation is None:
            faults.add("labels without a standard deviation", f"{label.where}: {label.name}")
        records.append(
            Record(
                image=images.find(label.name),
                mos=label.mos,
                reference=reference,
                method=label.name.partition("/")[0],
                reference_image=pristine.find(f"{reference}.png"),
                mos_std=deviation,
            )
        )
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


def _name(row: Row) -> str:
    """Make the image's name of what the sheet says of it; empty where that cannot be."""
    folder, token = _DISTORTIONS.get(text_of(row["dst_type"]).lower(), ("", ""))
    image, level = text_of(row["image"]), text_of(row["dst_lev"])
    return f"{folder}/{image}.{token}.{level}.png" if folder and image and level else ""


READER = Reader(read, FACTS)
