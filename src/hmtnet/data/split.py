"""Which images train, validate and test: the settings and the result; ``protocols`` makes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hmtnet.data.assign_groups import Rows
from hmtnet.data.labels import Labels
from hmtnet.files import digest_text

Subset = Literal["train", "val", "test"]
SUBSETS: tuple[Subset, ...] = ("train", "val", "test")

Protocol = Literal[
    "content",
    "kfold",
    "published",
    "method",
    "scale",
    "image",
    "official",
    "all",
    "whole",
    "cross",
    "file",
]


# Settings that mean something to some protocols alone.
_USES: dict[str, tuple[str, ...]] = {
    "kfold": ("index",),
    "published": ("index",),
    "scale": ("scale",),
    "official": ("clean",),
    "file": ("file",),
}


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How a dataset is split.

    Attributes:
        protocol: What train and test differ in.
            ``content``: in what the images show (references, or groups of near duplicates).
            ``kfold``: likewise, and over all values of ``index`` each content is tested once.
            ``published``: in the references, by the orders stored in a published table.
            ``method``: in the references and in the SR methods.
            ``scale``: in the references and in one scale factor.
            ``image``: in the image file only, which leaks content.
            ``official``: as the dataset ships it.
            ``all``: nothing is tested; for a final fit.
            ``whole``: everything is tested; for what was trained elsewhere.
            ``cross``: in the dataset: training on one, test on another.
            ``file``: as a split file says.
        seed: Which of the possible splits.
        index: Which fold (``kfold``), or which stored order (``published``), from 0.
        folds: Number of folds (``kfold``).
        fractions: Parts of the groups that train, validate and test; they sum to 1.
        scale: The scale factor that is held out (``scale``); the largest by default.
        clean: Whether validation and test images that show what training images show are left out
            (``official``).
        file: The split file (``file``).
    """

    protocol: Protocol = "content"
    seed: int = 0
    index: int = 0
    folds: int = 5
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    scale: float | None = None
    clean: bool = False
    file: str | None = None

    def __post_init__(self) -> None:
        for name in ("seed", "index"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, found {getattr(self, name)}")
        if self.folds < 3:
            raise ValueError(
                "folds: expected at least 3, one to test, one to validate and one to train, "
                f"found {self.folds}"
            )
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-9:
            raise ValueError(
                "fractions: expected three parts above 0 that sum to 1, "
                f"found {list(self.fractions)}"
            )
        own = {"index": 0, "scale": None, "clean": False, "file": None}
        for name, unused in own.items():
            users = [p for p, names in _USES.items() if name in names]
            if self.protocol not in users and getattr(self, name) != unused:
                raise ValueError(
                    f"{name}: split={self.protocol} has no use for it, only split="
                    f"{' and split='.join(users)}"
                )
        if self.protocol == "kfold" and self.index >= self.folds:
            raise ValueError(f"index: expected below folds={self.folds}, found {self.index}")


@dataclass(frozen=True)
class Split:
    """Rows of a dataset, dealt into three subsets.

    Attributes:
        protocol: Name of the protocol.
        seed: Which of the possible splits.
        train: Rows that train, ascending.
        val: Rows that choose the epoch, ascending.
        test: Rows that are read once, ascending; empty for a final fit.
        id: Variant, seed and index, and a digest of the member images' names. For people and for
            folders: what it says stands in the other attributes.
        leaky: Whether one content may lie in several subsets.
        variant: How it is drawn, which all its seeds and indices share: the protocol, with what
            else tells them apart, as ``"kfold5"``, ``"official-clean"`` or ``"scale-x4"``.
        index: Which fold, or which published order; None of protocols that have none.
        folds: Number of folds; None of protocols that have none.
    """

    protocol: str
    seed: int
    train: Rows
    val: Rows
    test: Rows
    id: str
    leaky: bool
    variant: str = ""
    index: int | None = None
    folds: int | None = None

    def __post_init__(self) -> None:
        if not self.variant:
            object.__setattr__(self, "variant", self.protocol)

    @property
    def label(self) -> str:
        """The protocol's name for people, who must see that a split leaks."""
        return f"{self.protocol} (leaky)" if self.leaky else self.protocol

    @property
    def subsets(self) -> dict[str, Rows]:
        """The rows by subset name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def named(labels: Labels, split: Split) -> Split:
    """Return a split with the id that its members give it."""
    # The orders that a published table stores have no seed.
    seed = [] if split.protocol == "published" else [f"s{split.seed}"]
    index = [] if split.index is None else [f"i{split.index}"]
    members = members_digest(labels, [*split.subsets.values()])
    return replace(split, id="-".join([split.variant, *seed, *index, members]))


def members_digest(labels: Labels, subsets: Sequence[Rows]) -> str:
    """Return 8 hexadecimal digits over the names of the images in each subset."""
    members = "\n".join(
        f"{subset}:{image}"
        for subset, rows in zip(SUBSETS, subsets, strict=True)
        for image in sorted(labels.records[row].image for row in rows)
    )
    return digest_text(members, 8)
