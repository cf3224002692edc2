"""QADS: 20 references × 49 super-resolved versions = 980 images, MOS in [0, 1], 1 = best.

Layout: ``super-resolved_images/img01_4_01.bmp`` (reference, scale, method),
``source_images/img01.bmp`` and ``mos_with_names.txt`` with one line ``MOS name`` per image. Known
variants are read too: the folders ``super-resolution_images`` and ``reference_images``, other
lossless containers, other letter case, Windows line ends. ``data.table`` may name the published
``.mat`` table, whose labels then replace the label file.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import LOSSLESS
from hmtnet.data.readers.lines import once_each, read_label_lines
from hmtnet.data.readers.published import open_source
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.references import References
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="QADS",
    images=980,
    references=20,
    methods=21,
    scales={2: 260, 3: 320, 4: 400},
    range=(0.0, 1.0),
    higher_is_better=True,
    mos=(0.0211, 0.5005, 0.9735),
    licence="as granted by its authors",
    citation=(
        "F. Zhou, R. Yao, B. Liu, G. Qiu, Visual Quality Assessment for Super-Resolved Images: "
        "Database and Method, IEEE Transactions on Image Processing 28(7), 2019"
    ),
    obtained="QADS is obtained from its authors (Zhou et al., 2019).",
)

_IMAGES = ("super-resolved_images", "super-resolution_images")
_SOURCES = ("source_images", "reference_images")
_LABELS = "mos_with_names.txt"
_NAME = re.compile(r"img(\d+)_(\d+)_(\d+)\.(?:bmp|png|tiff?|webp)", re.IGNORECASE | re.ASCII)
_HINT = (
    "Image names look like img01_4_01.bmp (reference, scale, method; also "
    f"{', '.join(LOSSLESS[1:])}), label lines like '0.05504 img01_4_01.bmp'."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of QADS.

    Reference images are optional as a whole (no-reference training does not need them), but not
    one by one: a folder of them that lacks one is an incomplete copy.

    Args:
        settings: ``label_kind`` may be set to ``pseudo`` for a set of one's own in this layout.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, label_kind=settings.label_kind))
    root, table = open_source(settings, FACTS)
    wanted: dict[str, tuple[str, ...]] = {} if settings.labels_only else {"images": _IMAGES}
    if table is None:
        wanted["labels"] = (_LABELS,)
    parts = require(root, FACTS, wanted)

    faults = Faults(root, FACTS, _HINT)
    if table is None:
        labels = read_label_lines(parts["labels"], ("mos", "name"), faults)
    else:
        labels = list(table.labels)
    images = Images(root, parts.get("images"), faults)
    references = References(root, _SOURCES, settings, faults)
    records: list[Record] = []
    names: list[str] = []
    for label in once_each(labels, faults):
        match = _NAME.fullmatch(label.name)
        if match is None:
            faults.add("malformed names in the labels", f"{label.where}: {label.name!r}")
            continue
        reference, scale, method = (int(number) for number in match.groups())
        name = f"img{reference:02d}"
        names.append(label.name)
        records.append(
            Record(
                image=images.find(label.name),
                mos=label.mos,
                reference=name,
                method=f"{method:02d}",
                scale=scale,
                reference_image=references.find(name),
            )
        )
    images.check_labelled()
    faults.check()
    published = (
        None if table is None else table.published(names, [str(r.reference) for r in records])
    )
    return labels_of(settings, FACTS, root, records, published=published)


READER = Reader(read, FACTS)
