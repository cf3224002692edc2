"""What a stage writes about itself, ``stage.json``: without its weights, and without torch."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hmtnet import __version__
from hmtnet.errors import ArtifactError, listed
from hmtnet.files import read_json, write_text

FORMAT = 2
"""Raised when readers need another key; 2 says how the split was drawn, and what predicted."""

META_FILE = "stage.json"

ENVELOPE = ("format", "hmtnet", "weights_sha256")
"""The keys that are about the file, not about the stage."""


def read_description(folder: Path) -> dict[str, Any]:
    """Read the description of the artifact in ``folder``, without its envelope.

    Raises:
        ArtifactError: It is missing or damaged, or a newer hmtnet made it.
    """
    return without_envelope(read_document(Path(folder)))


def write_description(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write a description without weights to ``folder``: of predictions by weights elsewhere.

    Args:
        folder: The run directory; made if it does not exist.
        meta: JSON values only; see `store.save`.

    Raises:
        ArtifactError: ``meta`` holds what JSON cannot, or the folder cannot be written.
    """
    _write(Path(folder), enveloped(meta, None), meta)


def amend_description(folder: Path, changes: Mapping[str, Any]) -> None:
    """Replace some keys of the description in ``folder``; its weights stay.

    Raises:
        ArtifactError: As for reading and writing one.
    """
    document = read_document(Path(folder))
    _write(Path(folder), {**document, **changes}, changes)


def _write(folder: Path, document: Mapping[str, Any], meta: Mapping[str, Any]) -> None:
    check(meta)
    try:
        write_text(folder / META_FILE, as_text(document))
    except OSError as error:
        raise ArtifactError(
            f"The description cannot be written to {folder}: {error}. "
            "Check that the folder is writable and the disk is not full."
        ) from error


def check(meta: Mapping[str, Any]) -> None:
    """Refuse what cannot be a stage's description.

    Raises:
        ArtifactError: It holds what JSON cannot, or a key of the envelope.
    """
    for key in ENVELOPE:
        if key in meta:
            raise ArtifactError(f"{META_FILE} writes '{key}' itself; give it another name.")
    _check_json(meta, "")


def enveloped(meta: Mapping[str, Any], weights: str | None) -> dict[str, Any]:
    """Put a description into its envelope; ``weights`` is their SHA-256, None without any."""
    return {"format": FORMAT, "hmtnet": __version__, "weights_sha256": weights, **meta}


def without_envelope(document: Mapping[str, Any]) -> dict[str, Any]:
    """Take a description out of its envelope."""
    return {key: value for key, value in document.items() if key not in ENVELOPE}


def as_text(document: Mapping[str, Any]) -> str:
    """Return the text of the file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_document(folder: Path) -> dict[str, Any]:
    """Read the whole of ``stage.json``, with its envelope.

    Raises:
        ArtifactError: It is missing or damaged, or a newer hmtnet made it.
    """
    path = folder / META_FILE
    try:
        document = read_json(path)
    except FileNotFoundError:
        raise ArtifactError(
            f"No finished stage in {folder}: {META_FILE} is missing. Train the stage, or give the "
            "folder of a finished one."
        ) from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error
    except ValueError as error:
        raise damaged(path, str(error)) from error
    if not isinstance(document, dict):
        raise damaged(path, "expected a JSON object")
    # The format comes first: in a newer one, other keys may have other names.
    version = document.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ArtifactError(
            f"{path} has format {version}, made by hmtnet {document.get('hmtnet', '(unnamed)')}; "
            f"this is hmtnet {__version__}, which reads up to format {FORMAT}. Upgrade hmtnet."
        )
    missing = [key for key in ENVELOPE if key not in document]
    if missing:
        raise damaged(path, f"it lacks {listed(missing)}")
    return document


def value_at(meta: Mapping[str, Any], *where: str) -> Any:
    """Return a value of a description by its path; None where there is none."""
    value: Any = meta
    for key in where:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def need(folder: Path, meta: Mapping[str, Any], kind: type, *where: str) -> Any:
    """Return a value of a description by its path.

    Args:
        folder: Where the description lies, for the message.
        meta: The description.
        kind: The type that the value must have.
        where: The keys that lead to it.

    Raises:
        ArtifactError: There is none, or it has another type.
    """
    value = value_at(meta, *where)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ArtifactError(
            f"{folder / META_FILE} has no usable '{'.'.join(where)}' (found {value!r}): it is "
            "damaged, or an older hmtnet made it. Train the stage again."
        )
    return value


def damaged(path: Path, reason: str) -> ArtifactError:
    """Return the error that says that a file of an artifact is damaged."""
    return ArtifactError(
        f"{path} is damaged: {reason}. Remove its folder and train the stage again, "
        "or copy the artifact anew."
    )


def _check_json(value: object, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ArtifactError(f"{META_FILE} needs text keys; '{where}' has {key!r}.")
            _check_json(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _check_json(inner, f"{where}[{index}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ArtifactError(
                f"{META_FILE} cannot hold {value!r} at '{where}'; an undefined number is None."
            )
    elif not (value is None or isinstance(value, (str, int))):
        raise ArtifactError(
            f"{META_FILE} cannot hold {value!r} ({type(value).__name__}) at '{where}'; "
            "give plain numbers, text, lists and mappings."
        )
