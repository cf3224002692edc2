"""The training of one network: losses and optimisation, one step for all subsets."""

from typing import Any, Self

import lightning as L
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.metrics.quality import GradeMetrics, PerImage, QualityMetrics
from hmtnet.metrics.quality_mapped import MappedQuality
from hmtnet.metrics.quality_within import WithinQuality
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import (
    FitSettings,
    freeze_loaded,
    optimizer_for,
    rest_frozen,
)
from hmtnet.models.quality import Prediction, QualityNetwork, in_parts, make_crops
from hmtnet.models.schedules import schedule_for
from hmtnet.models.score_loss import ScoreFitSettings, score_terms

SELECTED_BY = "val/srcc"


class QualityTask(L.LightningModule):
    """Base of all tasks.

    A task adds ``judge`` (if its network takes more than crops) and ``losses``. The epoch is chosen
    by the validation images' SRCC, at image level; of several datasets, by the mean of theirs.

    Args:
        network: What is trained.
        settings: The settings of its stage.
        inputs: What else there is to learn from. Every task takes these three.

    Raises:
        SettingsError: Nothing is left to learn (``loaded_lr: 0``).
    """

    groups: Tensor | None
    datasets: Tensor | None

    def __init__(self, network: QualityNetwork, settings: FitSettings, inputs: StageInputs) -> None:
        super().__init__()
        freeze_loaded(network, settings.optimizer)
        self.network = network
        self.fit_settings = settings
        self.quality, self.mapped, self.within = QualityMetrics(), MappedQuality(), WithinQuality()
        self.grades = inputs.grades.count
        self.grading = GradeMetrics(self.grades)
        self.register_buffer("groups", inputs.groups, persistent=False)
        self.register_buffer("datasets", inputs.datasets, persistent=False)
        self.train(network.training)  # Lightning keeps the mode that it finds

    def train(self, mode: bool = True) -> Self:
        """Switch the mode, but leave what is frozen in evaluation mode."""
        super().train(mode)
        rest_frozen(self.network, self.fit_settings.optimizer)
        return self

    def judge(self, crops: Crops, batch: Batch) -> Prediction:
        """Run the network on a batch's crops."""
        del batch
        prediction: Prediction = self.network(crops)
        return prediction

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Return the weighted terms of the loss by name; their sum is minimised."""
        # LightningModule has no abstract methods: a task without this one fails at its first step.
        raise NotImplementedError("A task says here what it minimises.")

    def _step(self, batch: Batch, subset: str) -> tuple[Prediction, Tensor]:
        network = self.network
        grades = self.grades if network.reads_labels else 0
        crops = make_crops(batch, self.fit_settings.crops.size, network.saliency_operator, grades)
        prediction = self.judge(crops, batch)
        terms = self.losses(prediction, batch, crops)
        loss = sum(terms.values(), prediction.unit_score.new_zeros(()))
        logged = {f"{subset}/{name}": value for name, value in terms.items()}
        self.log_dict(
            {f"{subset}/loss": loss, **logged},
            on_step=False,
            on_epoch=True,
            # No whole number: the mean of the processes' would be rounded, to count too few images.
            batch_size=float(len(batch)),  # type: ignore[arg-type]  # only ever added up
            sync_dist=True,
        )
        return prediction, loss

    def training_step(self, batch: Batch, batch_index: int) -> Tensor | None:
        """Take one optimisation step."""
        del batch_index
        return self._step(batch, "train")[1]

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Collect the validation images' scores."""
        del batch_index
        for part in in_parts(batch, self.network, self.fit_settings.crops.size):
            prediction, _ = self._step(part, "val")
            self.compare(prediction.unit_score, part.unit_mos, part.rows)
            if self.network.graded:
                assert prediction.log_grades is not None
                self.grading.update(prediction.log_grades.exp(), part.grades, part.rows)

    def compare(self, unit_score: Tensor, unit_mos: Tensor, rows: Tensor) -> None:
        """Add validation images, all (I,), to what is logged of the whole set."""
        if self.datasets is None:
            self.quality.update(unit_score, unit_mos, rows)
            self.mapped.update(unit_score, unit_mos, rows)
        else:
            self.quality.update(unit_score, unit_mos, rows, self.datasets[rows])
        if self.groups is not None:
            cell, reference = self.groups[rows].unbind(1)
            self.within.update(unit_score, unit_mos, cell, reference, rows)

    def on_validation_epoch_end(self) -> None:
        """Log what only the whole validation set can say, with scores in [0, 1]."""
        computed: list[PerImage] = [self.quality]
        if self.datasets is None:  # one curve over several datasets would mean nothing
            computed.append(self.mapped)
        if self.groups is not None:
            computed.append(self.within)
        if self.network.graded:
            computed.append(self.grading)
        values: dict[str, Tensor] = {}
        for metric in computed:
            values |= metric.compute()
            metric.reset()
        self.log_dict({f"val/{name}": value.float() for name, value in values.items()})

    def configure_optimizers(self) -> Any:
        """Set up the optimiser and its schedule."""
        settings = self.fit_settings
        optimizer = optimizer_for(self.network, settings.optimizer)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule: dict[str, Any] = {
            "scheduler": schedule_for(optimizer, settings.schedule, steps),
            "interval": "epoch" if settings.schedule.name == "step" else "step",
        }
        if settings.schedule.name == "plateau":
            # After the epoch's last step, so after its validation and before its checkpoint.
            # Lightning advances a plateau of interval "epoch" after the checkpoint, which a resumed
            # training would not know of.
            schedule["frequency"] = int(self.trainer.num_training_batches)
            schedule["monitor"] = SELECTED_BY
        return {"optimizer": optimizer, "lr_scheduler": schedule}


class ScoreTask(QualityTask):
    """A task that trains the score by the loss that systems share, and nothing else."""

    fit_settings: ScoreFitSettings

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and, if it is on, relation term."""
        del crops
        return score_terms(
            prediction.unit_score,
            batch.unit_mos,
            self.fit_settings.loss,
            repeated=batch.repeated,
            datasets=batch.datasets,
        )
