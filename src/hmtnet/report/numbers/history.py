"""How a run went: what it was told, and its learning curves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hmtnet.artifact import curves
from hmtnet.artifact.digests import CURVES_FILE
from hmtnet.metrics.checks import Floats

SETTINGS_FILE = "settings.yaml"


@dataclass(frozen=True, eq=False)
class Curves:
    """One run's training, epoch by epoch; NaN where a number was not logged.

    Attributes:
        epochs: (E,) from 1; 0 where the network was judged before its training.
        srcc: (E,) on the validation images.
        train_loss: (E,) on the training images.
        val_loss: (E,) on the validation images.
    """

    epochs: Floats
    srcc: Floats
    train_loss: Floats
    val_loss: Floats


@dataclass(frozen=True, eq=False)
class History:
    """How a run went.

    Attributes:
        settings: What the command was told, as YAML.
        curves: None where there is no file of them that can be read.
        lost: Why curves that were written are not shown; empty where they are.
    """

    settings: str
    curves: Curves | None
    lost: str = ""


def read_history(folder: Path, stage: Mapping[str, Any]) -> History:
    """Read a run's history; what is missing or damaged is left out.

    A run without it is as good as any other, since its numbers come from its predictions.

    Args:
        folder: The run directory.
        stage: The settings of the stage alone, shown where those of the command are gone.
    """
    try:
        settings = (folder / SETTINGS_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError):
        settings = yaml.safe_dump(dict(stage), sort_keys=False)
    return History(settings, read_curves(folder / CURVES_FILE))


def read_curves(path: Path) -> Curves | None:
    """Read a run's curves; None where there is no file of them that can be read."""
    try:
        rows = curves.read(path).values()
    except (OSError, ValueError):
        return None
    names = ("epoch", "val/srcc", "train/loss", "val/loss")
    columns = [[float(row.get(name) or math.nan) for row in rows] for name in names]
    return Curves(*(np.array(column) for column in columns))
