import copy

import numpy as np
import pytest
import torch

from hmtnet.data.crops import CropSettings
from hmtnet.metrics import rmse, srcc
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import make_crops
from hmtnet.models.ridge import RidgeSettings
from hmtnet.models.ridge.network import RidgeLossSettings, RidgeStageSettings
from hmtnet.models.ridge.solving import LEAST_VARIATION
from hmtnet.models.system import find_system

SPLIT = (tuple(range(0, 24, 2)), tuple(range(1, 24, 2)))
CROPS = CropSettings(size=32, count=1, grid=2)


@pytest.fixture
def make_task(plain, grades):
    def make(**loss):
        settings = RidgeStageSettings(
            network=RidgeSettings(backbone=plain), crops=CROPS, loss=RidgeLossSettings(**loss)
        )
        torch.manual_seed(0)
        stage = find_system("ridge").stage("ridge")
        network = stage.network(settings, StageInputs(grades))
        return stage.make_task(network.train(), settings, StageInputs(grades))

    return make


@pytest.fixture
def solve(make_task, make_data, train):
    """Solve a task by Lightning; returns it and what its only epoch logged."""

    def run(batch_size=5, workers=0, options=None, **loss):
        task = make_task(**loss)
        data = make_data(24, batch_size=batch_size, crops=CROPS, workers=workers, split=SPLIT)
        data.train_on_tiles = True
        (curve,) = train(task, data, 1, **(options or {}))
        return task, curve

    return run


def features_of(task, data, subset):
    (batch,) = list(data.tiled(subset))
    features = task.network.features(make_crops(batch, CROPS.size, None))
    return features.double().numpy(), batch.unit_mos.double().numpy()


def test_an_epoch_leaves_the_solution_of_the_training_images_tiles(solve, make_data):
    task, _ = solve(alphas=(0.02,))
    data = make_data(24, batch_size=24, crops=CROPS, split=SPLIT)
    x, mos = features_of(task, data, "train")
    assert len(mos) == 12  # also of the batch that random crops would drop
    centre = x.mean(0)
    scale = np.maximum(x.std(0), LEAST_VARIATION * np.abs(centre))
    scale[scale == 0] = 1
    z = (x - centre) / scale
    gram = z.T @ z + z.size * 0.02 * np.eye(z.shape[1])
    weight = np.linalg.inv(gram) @ (z.T @ (mos - mos.mean()))
    network = task.network
    np.testing.assert_allclose(network.score.weight[0].detach(), weight, atol=1e-6)
    assert network.score.bias.item() == pytest.approx(mos.mean(), abs=1e-6)
    np.testing.assert_allclose(network.centre, centre, rtol=1e-5)


def test_the_penalty_is_the_best_on_validation(solve, make_data):
    alphas = (1e-5, 1e-3, 0.1, 10.0)
    data = make_data(24, batch_size=24, crops=CROPS, split=SPLIT)
    for by, better in (("srcc", lambda s, m: -srcc(s, m)), ("rmse", rmse)):
        chosen, curve = solve(alphas=alphas, chosen_by=by)
        found = []
        for alpha in alphas:
            task, _ = solve(alphas=(alpha,))
            x, mos = features_of(task, data, "val")
            scores = task.network.judge(torch.from_numpy(x).float()).detach().double().numpy()
            found.append(better(scores, mos))
        at = alphas.index(pytest.approx(chosen.network.alpha.item()))
        assert found[at] == pytest.approx(min(found), abs=1e-6)
        assert curve["alpha"] == pytest.approx(alphas[at])
    assert len(set(found)) > 1


def test_what_is_logged_is_what_the_solved_network_says(solve, make_data):
    task, curve = solve()
    assert curve.keys() == {
        *("alpha", "train/loss", "val/loss", "val/srcc", "val/plcc", "val/krcc", "val/rmse"),
        *("val/mapped_plcc", "val/mapped_rmse"),
    }
    data = make_data(24, batch_size=24, crops=CROPS, split=SPLIT)
    for subset in ("train", "val"):
        (batch,) = list(data.tiled(subset))
        scores = task.network(make_crops(batch, CROPS.size, None)).unit_score.detach()
        error = (scores - batch.unit_mos).square().mean().item()
        assert curve[f"{subset}/loss"] == pytest.approx(error, rel=1e-4)
    agreement = srcc(scores.double().numpy(), batch.unit_mos.double().numpy())
    assert curve["val/srcc"] == pytest.approx(agreement, abs=1e-6)
    assert agreement > 0.5  # sharpness shows even in random features


@pytest.mark.parametrize(("batch_size", "workers"), [(2, 0), (7, 0), (24, 0), (5, 2)])
def test_batches_and_workers_change_no_score(solve, make_data, batch_size, workers):
    data = make_data(24, batch_size=24, crops=CROPS, split=SPLIT)
    (batch,) = list(data.tiled("val"))
    crops = make_crops(batch, CROPS.size, None)
    expected, found = (
        task.network(crops).unit_score for task, _ in (solve(), solve(batch_size, workers))
    )
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_again_is_the_same_to_the_last_bit_and_precision_does_not_matter(solve):
    states = [
        copy.deepcopy(task.network.state_dict())
        for task, _ in (solve(), solve(), solve(options={"precision": "bf16-mixed"}))
    ]
    for other in states[1:]:
        assert all(torch.equal(other[name], tensor) for name, tensor in states[0].items())


def test_a_second_solution_knows_nothing_of_the_first(solve, make_data, make_task, train):
    other = (tuple(range(12)), tuple(range(12, 24)))
    data = make_data(24, batch_size=5, crops=CROPS, split=other)
    data.train_on_tiles = True
    again, afresh = solve()[0], make_task()
    for task in (again, afresh):
        train(task, data, 1)
    found = again.network.state_dict()
    assert all(torch.equal(found[k], v) for k, v in afresh.network.state_dict().items())
