"""What is known of a published dataset before its folder is opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hmtnet.data.settings import LabelKind


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A published dataset, as its authors describe it.

    Attributes:
        title: Its name as the field writes it.
        images: Number of scored images.
        range: Lowest and highest possible MOS; never guessed from the labels.
        higher_is_better: Direction of the MOS.
        licence: As its authors state it.
        citation: The publication to cite.
        obtained: One sentence on where it is obtained; nothing is downloaded.
        references: Number of different contents; None where the dataset names none.
        methods: Number of different SR methods (or distortion types); None where it has none.
        scales: Number of scored images of each scale factor.
        mos: Lowest, mean and highest label, where they were checked.
        subsets: Number of images in each subset of the official split.
        label_kind: Whether people gave the scores.
        notes: What a user of the labels must know, one sentence per note.
    """

    title: str
    images: int
    range: tuple[float, float]
    higher_is_better: bool
    licence: str
    citation: str
    obtained: str
    references: int | None = None
    methods: int | None = None
    scales: Mapping[float, int] = field(default_factory=dict)
    mos: tuple[float, float, float] | None = None
    subsets: Mapping[str, int] = field(default_factory=dict)
    label_kind: LabelKind = "human"
    notes: tuple[str, ...] = ()

    @property
    def direction(self) -> str:
        """The direction as settings write it: ``higher`` or ``lower``."""
        return "higher" if self.higher_is_better else "lower"
