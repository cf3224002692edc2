"""What the stages of one chain share, and what they hand on."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from hmtnet.data.datamodule import LoaderSettings, QualityData
from hmtnet.data.grades import Grades
from hmtnet.data.images import ImageStore
from hmtnet.data.manifest import Manifest
from hmtnet.data.split import Split
from hmtnet.experiment.fitting import device_of
from hmtnet.experiment.settings import EvaluateSettings, TrainSettings
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import System
from hmtnet.scoring.restore import Restored, restore


@dataclass(frozen=True)
class Scene:
    """What all stages of a chain share.

    Attributes:
        settings: The command's settings.
        system: The system.
        manifest: The dataset.
        split: Who trains, validates and tests.
        whole: The scene of which this one sees a part, if it does: a fold of its training images.
    """

    settings: TrainSettings
    system: System
    manifest: Manifest
    split: Split
    whole: "Scene | None" = None

    @property
    def chosen_on_test(self) -> bool:
        """Whether the epoch is chosen on test images, to measure what that habit is worth."""
        return self.settings.evaluate.selection == "best_on_test"

    @cached_property
    def store(self) -> ImageStore:
        """The decoded images, made when first needed: a reused chain decodes nothing."""
        if self.whole is not None:
            return self.whole.store
        rows = (*self.split.train, *self.split.val, *self.split.test)
        return ImageStore(self.manifest, rows, self.settings.data.cache)

    @cached_property
    def method_keys(self) -> torch.Tensor:
        """A whole number for each record's SR method, -1 where it has none."""
        methods = sorted({r.method for r in self.manifest.records if r.method is not None})
        number = {method: i for i, method in enumerate(methods)}
        keys = [number.get(record.method or "", -1) for record in self.manifest.records]
        return torch.tensor(keys)

    def training_grades(self) -> Grades:
        """Cut the training MOS, and only them, into grades.

        A part has the grades of the whole: priors must speak of the same ones.
        """
        if self.whole is not None:
            return self.whole.training_grades()
        training = self.manifest.unit_scores[list(self.split.train)]
        return Grades.fit(training, self.settings.system.grades)

    def part(self, split: Split) -> "Scene":
        """Return the scene of a part of the training images; its epoch is chosen by validation."""
        settings = replace(self.settings, evaluate=EvaluateSettings(test=False))
        return replace(self, settings=settings, split=split, whole=self)

    def data(self, fit_settings: FitSettings, network: QualityNetwork) -> QualityData:
        """Make a stage's loaders."""
        trainer = self.settings.trainer
        return QualityData(
            self.manifest,
            self.split,
            self.store,
            fit_settings.crops,
            fit_settings.batch_size,
            fit_settings.augment,
            self.settings.seed,
            LoaderSettings(workers=trainer.workers, pin_memory=device_of(trainer).type == "cuda"),
            network.needs_reference,
            "test" if self.chosen_on_test else "val",
            network.mixes_images,
            train_on_tiles=fit_settings.closed_form,
        )


@dataclass(frozen=True)
class UpstreamStage:
    """A finished stage that a later one starts from.

    Attributes:
        key: Its key.
        path: Its run directory.
    """

    key: str
    path: Path

    def restore(self) -> Restored:
        """Rebuild its network; a fresh one each time, since the next stage may change it."""
        return restore(self.path)
