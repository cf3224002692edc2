import dataclasses

import pytest
import torch

from hmtnet.models.hmtnet.settings import SFENStageSettings
from hmtnet.models.hmtnet.task import SFENTask, kept_priors
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import make_crops


@pytest.fixture
def make_task(make_hmtnet, make_sfen, sfen_settings, grades):
    def make(bare=False, **changes):
        network = make_sfen(**changes) if bare else make_hmtnet(frozen=True, **changes)
        settings = SFENStageSettings(network=dataclasses.replace(sfen_settings, **changes))
        return SFENTask(network, settings, StageInputs(grades))

    return make


@pytest.mark.parametrize("dropout", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("prior", ["mixture", "concat"])
def test_in_training_the_prior_is_hidden_exactly_where_luck_says(
    make_task, make_batch, prior, dropout
):
    task = make_task(prior=prior, prior_dropout=dropout).train()
    task.network.eval()  # so that batch norms do not mix the images
    batch = make_batch(8, crops=2)
    crops = make_crops(batch, 48, "spectral_residual")
    found = task.judge(crops, batch).unit_score
    informed = task.network(crops).unit_score
    uninformed = task.network.sfen(crops, None).unit_score
    hidden = batch.dropout_draw < dropout
    assert hidden.sum() == 8 * dropout
    torch.testing.assert_close(found, torch.where(hidden, uninformed, informed))
    assert (informed - uninformed).abs().min() > 1e-5


def test_outside_training_every_prior_is_shown(make_task, make_batch):
    task = make_task(prior_dropout=1.0).eval()
    batch = make_batch(4)
    crops = make_crops(batch, 48, "spectral_residual")
    torch.testing.assert_close(task.judge(crops, batch).unit_score, task.network(crops).unit_score)


def test_a_bare_network_has_no_prior_to_hide(make_task, make_batch):
    task = make_task(bare=True, prior="none", prior_dropout=0.5).train()
    batch = make_batch(4)
    prediction = task.judge(make_crops(batch, 48, "spectral_residual"), batch)
    assert prediction.unit_score.shape == (4,) and prediction.log_grades is None


def test_kept_priors(sfen_settings, make_batch):
    batch = make_batch(4)  # dropout_draw 0, ¼, ½, ¾
    quarter = dataclasses.replace(sfen_settings, prior_dropout=0.25)
    assert kept_priors(batch, quarter, True).tolist() == [False, True, True, True]
    assert kept_priors(batch, quarter, False) is None
    for nothing in ({"prior": "none"}, {"prior_dropout": 0.0}):
        assert kept_priors(batch, dataclasses.replace(quarter, **nothing), True) is None
