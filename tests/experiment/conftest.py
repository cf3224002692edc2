"""Small systems of a module of its own, that look at references in every way there is."""

import pytest

from hmtnet.experiment.settings import train_settings
from hmtnet.models.system import SYSTEMS, find_system

MODULE = '''
import torch
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.system import Stage, System
from hmtnet.models.task import QualityTask

SEEN = []  # (training, whether references came) of each batch


class Difference(QualityNetwork):
    """Offset less slope times the mean distance to the reference, if there is one."""

    by_crop = True

    def __init__(self, **flags):
        super().__init__()
        self.line = torch.nn.Parameter(torch.tensor([0.5, 0.1]))
        for name, value in flags.items():
            setattr(self, name, value)

    def forward(self, crops):
        SEEN.append((self.training, crops.reference is not None))
        reference = 0.5 if crops.reference is None else crops.reference
        distance = (crops.pixels - reference).abs().mean((1, 2, 3))
        return Prediction(unit_score=crops.mean_by_image(self.line[0] - self.line[1] * distance))


class Task(QualityTask):
    def __init__(self, network, settings, inputs):
        super().__init__(network, settings, inputs)
        self.inputs = inputs

    def losses(self, prediction, batch, crops):
        return {"score": (prediction.unit_score - batch.unit_mos).square().mean()}


def stage(name="only", needs=(), after=(), **flags):
    return Stage(name, FitSettings, lambda settings, _: Difference(**flags), f"{__name__}:Task",
                 after, needs=needs)


ALWAYS = System("always", (stage("paired", needs_reference=True),), reference="always")
TRAINING = System("training", (stage("taught", learns_from_reference=True),), reference="training")
THEN = System("then", (stage("first", learns_from_reference=True), stage(after=("first",))),
              reference="training")
SECRET = System("secret", (stage("hidden", learns_from_reference=True),))
TYPED = System("typed", (stage("types", needs=("method", "scale")), stage()))
RATED = System("rated", (stage("sure", needs=("mos_std",)), stage(after=("sure",))))
'''


@pytest.fixture(scope="session")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    (folder / "small_systems.py").write_text(MODULE)
    return folder


@pytest.fixture
def small_systems(_folder, monkeypatch):
    """Register them; return their module."""
    monkeypatch.syspath_prepend(_folder)
    for name in ("always", "training", "then", "secret", "typed", "rated"):
        monkeypatch.setitem(SYSTEMS, name, f"small_systems:{name.upper()}")
    import small_systems

    small_systems.SEEN.clear()
    return small_systems


@pytest.fixture
def told(small_systems, tiny_root, tmp_path):
    """Make the settings by which one of them is trained, and its system."""

    def make(system, root=tiny_root, **more):
        stage = {"epochs": 1, "batch_size": 4, "crops": {"size": 48, "count": 1, "grid": 1}}
        names = [found.name for found in find_system(system).stages]
        return train_settings(
            {
                "data": {"reader": "qads", "root": str(root)},
                "split": {},
                "system": {"name": system, "grades": {"count": 3}, **dict.fromkeys(names, stage)},
                "trainer": {"accelerator": "cpu"},
                "evaluate": {"test": True},
                "runs": str(tmp_path / "runs"),
                **more,
            }
        )

    return make
