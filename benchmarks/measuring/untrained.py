"""Stages as the settings make them, with random weights."""

from dataclasses import dataclass
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hmtnet.artifact import store
from hmtnet.cli.composing import conf_folder
from hmtnet.data.grades import Grades
from hmtnet.experiment.settings import train_settings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import Stage, find_system
from hmtnet.models.task import QualityTask
from hmtnet.settings import plain

GIVEN = StageInputs(Grades((0.2, 0.4, 0.6, 0.8)))
# What `auto` means where weights are loaded, which no measurement needs to have.
AS_IF_LOADED = ("weights=none", "norm=frozen", "view=pixels")


@dataclass(frozen=True)
class Untrained:
    """A stage and its settings.

    Attributes:
        system: The system's name.
        stage: The stage.
        settings: The stage's settings.
    """

    system: str
    stage: Stage
    settings: FitSettings

    @classmethod
    def last_of(cls, system: str, size: str) -> "Untrained":
        """Return a system's last stage as ``system=… size=…`` composes it."""
        words = [f"system={system}", f"size={size}"]
        if size != "tiny":
            words += [f"size.backbone.{word}" for word in AS_IF_LOADED]
        with initialize_config_dir(str(conf_folder()), version_base="1.3"):
            tree = OmegaConf.to_container(compose("train", words), resolve=True)
        assert isinstance(tree, dict)
        settings, found = train_settings({str(key): value for key, value in tree.items()})
        stage = found.stages[-1]
        return cls(system, stage, settings.system.stages[stage.name])

    @classmethod
    def of(cls, system: str, stage: str, settings: FitSettings) -> "Untrained":
        """Return a stage with settings of one's own."""
        return cls(system, find_system(system).stage(stage), settings)

    def network(self) -> QualityNetwork:
        """Make the network; what is upstream starts afresh too."""
        torch.manual_seed(0)
        return self.stage.network(self.settings, GIVEN)

    def task(self) -> QualityTask:
        """Make what trains the network; it logs nothing."""
        task = self.stage.make_task(self.network().train(), self.settings, GIVEN)
        task.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
        return task

    def save(self, folder: Path) -> None:
        """Leave the network as a finished stage leaves one."""
        meta = {
            "system": self.system,
            "stage": self.stage.name,
            "key": "untrained",
            "settings": plain(self.settings),
            "grades": {"edges_unit": list(GIVEN.grades.edges)},
            "upstream": {},
            "dataset": {"label_kind": "pseudo", "mos_range": [0.0, 1.0], "higher_is_better": True},
        }
        store.save(folder, self.network().own_state(), meta)
