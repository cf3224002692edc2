import pytest
import torch

from hmtnet.data.crops import CropSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import OptimizerSettings
from hmtnet.models.plain import PlainSettings
from hmtnet.models.plain.network import PlainStageSettings
from hmtnet.models.quality import make_crops
from hmtnet.models.score_loss import ScoreLossSettings, score_terms
from hmtnet.models.system import find_system


@pytest.fixture
def make_task(plain, grades):
    def make(**changes):
        settings = PlainStageSettings(
            network=PlainSettings(backbone=plain),
            crops=CropSettings(size=48, count=1),
            optimizer=OptimizerSettings(lr=1e-2),
            augment=(),
            **changes,
        )
        stage = find_system("plain").stage("plain")
        network = stage.network(settings, StageInputs(grades))
        return stage.make_task(network.train(), settings, StageInputs(grades))

    return make


def test_it_overfits_one_batch(make_task, make_data, train):
    curve = train(make_task(), make_data(), 40, gradient_clip_val=1.0)
    assert curve[-1]["train/loss"] < 0.3 * curve[0]["train/loss"]
    assert curve[-1]["val/srcc"] > 0.95
    terms = {"loss", "score", "relation"}
    assert set(curve[-1]) == {
        f"{subset}/{term}" for subset in ("train", "val") for term in terms
    } | {
        "val/srcc",
        "val/plcc",
        "val/krcc",
        "val/rmse",
        "val/mapped_plcc",
        "val/mapped_rmse",
    }


@pytest.mark.parametrize("relation", ["ranking", "plcc", "none"])
def test_its_loss_is_the_score_s(make_task, make_batch, relation):
    loss = ScoreLossSettings(score="mse", relation=relation, relation_weight=0.25)
    task = make_task(loss=loss).eval()
    batch = make_batch(6)
    crops = make_crops(batch, 48, None)
    prediction = task.judge(crops, batch)
    expected = score_terms(prediction.unit_score, batch.unit_mos, loss)
    found = task.losses(prediction, batch, crops)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
