"""Scenes that a dataset shows more than once: exact copies, and photographs of one scene.

A place that was photographed again, with another exposure, out of focus, a little to the side, is
known to a network that has seen the first photograph. A dataset without references does not say
which images these are; here they are found by correlating thumbnails, shifted against each other.
Mirrored and turned images are not found.

The measure and its thresholds are ours, chosen for precision, since almost all pairs of a set show
different scenes (12,000 images make 72 million pairs). Measured on 1,500 photographs of BIQ2021: of
108 found pairs, drawn from all degrees of correlation and judged by eye, 106 show one scene; of the
36 below 0.55, 34 do. Of the pairs that matching local features confirms, 82 % are found, and 86 %
end up in one group; a perceptual hash of the cosine transform, at a threshold without mistakes,
finds 22 %. Most missed pairs were taken from another distance or angle, or things have moved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from hmtnet.data.cache import recall, remember
from hmtnet.data.correlation import Found, any_correlated, correlated
from hmtnet.data.thumbnails import Floats, thumbnails
from hmtnet.files import digest_text

ALIKE = 0.5
"""Lowest correlation of a pair."""

SURE = 0.6
"""Lowest correlation at which a pair alone holds two groups together."""

_KIND = "duplicates"
_VERSION = (
    "1"  # of the method; a changed method must not use results that an earlier one has cached
)


@dataclass(frozen=True)
class Pair:
    """Two images that show one scene.

    Attributes:
        first: Position of an image.
        second: Position of another, after the first.
        correlation: Of their thumbnails at the best shift, from 0.5 to 1; exact copies have 1.
    """

    first: int
    second: int
    correlation: float


def near_duplicates(paths: Sequence[Path], digests: Sequence[str]) -> tuple[Pair, ...]:
    """Find the pairs of images that show one scene.

    An image that cannot be decoded is in no pair, except with its exact copies; it is logged. The
    search reads every image once, and is kept on disk: the same digests are not searched again.
    4,000 images take 4 s of one core, beside the reading, and twice as many take four times that.

    Args:
        paths: (N,) image files.
        digests: (N,) one digest of each file's bytes; equal digests are exact copies.

    Returns:
        The pairs, in order. Of exact copies each is paired with the first of them, and that one
        alone with other images.
    """
    first: dict[str, int] = {}
    copies = []
    for i, (_, digest) in enumerate(zip(paths, digests, strict=True)):
        if digest in first:
            copies.append(Pair(first[digest], i, 1.0))
        else:
            first[digest] = i
    digests = sorted(first)  # their order settles that of the sums, whatever order the images have
    near = []
    for i, j, correlation in _search(digests, [paths[first[digest]] for digest in digests]):
        one, other = sorted((first[digests[i]], first[digests[j]]))
        near.append(Pair(one, other, correlation))
    return tuple(sorted(copies + near, key=lambda pair: (pair.first, pair.second)))


def content_groups(paths: Sequence[Path], digests: Sequence[str]) -> tuple[str, ...]:
    """Find the images that show one scene, directly or by way of others.

    Groups grow along pairs, and one wrong pair would merge two groups. So a pair that is not sure
    joins two groups only where a third image is paired with both of its images. (An image that has
    no other pair is joined to a group in any case.)

    Args:
        paths: (N,) image files.
        digests: (N,) one digest of each file's bytes.

    Returns:
        (N,) one key per image: the smallest digest of its group. It depends neither on the order of
        the images nor on where they lie.
    """
    pairs = near_duplicates(paths, digests)
    count = len(digests)
    labels = _components(_trusted(pairs, count), count)
    key: dict[int, str] = {}
    for label, digest in zip(labels, digests, strict=True):
        key[label] = min(key.get(label, digest), digest)
    return tuple(key[label] for label in labels)


def _trusted(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Leave out pairs that are neither sure nor confirmed by a third image."""
    linked = _matrix(pairs, count)
    degree = linked.sum(axis=1)
    common = linked @ linked
    return [
        pair
        for pair in pairs
        if pair.correlation >= SURE
        or min(degree[pair.first], degree[pair.second]) == 1
        or common[pair.first, pair.second] > 0
    ]


def _components(pairs: Sequence[Pair], count: int) -> list[int]:
    _, labels = connected_components(_matrix(pairs, count), directed=False)
    return [int(label) for label in labels]


def _matrix(pairs: Sequence[Pair], count: int) -> csr_matrix:
    """Return the symmetric (count, count) matrix that has 1 where two images are a pair."""
    ends = np.array([(pair.first, pair.second) for pair in pairs], dtype=np.int64).reshape(-1, 2)
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    ones = np.ones(len(rows), dtype=np.int64)
    return csr_matrix((ones, (rows, columns)), shape=(count, count))


def _search(digests: Sequence[str], paths: Sequence[Path]) -> list[Found]:
    """Return what correlates of different images, from the cache where it is known."""
    name = f"{digest_text(' '.join([_VERSION, *digests]), 16)}.json"
    kept = _checked(recall(_KIND, name), len(digests))
    if kept is not None:
        return kept
    stack, unreadable = thumbnails(paths)
    found = correlated(stack, ALIKE)
    if not unreadable:  # else it may be readable the next time
        remember(_KIND, name, found)
    return found


def _checked(value: object, count: int) -> list[Found] | None:
    """Return what the cache holds, or None where it is not of the form that we write."""
    if not isinstance(value, list):
        return None
    found: list[Found] = []
    for entry in value:
        match entry:
            case [int(i), int(j), float(correlation)] if 0 <= i < j < count:
                found.append((i, j, correlation))
            case _:
                return None
    return found


def alike(stack: Floats, others: Floats) -> list[int]:
    """Find the thumbnails that surely show what one of others does, by the same measure.

    Of 672 images of two SR datasets none is taken for one of 1,500 photographs of BIQ2021, and all
    612 super-resolved ones are known by their 17 references.

    Args:
        stack: (N, 24, 24) thumbnails.
        others: (M, 24, 24) thumbnails of another dataset.

    Returns:
        The positions in ``stack`` of those that correlate with one of ``others`` by 0.6 or more.
    """
    return any_correlated(stack, others, SURE)


def members(groups: Sequence[str]) -> Iterator[list[int]]:
    """Yield the positions of each group of two images or more, largest groups first."""
    found: dict[str, list[int]] = {}
    for i, key in enumerate(groups):
        found.setdefault(key, []).append(i)
    several = [(-len(rows), key) for key, rows in found.items() if len(rows) > 1]
    yield from (found[key] for _, key in sorted(several))
