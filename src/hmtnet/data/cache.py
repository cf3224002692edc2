"""Where hmtnet keeps, on this machine, what it can make again: the demo set and its caches."""

import json
import logging
import os
from functools import cache
from pathlib import Path
from typing import Any

from hmtnet.errors import DataError
from hmtnet.files import digest_text, read_json, write_text

_log = logging.getLogger(__name__)


def home() -> Path:
    """Return the environment variable ``HMTNET_HOME``, else ``~/.cache/hmtnet``.

    Raises:
        DataError: It starts with ``~``, and nobody knows where that is.
    """
    path = Path(os.environ.get("HMTNET_HOME") or "~/.cache/hmtnet")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise DataError(
            f"'{path}' cannot be found: this user has no home directory. Set the environment "
            "variable HMTNET_HOME to a folder that can be written."
        ) from error


def cache_file(kind: str, name: str) -> Path:
    """Return the path of a file that may be deleted at any time.

    Args:
        kind: Its folder, say ``"digests"``.
        name: Its name in there.
    """
    return home() / "cache" / kind / name


def recall(kind: str, name: str) -> Any:
    """Return what ``remember`` has kept; None if there is nothing, or if it is damaged.

    Its form is the caller's to check: a file may be of another version.
    """
    try:
        kept = read_json(cache_file(kind, name))
        value = kept["value"]
        return value if kept["digest"] == digest_text(_text(value)) else None
    except (OSError, DataError, ValueError, LookupError, TypeError):
        return None


def remember(kind: str, name: str, value: Any) -> None:
    """Keep a JSON value for the next run; where that is impossible, say so once and go on.

    A digest is kept with it, so that a damaged file is never taken for a whole one.
    """
    try:
        text = json.dumps({"digest": digest_text(_text(value)), "value": value})
        write_text(cache_file(kind, name), text)
    except DataError as error:
        _say_once(str(error))
    except OSError as error:  # without its file name, which is another one every time
        _say_once(f"{cache_file(kind, '')}: {error.strerror}")


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@cache
def _say_once(reason: str) -> None:
    _log.warning(
        "What took time to compute cannot be kept for the next run (%s). To keep it, set the "
        "environment variable HMTNET_HOME to a folder that can be written.",
        reason,
    )
