"""KonIQ-10k: 10,073 photographs with authentic distortions, MOS in [0, 100], 100 = best.

Layout: ``1024x768/10004473376.jpg`` and ``koniq10k_distributions_sets.csv`` with the columns
``image_name``, ``MOS`` and ``set`` (the official split) among others. Known variants are read too:
the images in half the size (``512x384``), and the earlier table
``koniq10k_scores_and_distributions.csv``, whose ``MOS`` is on the five-point scale. Its
score in [0, 100] is ``MOS_zscore``, and it has no official split.
"""

from pathlib import Path

from hmtnet.data.facts import Facts
from hmtnet.data.readers.assemble import Faults
from hmtnet.data.readers.layout import Layout, Table
from hmtnet.data.readers.lines import Label
from hmtnet.data.readers.reader import Reader

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
        "so it is not read as the standard deviation of the opinions.",
        "The images of 512x384 are scaled copies; the scores were given to those of 1024x768.",
    ),
)

_SETS = Table(
    files=("koniq10k_distributions_sets.csv",),
    image="image_name",
    mos="MOS",
    subset="set",
    subsets={"training": "train", "validation": "val", "test": "test"},
)
_EARLIER = Table(
    files=("koniq10k_scores_and_distributions.csv",), image="image_name", mos="MOS_zscore"
)


class _EitherTable:
    """The official table, or the earlier one where the official one is missing."""

    files = _SETS.files + _EARLIER.files

    def read(self, path: Path, faults: Faults) -> list[Label]:
        """See ``LabelFile``."""
        table = _EARLIER if path.name.lower() in _EARLIER.files else _SETS
        return table.read(path, faults)


LAYOUT = Layout(
    facts=FACTS,
    images=("1024x768", "512x384"),
    lossy=True,
    labels=(_EitherTable(),),
    hint="Images look like '1024x768/10004473376.jpg'; set is training, validation or test.",
)
READER = Reader(LAYOUT.read, FACTS)
