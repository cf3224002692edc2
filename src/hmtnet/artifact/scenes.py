"""What a stage has seen, as tiny pictures: so that near duplicates in other datasets are known."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from hmtnet.artifact.description import check_files, damaged
from hmtnet.artifact.digests import SCENES_FILE
from hmtnet.files import written_aside

Greys = npt.NDArray[np.uint8]


def write_scenes(folder: Path, greys: Greys) -> None:
    """Write pictures (N, 24, 24) of grey levels beside a stage's artifact; equal ones once."""
    with written_aside(folder / SCENES_FILE) as aside:
        safetensors.numpy.save_file({"greys": np.unique(greys, axis=0)}, aside)


def read_scenes(folder: Path) -> Greys | None:
    """Read what ``write_scenes`` wrote: (N, 24, 24) uint8, or None where there is nothing.

    Raises:
        ArtifactError: The file is damaged, or not the one that was written.
    """
    check_files(folder, [SCENES_FILE])
    path = folder / SCENES_FILE
    if not path.is_file():
        return None
    try:
        greys = safetensors.numpy.load_file(path)["greys"]
    except (OSError, KeyError, SafetensorError) as error:
        raise damaged(path, str(error)) from error
    if greys.ndim != 3 or greys.dtype != np.uint8:
        raise damaged(path, f"expected uint8 pictures (N, 24, 24), found {greys.shape}")
    return greys
