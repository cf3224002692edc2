"""KonIQ-10k: 10,073 photographs with authentic distortions, MOS in [0, 100], 100 = best.

Layout: ``1024x768/10004473376.jpg`` and ``koniq10k_distributions_sets.csv`` with the columns
``image_name``, ``MOS`` and ``set`` (the official split) among others. Known variants are read too:
the images in half the size (``512x384``), and the earlier table
``koniq10k_scores_and_distributions.csv``, whose ``MOS`` is on the five-point scale, whose
``MOS_zscore`` is the score in [0, 100], and which has no official split.
"""

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.csv_rows import labels_in, read_csv
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import once_each
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Official, Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="KonIQ-10k",
    images=10_073,
    range=(0.0, 100.0),
    higher_is_better=True,
    subsets={"train": 7_058, "val": 1_000, "test": 2_015},
    licence="as granted by its authors",
    citation=(
        "V. Hosu, H. Lin, T. Sziranyi, D. Saupe, KonIQ-10k: An Ecologically Valid Database for "
        "Deep Learning of Blind Image Quality Assessment, IEEE Transactions on Image Processing "
        "29, 2020"
    ),
    obtained="KonIQ-10k is obtained from the University of Konstanz (Hosu et al., 2020).",
    notes=(
        "The column SD of its tables is on the five-point scale the raters used, the MOS is not; "
        "so it is not read as the standard deviation of the predictions.",
        "The images of 512x384 are scaled copies; the scores were given to those of 1024x768.",
    ),
)

_IMAGES = ("1024x768", "512x384")
_LABELS = "koniq10k_distributions_sets.csv"
_EARLIER = "koniq10k_scores_and_distributions.csv"
_OFFICIAL: dict[str, Official] = {"training": "train", "validation": "val", "test": "test"}
_HINT = "Images look like '1024x768/10004473376.jpg'; set is training, validation or test."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of KonIQ-10k; where both image sizes are there, the larger.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted = {} if settings.labels_only else {"images": _IMAGES}
    parts = require(root, FACTS, {**wanted, "labels": (_LABELS, _EARLIER)})
    is_earlier = parts["labels"].name.lower() == _EARLIER
    mos, columns = ("MOS_zscore", ()) if is_earlier else ("MOS", ("set",))

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, parts.get("images"), faults, lossy=True)
    rows = read_csv(parts["labels"], ("image_name", mos, *columns), faults)
    records: list[Record] = []
    for label in once_each(labels_in(rows, lambda row: row["image_name"], mos, faults), faults):
        subset = label.others.get("set")
        official = None if subset is None else _OFFICIAL.get(subset.lower())
        if subset is not None and official is None:
            faults.add("labels of an unknown set", f"{label.where}: {subset!r}")
        records.append(Record(image=images.find(label.name), mos=label.mos, official=official))
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


READER = Reader(read, FACTS)
