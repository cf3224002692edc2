"""The files of one run, by name."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hmtnet.errors import SettingsError
from hmtnet.storage import status

_LONGEST_NAME = 150  # bytes; file systems allow 255 per name, and temporary files add to it


@dataclass(frozen=True)
class RunDirectory:
    """One stage's folder, ``runs/<dataset>/<split>/<stage>-<key>/``; its files may not exist yet.

    Attributes:
        path: The folder.
    """

    path: Path

    @classmethod
    def locate(cls, runs: Path, dataset: str, split: str, stage: str, key: str) -> Self:
        """Return where a stage with this key is kept; nothing is made.

        Characters that a file system may refuse become ``-``. Two names that thereby become equal
        do no harm: the key tells their runs apart.

        Raises:
            SettingsError: Nothing of a name is left, or it is too long.
        """
        name = f"{_usable(stage, 'stage')}-{_usable(key, 'key')}"
        return cls(Path(runs) / _usable(dataset, "dataset") / _usable(split, "split") / name)

    @property
    def settings(self) -> Path:
        """The composed settings the run was started with."""
        return self.path / "settings.yaml"

    @property
    def status(self) -> Path:
        """How far the run is; see `hmtnet.storage.status`."""
        return self.path / "status.json"

    @property
    def metrics(self) -> Path:
        """Metrics by epoch."""
        return self.path / "metrics.csv"

    @property
    def predictions(self) -> Path:
        """One row per image; see `hmtnet.artifact.predictions`."""
        return self.path / "predictions.csv"

    @property
    def weights(self) -> Path:
        """The artifact's weights; see `hmtnet.artifact.store`."""
        return self.path / "stage.safetensors"

    @property
    def meta(self) -> Path:
        """The artifact's description; see `hmtnet.artifact.store`."""
        return self.path / "stage.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of what an interrupted run resumes from."""
        return self.path / "checkpoints"

    @property
    def conditions(self) -> Path:
        """What a training that is not finished has run under; see `experiment.conditions`."""
        return self.checkpoints / "conditions.json"

    @property
    def finished(self) -> bool:
        """Whether its artifact is there, and no status says that it is still at work.

        The description is written last. So where the status is lost, it decides.
        """
        if not self.weights.is_file() or not self.meta.is_file():
            return False
        found = status.read(self.status)
        return found is None or found.state == "finished"


def _usable(name: str, what: str) -> str:
    text = re.sub(r"[^\w.+=@-]+", "-", unicodedata.normalize("NFC", name))
    # A leading dot hides a folder, a leading dash looks like an option, a trailing dot is lost on
    # some systems.
    text = text.strip("-.")
    if not text:
        raise SettingsError(f"The {what} {name!r} cannot name a folder: give it letters or digits.")
    if len(text.encode("utf-8")) > _LONGEST_NAME:
        raise SettingsError(
            f"The {what} '{name[:40]}…' cannot name a folder: it has {len(name)} characters. "
            f"Give it a shorter name (at most {_LONGEST_NAME} bytes)."
        )
    return text
