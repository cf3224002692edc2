"""What a stage wrote about itself, ``stage.json``, read without its weights and without torch."""

import json
from pathlib import Path
from typing import Any

from hmtnet import __version__
from hmtnet.errors import ArtifactError, listed

FORMAT = 1
META_FILE = "stage.json"

ENVELOPE = ("format", "hmtnet", "weights_sha256")
"""The keys that are about the file, not about the stage."""


def read_description(folder: Path) -> dict[str, Any]:
    """Read the description of the artifact in ``folder``, without its envelope.

    Raises:
        ArtifactError: It is missing or damaged, or a newer hmtnet made it.
    """
    document = read_document(Path(folder))
    return {key: value for key, value in document.items() if key not in ENVELOPE}


def read_document(folder: Path) -> dict[str, Any]:
    """Read the whole of ``stage.json``, with its envelope.

    Raises:
        ArtifactError: It is missing or damaged, or a newer hmtnet made it.
    """
    path = folder / META_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            f"No finished stage in {folder}: {META_FILE} is missing. Train the stage, or give the "
            "folder of a finished one."
        ) from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error
    except ValueError as error:  # neither JSON nor UTF-8
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


def damaged(path: Path, reason: str) -> ArtifactError:
    """Return the error that says that a file of an artifact is damaged."""
    return ArtifactError(
        f"{path} is damaged: {reason}. Remove its folder and train the stage again, "
        "or copy the artifact anew."
    )
