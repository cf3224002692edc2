"""Whether a finished stage's files are as they were written: their digests, in ``stage.json``.

``stage.json`` records each file under ``files``, and a digest of itself under ``sha256``. It is
read anew each time; so are small files. Of a large file, size and time stamp are looked at first,
and its digest is only computed where these differ, as after copying or in a checkout.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from hmtnet.files import digest_file, digest_text, write_text

WEIGHTS_FILE = "stage.safetensors"
SCENES_FILE = "scenes.safetensors"
PREDICTIONS_FILE = "predictions.csv"
CURVES_FILE = "metrics.csv"
RECORDED = (WEIGHTS_FILE, SCENES_FILE, PREDICTIONS_FILE, CURVES_FILE)

CHANGED = "was changed after it was written"
"""What is told of a file whose digest is another one."""

_LARGE = 2**20  # bytes; smaller files are read in about a millisecond


def record(path: Path) -> dict[str, Any]:
    """Return what ``stage.json`` records of a file: its digest, its size and its time stamp."""
    told = path.stat()
    return {
        "sha256": digest_file(path),
        "bytes": told.st_size,
        "modified_ns": told.st_mtime_ns,
    }


def records_of(folder: Path, names: Iterable[str] = RECORDED) -> dict[str, dict[str, Any]]:
    """Return the records of those files that lie in a folder."""
    return {name: record(folder / name) for name in names if (folder / name).is_file()}


def changed_files(
    folder: Path, recorded: Mapping[str, Any], names: Collection[str] = RECORDED
) -> dict[str, str]:
    """Return which files are not as they were written, and what has become of them.

    Args:
        folder: Where they lie.
        recorded: What ``stage.json`` records of each.
        names: Look at these only.

    Raises:
        OSError: A file is there and cannot be read.
    """
    found = {}
    for name, known in recorded.items():
        if name in names:
            path = folder / name
            if not path.is_file():
                found[name] = "is missing"
            elif not _is_as_written(path, known if isinstance(known, Mapping) else {}):
                found[name] = CHANGED
    return found


def own_digest(document: Mapping[str, Any]) -> str:
    """Return the digest of the content of ``stage.json``, whatever its layout."""
    content = {key: value for key, value in document.items() if key != "sha256"}
    return digest_text(json.dumps(content, sort_keys=True, separators=(",", ":")))


def digest_beside(path: Path) -> Path:
    """Return where the digest of a file lies that no ``stage.json`` records: beside the file."""
    return path.with_name(f"{path.name}.sha256")


def record_beside(path: Path, content: Path | None = None, durable: bool = False) -> None:
    """Write the digest of a file beside it, as ``sha256sum`` does.

    Args:
        path: The file.
        content: Where its content lies now, if it is not there yet.
        durable: Wait until the disk has it.

    Raises:
        OSError: The file cannot be read, or nothing can be written beside it.
    """
    digest = digest_file(content or path)
    write_text(digest_beside(path), f"{digest}  {path.name}\n", durable=durable)


def is_as_recorded_beside(path: Path) -> bool | None:
    """Return whether a file has the digest beside it; None where one of both cannot be read."""
    try:
        beside = digest_beside(path).read_text(encoding="utf-8").split()
        return beside == [digest_file(path), path.name]
    except (OSError, UnicodeDecodeError):
        return None


def _is_as_written(path: Path, known: Mapping[str, Any]) -> bool:
    told = path.stat()
    if told.st_size != known.get("bytes"):
        return False
    if told.st_size > _LARGE and told.st_mtime_ns == known.get("modified_ns"):
        return True
    return digest_file(path) == known.get("sha256")
