"""Trained models that come with hmtnet, by name."""

from pathlib import Path

from hmtnet.artifact.description import META_FILE
from hmtnet.errors import ArtifactError, nearest

MODELS = Path(__file__).parents[1] / "pretrained"
"""Holds one folder per model, an artifact that needs no other."""


def list_models() -> list[str]:
    """Return the names of the models that come with hmtnet."""
    return sorted(path.parent.name for path in MODELS.glob(f"*/{META_FILE}"))


def find_model(model: Path | str) -> Path:
    """Return the folder of a finished stage, given by its path or by a shipped model's name.

    Args:
        model: A folder, which comes first, or a name such as ``"hmtnet-lite"``.

    Returns:
        The folder. What looks like a path is returned as it is, whether it exists or not.

    Raises:
        ArtifactError: There is neither a folder nor a model of that name.
    """
    folder = Path(model).expanduser()
    if folder.exists() or len(folder.parts) != 1:
        return folder
    known = list_models()
    if folder.name not in known:
        raise ArtifactError(
            f"There is no folder '{model}', and no model of that name comes with hmtnet. Give the "
            f"run directory of a finished stage, or a model's name.{nearest(folder.name, known)}"
        )
    return MODELS / folder.name
