"""One function over many files: several threads, one progress bar."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hmtnet.terminal import progress

T = TypeVar("T")


def map_images(
    function: Callable[[str], T], names: Sequence[str], what: str, show_above: int = 0
) -> list[T]:
    """Apply a function to image names, in order.

    Hashing and decoding release Python's lock, so threads use every core.

    Args:
        function: Called from several threads.
        names: The images.
        what: Said beside the progress bar.
        show_above: No progress bar for this many images or fewer.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = pool.map(function, names)
        hidden = len(names) <= show_above
        shown = progress(results, total=len(names), title=what, unit="image", hidden=hidden)
        return list(shown)
