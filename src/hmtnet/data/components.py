"""Groups of things that share something, directly or through other things."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...
    def __hash__(self) -> int: ...


K = TypeVar("K", bound=_Ordered)


def components(links: Iterable[Sequence[K]]) -> dict[K, K]:
    """Join the keys that are linked, directly or through other keys.

    Args:
        links: Each names the keys that belong together, at least one.

    Returns:
        For each key the smallest key of its component; the order of the links does not matter.

    >>> components([["b", "a"], ["c"], ["d", "b"]])
    {'b': 'a', 'a': 'a', 'c': 'c', 'd': 'a'}
    """
    parent: dict[K, K] = {}

    def smallest(key: K) -> K:
        root = parent.setdefault(key, key)
        while root != parent[root]:
            root = parent[root]
        while key != root:  # shorten the path for the next search
            parent[key], key = root, parent[key]
        return root

    for link in links:
        for key in link:
            one, other = smallest(link[0]), smallest(key)
            low, high = (other, one) if other < one else (one, other)
            parent[high] = low
    return {key: smallest(key) for key in parent}
