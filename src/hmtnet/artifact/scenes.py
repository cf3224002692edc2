"""What a stage has seen, as tiny pictures: so that near duplicates in other datasets are known."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from hmtnet.artifact.description import check_files, damaged
from hmtnet.artifact.digests import SCENES_FILE
from hmtnet.files import written_aside

Greys = npt.NDArray[np.uint8]


def write_scenes(folder: Path, scenes: Mapping[str, Greys]) -> None:
    """Write pictures (N, 24, 24) of grey levels beside a stage's artifact; equal ones once.

    Args:
        folder: The run directory.
        scenes: Pictures by the fingerprint of the dataset that they are of.
    """
    with written_aside(folder / SCENES_FILE) as aside:
        safetensors.numpy.save_file(
            {name: np.unique(greys, axis=0) for name, greys in scenes.items()}, aside
        )


def read_scenes(folder: Path) -> dict[str, Greys]:
    """Read what ``write_scenes`` wrote: (N, 24, 24) uint8 by fingerprint; empty without a file.

    Raises:
        ArtifactError: The file is damaged, or not the one that was written.
    """
    check_files(folder, [SCENES_FILE])
    path = folder / SCENES_FILE
    if not path.is_file():
        return {}
    try:
        scenes = safetensors.numpy.load_file(path)
    except (OSError, SafetensorError) as error:
        raise damaged(path, str(error)) from error
    for greys in scenes.values():
        if greys.ndim != 3 or greys.dtype != np.uint8:
            raise damaged(path, f"expected uint8 pictures (N, 24, 24), found {greys.shape}")
    return scenes
