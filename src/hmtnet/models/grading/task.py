"""Stage 1: train a GradingNet."""

import torch
from torch import Tensor, nn

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.data.grades import Grades
from hmtnet.losses import gathered, grade_loss, supervised_contrastive
from hmtnet.models.grading.network import GradingNet, GradingOpinion
from hmtnet.models.grading.settings import GradingLossSettings, GradingStageSettings
from hmtnet.models.quality import Opinion, true_grades
from hmtnet.models.task import QualityTask


class GradeTerms(nn.Module):
    """The grade and contrastive terms, shared by stage 1 and stage 3.

    Args:
        settings: Weights and kinds.
        grades: Edges of the grades.
        method_keys: (records,) a whole number for each record's SR method; for
            ``contrast_key="method"``.
    """

    edges: Tensor
    method_keys: Tensor

    def __init__(self, settings: GradingLossSettings, grades: Grades, method_keys: Tensor) -> None:
        super().__init__()
        self.settings = settings
        self.grades = grades
        # On the device with the task, so that no step waits for a copy; in no checkpoint.
        edges = torch.as_tensor(grades.edges, dtype=torch.float32)
        self.register_buffer("edges", edges, persistent=False)
        self.register_buffer("method_keys", method_keys, persistent=False)

    def forward(self, opinion: GradingOpinion, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Return the terms ``grade`` and, if its weight is positive, ``contrast``."""
        settings = self.settings
        assert opinion.log_grades is not None and opinion.prior is not None
        true = true_grades(batch.mos, self.edges)
        terms = {
            "grade": grade_loss(opinion.log_grades, true, settings.grade, sigma=settings.sigma)
        }
        if settings.contrast > 0 and settings.contrast_key != "none":
            keys = true if settings.contrast_key == "grade" else self._methods(batch.rows)
            weighted = settings.contrast_sigma is not None
            terms["contrast"] = settings.contrast * supervised_contrastive(
                gathered(opinion.prior.embedding),
                gathered(keys[crops.image]),
                gathered(batch.rows[crops.image]),
                temperature=settings.temperature,
                scores=gathered(batch.mos[crops.image]) if weighted else None,
                sigma=settings.contrast_sigma,
            )
        return terms

    def _methods(self, rows: Tensor) -> Tensor:
        keys = self.method_keys[rows]
        # Images of unknown method are not of one method: each gets a key of its own.
        return torch.where(keys < 0, -1 - rows, keys)


class GradingTask(QualityTask):
    """Train a GradingNet on grades and contrast."""

    network: GradingNet

    def __init__(
        self, network: GradingNet, settings: GradingStageSettings, terms: GradeTerms
    ) -> None:
        super().__init__(network, settings, terms.grades)
        self.terms = terms

    def losses(self, opinion: Opinion, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Grade term and contrastive term."""
        assert isinstance(opinion, GradingOpinion)
        terms: dict[str, Tensor] = self.terms(opinion, batch, crops)
        return terms
