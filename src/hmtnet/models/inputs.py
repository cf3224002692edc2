"""What a stage's network and task are made from, besides their settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from hmtnet.data.grades import Grades
from hmtnet.data.training_labels import TrainingLabels
from hmtnet.errors import SettingsError
from hmtnet.models.quality import QualityNetwork


@dataclass(frozen=True)
class StageInputs:
    """What a stage's network and task are made from, besides their settings.

    Attributes:
        grades: The grades, of the upstream grading stage or of the training MOS.
        upstream: Finished networks by stage name.
        labels: The labels of the training images; None where a finished network is restored.
        out_of_fold: Grade log-probabilities (records, K) by stage name. An image of the training
            set is judged by a network of that stage that was trained without the image's content;
            other rows are NaN. Only for settings with ``folds``.
        state: The tensors of the artifact by name where a finished network is restored, else empty.
            What a network has derived from labels is a persistent buffer of its own, whose values
            or size it takes from here (``derived``).
        groups: (records, 2) int64, numbers of each image's (SR method, scale) and reference, -1
            where unknown; None where no SR method is named. Validation and test images
            have theirs too: it is for validation's agreement within groups, not to learn from.
        datasets: (records,) int64, numbers of the datasets that the images are of; None where one
            is trained on. Validation's agreement is measured within each.
    """

    grades: Grades
    upstream: Mapping[str, QualityNetwork] = field(default_factory=dict)
    labels: TrainingLabels | None = None
    out_of_fold: Mapping[str, Tensor] = field(default_factory=dict)
    state: Mapping[str, Tensor] = field(default_factory=dict)
    groups: Tensor | None = None
    datasets: Tensor | None = None

    @property
    def training_labels(self) -> TrainingLabels:
        """The labels of the training images, where something is trained.

        Raises:
            SettingsError: A finished network is being restored, so there are none.
        """
        if self.labels is None:
            raise SettingsError(
                "Expected the labels of training images, found none: they are there in training "
                "only. A network keeps what it derives from them in a persistent buffer."
            )
        return self.labels

    def derived(self, buffer: str, derive: Callable[[TrainingLabels], Tensor]) -> Tensor:
        """Return what a network keeps of the training labels in one of its persistent buffers.

        Args:
            buffer: Its name in the network's state.
            derive: Derives it, in training.

        Raises:
            SettingsError: A finished network is being restored, and its artifact lacks the buffer.
        """
        return self.state[buffer] if buffer in self.state else derive(self.training_labels)
