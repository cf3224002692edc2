"""Errors that a person can act on.

Every error of this package says what was expected, what was found, and what to do next. The
command line prints such an error as one message without a traceback; anything else is a defect and
keeps its traceback.
"""

import difflib
import errno
import signal
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


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


class TrainingError(HmtnetError):
    """A training cannot go on as it was asked for."""


class ResourceError(HmtnetError):
    """The machine has not enough memory or disk, or has lost a process."""


class TerminatedError(KeyboardInterrupt):
    """A signal, as of a batch system or of a terminal that closes, has asked this process to stop.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


_DISK = "The disk is full. Make room."
_NO_THREAD = (
    "No thread or process could be started: memory ran out, or the system allows no more of them "
    "(ulimit -u). Lower trainer.workers, trainer.threads or size.batch_size, or raise the limit."
)
_SIGNS = {
    "DataLoader worker": (
        "A process that loads images was lost: the system has ended it, most often because memory "
        "ran out. Lower trainer.workers (0 loads in the main process), or set data.cache=none."
    ),
    "can't start new thread": _NO_THREAD,
    "Resource temporarily unavailable": _NO_THREAD,  # of a process
    # What torch says of a file that takes no more, by where it notices.
    "PytorchStreamWriter failed": _DISK,
    "unexpected pos": _DISK,
    "iostream error": _DISK,
}
_MEMORY = (
    "Memory ran out. Lower size.batch_size, system.<stage>.batch_size or trainer.workers, or set "
    "data.cache=none."
)
# The last is oneDNN's, which gives no reason; on networks of ours it has no other.
_OUT_OF_MEMORY = (
    *("can't allocate", "not enough memory", "out of memory", "bad_alloc"),
    "could not create a primitive",
)


def explained(error: BaseException) -> HmtnetError | None:
    """Return what can be done about a fault of the machine; None where an error is something else.

    Args:
        error: What was raised. Libraries tell such faults by their text alone.
    """
    if isinstance(error, HmtnetError):
        return None
    text = str(error)
    found = next((advice for sign, advice in _SIGNS.items() if sign in text), None)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        found = _DISK
    elif (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, RuntimeError) and any(s in text.lower() for s in _OUT_OF_MEMORY))
    ):
        found = _MEMORY
    if found is None:
        return None
    told = " ".join(text.split())
    return ResourceError(f"{found} The same command goes on from there. ({told})")


@contextmanager
def faults_explained() -> Iterator[None]:
    """Raise faults of the machine as errors that say what can be done; pass others on.

    Raises:
        ResourceError: Memory or disk ran out, or a process was lost.
    """
    try:
        yield
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        raise known from error


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


# Categories of Unicode: controls, invisible formats (that turn the direction of text, for one),
# lone surrogates, and what parts lines.
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text: str) -> str:
    r"""Return text that a terminal only shows: what would steer it becomes an escape.

    Names of files and of datasets reach a terminal, whoever has given them. Line feeds stay.

    >>> print(printable("\x1b[2Ja.png\u202e"))
    \x1b[2Ja.png\u202e
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        ascii(sign)[1:-1] if sign != "\n" and unicodedata.category(sign) in _HIDDEN else sign
        for sign in text
    )


def listed(items: Iterable[object], limit: int = 5) -> str:
    """Join items for a message, and cut a long list honestly.

    >>> listed(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    texts = [str(item) for item in items]
    if len(texts) <= limit:
        return ", ".join(texts)
    return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
