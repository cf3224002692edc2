"""What a scorer asks of a model and of a device, before it judges."""

from pathlib import Path

import torch

from hmtnet.artifact.description import need
from hmtnet.artifact.store import read_meta
from hmtnet.errors import ArtifactError, SettingsError
from hmtnet.models.quality import QualityNetwork


def check_weighted(folder: Path) -> None:
    """Refuse a folder without weights, and say where they are.

    Raises:
        ArtifactError: It has none.
    """
    if folder.is_file():
        raise ArtifactError(f"{folder} is a file. Give the run directory that it lies in.")
    meta = read_meta(folder)
    if "evaluated" in meta:
        weights = (folder / need(folder, meta, str, "evaluated", "path")).resolve()
        found = "" if weights.is_dir() else ", which is not there any more"
        raise ArtifactError(
            f"{folder} holds the predictions of an evaluation, not the weights. Give the stage "
            f"that was evaluated: {weights}{found}."
        )
    if "adopted" in meta:
        raise ArtifactError(
            f"{folder} holds scores that were computed elsewhere, and no network. Give the run "
            "directory of a trained stage."
        )


def check_alone(network: QualityNetwork, what: str) -> None:
    """Refuse a network that cannot judge an image which comes alone.

    Raises:
        ArtifactError: It cannot.
    """
    if network.reads_labels:
        reason = "reads the true grade of each image"
    elif network.mixes_images:
        reason = "judges an image by the grades of another one"
    else:
        return
    raise ArtifactError(
        f"{what} {reason}, so it cannot judge an image that comes alone. Evaluate it on a dataset "
        "(hmtnet evaluate), or take another stage."
    )


def find_device(name: str | torch.device) -> torch.device:
    """Return the device of a name; ``auto`` is a GPU if there is one.

    Raises:
        SettingsError: It cannot be used.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    # torch raises one of these three where a device lacks its driver, library or kernels.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(
            f"device: '{name}' cannot be used ({reason}). Give 'auto', 'cpu', or a device of this "
            "machine."
        ) from error
    return device
