"""Which images train, validate and test.

Whole *groups* are dealt out: the same content never lies on two sides. The draw depends on names
and the seed alone, so a split is the same on every machine, Python version and record order.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from hmtnet.data.manifest import Manifest
from hmtnet.errors import DataError, listed
from hmtnet.files import digest_text

SUBSETS = ("train", "val", "test")

Rows = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SplitSettings:
    """How a dataset is split.

    Attributes:
        protocol: What train and test differ in. ``content``: in what the images show (references).
            ``image``: in the image file only, which leaks content; for sets without references.
        seed: Which of the possible splits.
        fractions: Parts of the groups that train, validate and test; they sum to 1.
    """

    protocol: Literal["content", "image"] = "content"
    seed: int = 0
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected 0 or more, found {self.seed}")
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-9:
            raise ValueError(
                "fractions: expected three parts above 0 that sum to 1, "
                f"found {list(self.fractions)}"
            )


@dataclass(frozen=True)
class Split:
    """Rows of a manifest, dealt into three subsets.

    Attributes:
        protocol: Name of the protocol.
        seed: Which of the possible splits.
        train: Rows that train, ascending.
        val: Rows that choose the epoch, ascending.
        test: Rows that are read once, ascending.
        id: Protocol, seed, and a digest of the member images' names.
        leaky: Whether one content may lie in several subsets.
    """

    protocol: str
    seed: int
    train: Rows
    val: Rows
    test: Rows
    id: str
    leaky: bool

    @property
    def label(self) -> str:
        """The protocol's name for people, who must see that a split leaks."""
        return f"{self.protocol} (leaky)" if self.leaky else self.protocol

    @property
    def subsets(self) -> dict[str, Rows]:
        """The rows by subset name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def make(manifest: Manifest, settings: SplitSettings) -> Split:
    """Split a dataset.

    Raises:
        DataError: The dataset lacks what the protocol needs, or has too few groups.
    """
    protocol = PROTOCOLS[settings.protocol]
    train, val, test = protocol(manifest, settings)
    members = "\n".join(
        f"{name}:{image}"
        for name, rows in zip(SUBSETS, (train, val, test), strict=True)
        for image in sorted(manifest.records[row].image for row in rows)
    )
    return Split(
        protocol=settings.protocol,
        seed=settings.seed,
        train=train,
        val=val,
        test=test,
        id=f"{settings.protocol}-s{settings.seed}-{digest_text(members, 8)}",
        leaky=settings.protocol in LEAKY,
    )


def by_content(manifest: Manifest, settings: SplitSettings) -> tuple[Rows, Rows, Rows]:
    """Deal out references: no test image shows what a training image shows.

    Raises:
        DataError: A record has no reference, or there are fewer than three.
    """
    missing = [
        r.image for r, key in zip(manifest.records, manifest.content, strict=True) if key is None
    ]
    if missing:
        raise DataError(
            f"Dataset '{manifest.name}': split=content needs to know what each image shows, but "
            f"{len(missing)} of {len(manifest)} have no reference: {listed(missing)}. Add "
            "references to the labels, or use split=image, which is leaky where scenes repeat."
        )
    # Named by the reference, not by its digest: another container does not change the draw.
    names = [
        r.reference or str(key) for r, key in zip(manifest.records, manifest.content, strict=True)
    ]
    return _deal(manifest, [str(key) for key in manifest.content], names, settings)


def by_image(manifest: Manifest, settings: SplitSettings) -> tuple[Rows, Rows, Rows]:
    """Deal out images, exact copies together: test images may show what training images show.

    Raises:
        DataError: There are fewer than three different images.
    """
    names = [record.image for record in manifest.records]
    return _deal(manifest, manifest.digests, names, settings)


PROTOCOLS: dict[str, Callable[[Manifest, SplitSettings], tuple[Rows, Rows, Rows]]] = {
    "content": by_content,
    "image": by_image,
}
LEAKY = frozenset({"image"})


def _deal(
    manifest: Manifest, groups: Sequence[str], names: Sequence[str], settings: SplitSettings
) -> tuple[Rows, Rows, Rows]:
    """Shuffle groups by a digest of (seed, their first name) and cut the order in three."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    if len(members) < len(SUBSETS):
        raise DataError(
            f"Dataset '{manifest.name}': split={settings.protocol} needs at least {len(SUBSETS)} "
            f"groups to train, validate and test on, found {len(members)}. Add data, or use "
            "another protocol."
        )

    def luck(group: str) -> bytes:
        name = min(names[row] for row in members[group])
        return hashlib.sha256(f"{settings.seed}:{name}".encode()).digest()

    order = sorted(members, key=luck)
    train, val, _ = _sizes(len(order), settings.fractions)

    def rows(part: Sequence[str]) -> Rows:
        return tuple(sorted(row for group in part for row in members[group]))

    return rows(order[:train]), rows(order[train : train + val]), rows(order[train + val :])


def _sizes(count: int, fractions: tuple[float, ...]) -> list[int]:
    """Round parts of ``count`` by largest remainder; ties go to test, then validation.

    >>> _sizes(12, (0.6, 0.2, 0.2))
    [7, 2, 3]
    >>> _sizes(3, (0.6, 0.2, 0.2))
    [1, 1, 1]
    """
    # Exact: 0.2 is one fifth as written, not the nearest binary number.
    exact = [Fraction(repr(fraction)) * count for fraction in fractions]
    sizes = [int(part) for part in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: (exact[i] - sizes[i], i), reverse=True)
    for i in by_remainder[: count - sum(sizes)]:
        sizes[i] += 1
    while 0 in sizes:
        sizes[sizes.index(max(sizes))] -= 1
        sizes[sizes.index(0)] += 1
    return sizes
