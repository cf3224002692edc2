"""What a stage writes about itself, ``stage.json``: without its weights, and without torch."""

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hmtnet import __version__
from hmtnet.artifact.digests import (
    CHANGED,
    PREDICTIONS_FILE,
    changed_files,
    own_digest,
    record,
    records_of,
)
from hmtnet.errors import ArtifactError, listed
from hmtnet.files import read_json, write_text

FORMAT = 3
"""Raised when readers need another key; 3 records digests, so older ones are *unverified*."""

META_FILE = "stage.json"

ENVELOPE = ("format", "hmtnet", "sha256", "files")
"""The keys that are about the files, not about the stage; see `hmtnet.artifact.digests`."""

_ENVELOPE_BEFORE = ("format", "hmtnet", "weights_sha256")
_WITH_DIGESTS = 3  # the first format that has them


def read_description(folder: Path) -> dict[str, Any]:
    """Read the description of the artifact in ``folder``, without its envelope.

    Raises:
        ArtifactError: It is missing or damaged, or a newer hmtnet made it.
    """
    return without_envelope(read_document(Path(folder)))


def write_description(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write a description without weights to ``folder``: of predictions by weights elsewhere.

    Args:
        folder: The run directory, where the predictions lie already.
        meta: JSON values only; see `store.save`.

    Raises:
        ArtifactError: ``meta`` holds what JSON cannot, or the folder cannot be written.
    """
    check(meta)
    _write(Path(folder), enveloped(meta, records_of(folder, [PREDICTIONS_FILE])))


def amend_description(
    folder: Path, changes: Mapping[str, Any], written: Mapping[str, Path] | None = None
) -> None:
    """Replace some keys of the description in ``folder``; its weights stay.

    Args:
        folder: The run directory.
        changes: The keys, with their new values.
        written: Files that are about to be replaced: by name, where the new content lies now.

    Raises:
        ArtifactError: As for reading and writing one.
    """
    check(changes)
    folder = Path(folder)
    document = read_document(folder)
    document |= changes
    if is_verifiable(document):  # what was not recorded then is not made up now
        document["files"] |= {name: record(path) for name, path in (written or {}).items()}
        document["sha256"] = own_digest(document)
    _write(folder, document)


def check_files(folder: Path, names: Collection[str]) -> bool:
    """Check that files of a finished stage are as they were written.

    Args:
        folder: The run directory.
        names: Those to look at, of `digests.RECORDED`. One that was never written is not missed.

    Returns:
        False where that cannot be known, since an older hmtnet recorded no digests.

    Raises:
        ArtifactError: A file is missing or was changed, or the description is.
    """
    document = read_document(Path(folder))
    for name, reason in changed_of(folder, document, names).items():
        raise changed(Path(folder) / name, reason)
    return is_verifiable(document)


def changed_of(folder: Path, document: Mapping[str, Any], names: Collection[str]) -> dict[str, str]:
    """Return which files are not as a whole ``stage.json`` says; see `digests.changed_files`.

    Raises:
        ArtifactError: A file cannot be read.
    """
    recorded = document["files"] if is_verifiable(document) else {}
    try:
        return changed_files(Path(folder), recorded, names)
    except OSError as error:
        raise ArtifactError(f"A file of {folder} cannot be read: {error}.") from error


def is_verifiable(document: Mapping[str, Any]) -> bool:
    """Return whether a whole ``stage.json`` records digests; older ones do not."""
    version = document.get("format")
    return isinstance(version, int) and version >= _WITH_DIGESTS


def _write(folder: Path, document: Mapping[str, Any]) -> None:
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


def enveloped(meta: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """Put a description into its envelope, with the records of the files beside it."""
    document = {"format": FORMAT, "hmtnet": __version__, "sha256": "", "files": files, **meta}
    return {**document, "sha256": own_digest(document)}


def without_envelope(document: Mapping[str, Any]) -> dict[str, Any]:
    """Take a description out of its envelope."""
    envelope = {*ENVELOPE, *_ENVELOPE_BEFORE}
    return {key: value for key, value in document.items() if key not in envelope}


def as_text(document: Mapping[str, Any]) -> str:
    """Return the text of the file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_document(folder: Path) -> dict[str, Any]:
    """Read the whole of ``stage.json``, with its envelope.

    Raises:
        ArtifactError: It is missing, damaged or changed, or a newer hmtnet made it.
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
    verifiable = is_verifiable(document)
    missing = [key for key in (ENVELOPE if verifiable else _ENVELOPE_BEFORE) if key not in document]
    if missing:
        raise damaged(path, f"it lacks {listed(missing)}")
    if verifiable and own_digest(document) != document["sha256"]:
        raise changed(path, CHANGED)
    if verifiable and not isinstance(document["files"], dict):
        raise damaged(path, "its 'files' are no JSON object")
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


def changed(path: Path, reason: str) -> ArtifactError:
    """Return the error that says that a file of an artifact is not as it was written."""
    return ArtifactError(
        f"{path} {reason}: its digest is not the one that {META_FILE} holds. Put the original "
        "back, or remove its folder and train the stage again."
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
