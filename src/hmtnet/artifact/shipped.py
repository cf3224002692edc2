"""Trained models that come with hmtnet, by name."""

import shutil
from dataclasses import asdict
from pathlib import Path

from hmtnet.artifact.description import META_FILE
from hmtnet.artifact.digests import SCENES_FILE
from hmtnet.artifact.hub import CARD_FILE, HUB, fetch
from hmtnet.errors import ArtifactError, listed, nearest
from hmtnet.files import is_there, write_text

MODELS = Path(__file__).parents[1] / "pretrained"
"""Holds one folder per model, an artifact that needs no other."""


def list_models() -> list[str]:
    """Return the names of the models that come with hmtnet."""
    return sorted(path.parent.name for path in MODELS.glob(f"*/{META_FILE}"))


def find_model(model: Path | str) -> Path:
    """Return the folder of a finished stage, given by its path, its name or its address.

    Args:
        model: A folder, which comes first; a name such as ``"hmtnet-lite"``; or an address on the
            Hugging Face hub, ``"hf://owner/name"``.

    Returns:
        The folder. What looks like a path is returned as it is, whether it exists or not.

    Raises:
        ArtifactError: There is neither a folder nor a model of that name.
    """
    if isinstance(model, str) and model.startswith(HUB):
        return fetch(model)
    folder = Path(model).expanduser()
    if is_there(folder) or len(folder.parts) != 1:
        return folder
    known = list_models()
    if folder.name not in known:
        raise ArtifactError(
            f"There is no folder '{model}', and no model of that name comes with hmtnet. Give the "
            f"run directory of a finished stage, or a model's name.{nearest(folder.name, known)}"
        )
    return MODELS / folder.name


def ship(stage: Path, name: str, card: str, models: Path = MODELS) -> Path:
    """Make a finished stage a model that comes with hmtnet.

    Filters and matrices are kept in half precision, which halves the file; vectors, among them the
    statistics of norms, stay whole. What it has seen comes along, so that leaks are found, and how
    far it was from the labels of its validation images, so that its scores have an interval.

    Args:
        stage: Its run directory. Its artifact must need no other: a joint network, or a system of
            one stage.
        name: The model's name.
        card: What it is, learned from and may be used for, in Markdown.
        models: The folder of all models.

    Returns:
        The model's folder.

    Raises:
        ArtifactError: The artifact is damaged, or a weight is too large for half precision.
    """
    # Torch is imported where it is needed: models are found by commands that must be quick.
    import torch

    from hmtnet.artifact import store
    from hmtnet.artifact.calibration import CALIBRATION, calibrate

    found = store.load(stage)
    halved = {
        key: tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor
        for key, tensor in found.tensors.items()
    }
    large = [key for key, tensor in halved.items() if not bool(torch.isfinite(tensor).all())]
    if large:
        raise ArtifactError(f"{stage}: too large for half precision: {listed(large)}.")
    folder = models / name
    scenes = stage / SCENES_FILE
    if scenes.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(scenes, folder / SCENES_FILE)
    calibration = calibrate(stage, found.meta)
    meta = {**found.meta, CALIBRATION: None if calibration is None else asdict(calibration)}
    store.save(folder, halved, {**meta, "upstream": {}})
    write_text(folder / CARD_FILE, card)
    return folder
