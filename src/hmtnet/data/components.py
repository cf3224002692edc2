"""What belongs together because it shares something, directly or through others."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...
    def __hash__(self) -> int: ...


K = TypeVar("K", bound=_Ordered)


def components(links: Iterable[Sequence[K]]) -> dict[K, K]:
    """Join keys that stand together in a link, and those that are joined through others.

    Args:
        links: Keys that belong together, none of them empty.

    Returns:
        Every key to the smallest key of its component, whatever the order of the links.

    >>> components([["b", "a"], ["c"], ["d", "b"]])
    {'b': 'a', 'a': 'a', 'c': 'c', 'd': 'a'}
    """
    parent: dict[K, K] = {}

    def smallest(key: K) -> K:
        root = parent.setdefault(key, key)
        while root != parent[root]:
            root = parent[root]
        while key != root:  # so that the next search is short
            parent[key], key = root, parent[key]
        return root

    for link in links:
        for key in link:
            one, other = smallest(link[0]), smallest(key)
            low, high = (other, one) if other < one else (one, other)
            parent[high] = low
    return {key: smallest(key) for key in parent}
