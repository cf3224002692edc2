"""Results that papers report, to stand beside ours: cited, marked, and never ranked with them.

They are copied from the papers' tables for splits by reference. None was computed here, and which
epoch was chosen how, on how many splits, differs from paper to paper.
"""

from dataclasses import dataclass

from hmtnet.report.numbers.sections import Grounds

PROTOCOLS = ("content", "published")
"""The ways to split that the papers' numbers can be set beside."""

MARK = "published, not ours"


@dataclass(frozen=True)
class PublishedRow:
    """What papers report of one method on one dataset.

    Attributes:
        name: The method.
        srcc: Spearman's rank correlation.
        krcc: Kendall's rank correlation.
        plcc: Pearson's linear correlation, mapped or not as the paper chose.
        rmse: Root mean squared error, likewise.
    """

    name: str
    srcc: float
    krcc: float
    plcc: float
    rmse: float

    @property
    def values(self) -> dict[str, float]:
        """The numbers by key of ``QUANTITIES``."""
        return {"srcc": self.srcc, "plcc": self.plcc, "krcc": self.krcc, "rmse": self.rmse}


_ROWS = {
    "qads": (
        PublishedRow("CNNIQA", 0.9533, 0.8114, 0.9502, 0.0943),
        PublishedRow("DeepSRQ (two-stream)", 0.9541, 0.8192, 0.9584, 0.1047),
        PublishedRow("DBCNN", 0.9575, 0.8200, 0.9449, 0.0921),
        PublishedRow("HyperIQA", 0.9541, 0.8151, 0.9568, 0.0986),
        PublishedRow("JCSAN", 0.9705, 0.8576, 0.9734, 0.0646),
        PublishedRow("TADSRNet", 0.9720, 0.8616, 0.9742, 0.0671),
        PublishedRow("JNSFANet", 0.9711, 0.8574, 0.9741, 0.0661),
    ),
    "ma": (
        PublishedRow("CNNIQA", 0.9226, 0.7599, 0.9364, 0.9494),
        PublishedRow("DeepSRQ (two-stream)", 0.9424, 0.7931, 0.9423, 0.9645),
        PublishedRow("DBCNN", 0.9465, 0.8021, 0.9509, 0.8389),
        PublishedRow("HyperIQA", 0.9327, 0.7717, 0.9284, 1.0166),
        PublishedRow("JCSAN", 0.9490, 0.8080, 0.9565, 0.7769),
        PublishedRow("TADSRNet", 0.9516, 0.8120, 0.9585, 0.7966),
        PublishedRow("JNSFANet", 0.9497, 0.8131, 0.9586, 0.7253),
    ),
}


def published_rows(grounds: Grounds) -> tuple[PublishedRow, ...]:
    """Return what papers report on a dataset; nothing where a protocol asks something else."""
    if grounds.protocol not in PROTOCOLS or grounds.leaky or grounds.label_kind != "human":
        return ()
    return _ROWS.get(grounds.dataset.lower(), ())
