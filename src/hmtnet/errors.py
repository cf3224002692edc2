"""Errors that a person can act on.

Every error of this package says what was expected, what was found, and what to do next. The
command line prints such an error as one message without a traceback; anything else is a defect and
keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class HmtnetError(Exception):
    """Base of all errors that bad input, not a defect, has caused."""


class DataError(HmtnetError):
    """A dataset, an image or a label is missing, unreadable or contradicts its declaration."""


class SettingsError(HmtnetError):
    """A setting is unknown, has the wrong type or does not fit the other settings."""


class ArtifactError(HmtnetError):
    """A stage's artifact is missing, damaged, or does not fit the network that is to load it."""


class LeakError(HmtnetError):
    """Training would see what validation or test must not have seen."""


class WeightsError(HmtnetError):
    """Pretrained weights cannot be reached or do not fit the backbone."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant.

    Args:
        name: What was given.
        known: The names that exist.

    Returns:
        ``" Did you mean 'x'?"`` if a known name is close, else ``" Known: a, b, c."`` (empty when
        nothing is known). It starts with a space, so that it can be appended to a sentence.

    >>> nearest("epoch", ["epochs", "batch_size"])
    " Did you mean 'epochs'?"
    >>> nearest("zzz", ["epochs", "batch_size"])
    ' Known: batch_size, epochs.'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""


def listed(items: Iterable[object], limit: int = 5) -> str:
    """Join items for a message, and cut a long list honestly.

    >>> listed(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    texts = [str(item) for item in items]
    if len(texts) <= limit:
        return ", ".join(texts)
    return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
