"""What the stages of one chain share, and what they hand on."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from hmtnet.data.grades import Grades
from hmtnet.data.images import ImageStore
from hmtnet.data.manifest import Manifest
from hmtnet.data.memory import copies
from hmtnet.data.pairs import ReferenceUse
from hmtnet.data.split import Split, Subset
from hmtnet.data.thumbnails import Greys, grey_thumbnails
from hmtnet.data.training_labels import TrainingLabels
from hmtnet.errors import DataError
from hmtnet.experiment.devices import device_of
from hmtnet.experiment.run_settings import Caps, EvaluateSettings
from hmtnet.experiment.settings import TrainSettings
from hmtnet.experiment.warm_start import WarmStart
from hmtnet.metrics.checks import Integers
from hmtnet.metrics.groups import method_scale_cells, numbered
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import System
from hmtnet.scoring.restore import Restored, restore

if TYPE_CHECKING:
    from hmtnet.data.datamodule import QualityData

log = logging.getLogger(__name__)

# Gets the stage, the epoch, from 1, and its validation SRCC, NaN where undefined.
Watch = Callable[[str, int, float], None]


@dataclass(frozen=True)
class RunContext:
    """What all stages of a chain share.

    Attributes:
        settings: The command's settings.
        system: The system.
        manifest: The dataset.
        split: Who trains, validates and tests.
        start: What the stages' weights begin with, if not at random.
        watch: Told of every epoch; what it raises ends the training.
        whole: The context of which this one sees a part, if it does: a fold of its training images.
    """

    settings: TrainSettings
    system: System
    manifest: Manifest
    split: Split
    start: WarmStart | None = None
    watch: Watch | None = None
    whole: "RunContext | None" = None

    @property
    def chosen_on_test(self) -> bool:
        """Whether the epoch is chosen on test images, to measure what that habit is worth."""
        return self.settings.evaluate.selection == "best_on_test"

    @property
    def chosen_on(self) -> Subset:
        """The subset that the epoch is chosen on."""
        return "test" if self.chosen_on_test else "val"

    @cached_property
    def store(self) -> ImageStore:
        """The decoded images, made when first needed: a reused chain decodes nothing."""
        if self.whole is not None:
            return self.whole.store
        rows = (*self.split.train, *self.split.val, *self.split.test)
        trainer = self.settings.trainer
        held = copies(trainer.devices, trainer.workers)
        return ImageStore(self.manifest, rows, self.settings.data.cache, held)

    def rows_with_reference(self, use: ReferenceUse) -> tuple[int, ...]:
        """Return the rows whose reference images are looked at."""
        if use == "always":
            return (*self.split.train, *self.split.val, *self.split.test)
        if use == "training":
            return (*self.split.train, *self.split.subsets[self.chosen_on])
        return ()

    def inputs(
        self,
        grades: Grades,
        upstream: Mapping[str, QualityNetwork],
        out_of_fold: Mapping[str, torch.Tensor],
    ) -> StageInputs:
        """Add the training labels, and what validation is grouped by."""
        numbers = None if self.datasets is None else torch.from_numpy(self.datasets)
        return StageInputs(
            grades, upstream, self.labels, out_of_fold, groups=self.groups, datasets=numbers
        )

    @cached_property
    def groups(self) -> torch.Tensor | None:
        """What agreement within (method, scale) and within references needs; see StageInputs."""
        cells = numbered(method_scale_cells(self.manifest.method, self.manifest.scale))
        references = numbered([record.reference for record in self.manifest.records])
        known = bool((cells >= 0).any())
        return torch.from_numpy(np.stack([cells, references], axis=1)) if known else None

    @cached_property
    def datasets(self) -> Integers | None:
        """(N,) number of each image's dataset where several are trained on, else None."""
        number = numbered(self.manifest.datasets)
        return number if len(np.unique(number[list(self.split.train)])) > 1 else None

    @cached_property
    def scenes(self) -> Greys:
        """Thumbnails (N, 24, 24) of what training and validation images show; a part's whole's."""
        if self.whole is not None:
            return self.whole.scenes
        rows = (*self.split.train, *self.split.subsets[self.chosen_on])
        paths = dict.fromkeys(self.manifest.representative(row)[0] for row in rows)
        return grey_thumbnails(list(paths))[0]

    @cached_property
    def labels(self) -> TrainingLabels:
        """The labels of the training images, and of no others."""
        return TrainingLabels.of(self.manifest, self.split.train)

    def caps(self, fit_settings: FitSettings) -> Caps | None:
        """Return the limits for a quick look that cut a stage short; None where none does."""
        debug, subsets = self.settings.trainer.debug, self.split.subsets.values()
        return debug.reached(
            fit_settings.epochs, -(-max(map(len, subsets)) // fit_settings.batch_size)
        )

    def training_grades(self) -> Grades:
        """Cut the training MOS, and only them, into grades.

        A part has the grades of the whole: priors must speak of the same ones. Labels that cannot
        be cut, as where all are equal, have none where the system needs none.
        """
        if self.whole is not None:
            return self.whole.training_grades()
        training = self.manifest.unit_mos[list(self.split.train)]
        try:
            return Grades.fit(training, self.settings.system.grades)
        except DataError as error:
            if self.system.graded:
                raise
            log.info("No grades, which %s does not need: %s", self.system.name, error)
            return Grades(())

    def part(self, split: Split) -> "RunContext":
        """Return the context of a part of the training images; validation chooses its epoch."""
        settings = replace(self.settings, evaluate=EvaluateSettings(test=False, train=False))
        return replace(self, settings=settings, split=split, whole=self)

    def data(
        self, fit_settings: FitSettings, network: QualityNetwork, grades: Grades
    ) -> "QualityData":
        """Make a stage's loaders."""
        # Lightning comes with it, which a chain that is finished does without.
        from hmtnet.data.datamodule import LoaderSettings, QualityData

        trainer = self.settings.trainer
        self.store.keep_references(self.rows_with_reference(network.reference_use))
        return QualityData(
            self.manifest,
            self.split,
            self.store,
            fit_settings.crops,
            fit_settings.batch_size,
            fit_settings.augment,
            self.settings.seed,
            LoaderSettings(workers=trainer.workers, pin_memory=device_of(trainer).type == "cuda"),
            network.reference_use,
            self.chosen_on,
            network.mixes_images,
            train_on_tiles=fit_settings.closed_form,
            grades=grades,
            datasets=self.datasets,
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
