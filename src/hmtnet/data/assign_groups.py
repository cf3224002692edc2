"""Groups assigned at random, equally everywhere: the draw depends on a seed and names alone."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction

Rows = tuple[int, ...]


def members(keys: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of each group, from each row's key."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return dict(rows)


def shuffled(seed: int, names: Mapping[str, str]) -> list[str]:
    """Return keys in an order drawn by the seed.

    Args:
        seed: Chooses the order.
        names: Each key's name. The draw depends on the names too.
    """

    def draw(key: str) -> tuple[bytes, str]:
        return hashlib.sha256(f"{seed}:{names[key]}".encode()).digest(), key

    return sorted(names, key=draw)


def cut(order: Sequence[str], fractions: Sequence[float]) -> list[list[str]]:
    """Cut an order into consecutive parts, none of them empty if there are enough keys."""
    parts, start = [], 0
    for size in sizes(len(order), fractions):
        parts.append(list(order[start : start + size]))
        start += size
    return parts


def collect(groups: Iterable[str], rows_of: Mapping[str, Collection[int]]) -> Rows:
    """Return the rows of some groups, ascending."""
    return tuple(sorted(row for group in groups for row in rows_of[group]))


def sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """Round parts of ``count`` by largest remainder; ties go to the last parts.

    >>> sizes(12, (0.6, 0.2, 0.2))
    [7, 2, 3]
    >>> sizes(3, (0.6, 0.2, 0.2))
    [1, 1, 1]
    """
    # Exact: 0.2 is one fifth as written, not the nearest binary number.
    written = [Fraction(repr(fraction)) for fraction in fractions]
    exact = [part * count / sum(written) for part in written]
    found = [int(part) for part in exact]
    by_remainder = sorted(range(len(found)), key=lambda i: (exact[i] - found[i], i), reverse=True)
    for i in by_remainder[: count - sum(found)]:
        found[i] += 1
    while 0 in found and max(found) > 1:
        found[found.index(max(found))] -= 1
        found[found.index(0)] += 1
    return found
