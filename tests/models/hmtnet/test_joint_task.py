import dataclasses

import pytest
import torch

from hmtnet.models.hmtnet import HMTNet
from hmtnet.models.hmtnet.settings import (
    GradingLossSettings,
    HMTNetSettings,
    JointLossSettings,
    JointStageSettings,
)
from hmtnet.models.hmtnet.task import JointTask
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import make_crops
from hmtnet.models.score_loss import score_terms


@pytest.fixture
def make_task(make_hmtnet, grading_settings, sfen_settings, grades):
    def make(network=None, alpha=0.3, **changes):
        settings = JointStageSettings(
            network=HMTNetSettings(
                grading=grading_settings, sfen=dataclasses.replace(sfen_settings, **changes)
            ),
            loss=JointLossSettings(alpha=alpha),
        )
        return JointTask(network or make_hmtnet(**changes), settings, StageInputs(grades))

    return make


def test_the_loss_is_score_plus_alpha_grade_plus_contrast(make_task, make_batch):
    task = make_task(alpha=0.4).eval()
    batch = make_batch()
    crops = make_crops(batch, 48, "spectral_residual")
    prediction = task.judge(crops, batch)
    terms = task.losses(prediction, batch, crops)
    assert list(terms) == ["score", "relation", "grade", "contrast"]
    alone = task.terms(prediction.grading, batch, crops)
    torch.testing.assert_close(terms["grade"], 0.4 * alone["grade"])
    torch.testing.assert_close(terms["contrast"], alone["contrast"])
    scores = score_terms(prediction.unit_score, batch.unit_mos, task.fit_settings.loss.score)
    assert {k: terms[k].item() for k in scores} == {k: v.item() for k, v in scores.items()}


@pytest.mark.parametrize("dropout", [0.0, 0.25, 1.0])
def test_the_prior_is_hidden_exactly_where_luck_says(make_task, make_batch, dropout):
    task = make_task(prior="concat", prior_dropout=dropout).train()
    task.network.eval()
    batch = make_batch(8)
    crops = make_crops(batch, 48, "spectral_residual")
    found = task.judge(crops, batch)
    hidden = batch.dropout_draw < dropout
    assert hidden.sum() == 8 * dropout
    expected = torch.where(
        hidden, task.network.sfen(crops).unit_score, task.network(crops).unit_score
    )
    torch.testing.assert_close(found.unit_score, expected)
    torch.testing.assert_close(found.log_grades, task.network.grading(crops).log_grades)


def test_without_a_prior_widths_of_embeddings_need_not_agree(
    make_task, make_grading, make_sfen, make_batch
):
    # A bare second stage knows nothing of the first one's embedding.
    network = HMTNet(make_grading(embedding=7), make_sfen(prior="none"))
    task = make_task(network, prior="none", prior_dropout=0.5).train()
    batch = make_batch(8)
    prediction = task.judge(make_crops(batch, 48, "spectral_residual"), batch)
    assert prediction.unit_score.shape == (8,)


def test_defaults_are_those_of_the_separate_stages():
    assert JointLossSettings().grading == GradingLossSettings()
