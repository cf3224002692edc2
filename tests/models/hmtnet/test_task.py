import dataclasses

import pytest
import torch

from hmtnet.models.grading.settings import GradingLossSettings
from hmtnet.models.grading.task import GradeTerms
from hmtnet.models.hmtnet import HMTNet
from hmtnet.models.hmtnet.settings import HMTNetSettings, JointLossSettings, JointStageSettings
from hmtnet.models.hmtnet.task import JointTask
from hmtnet.models.quality import look
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
        terms = GradeTerms(settings.loss.grading, grades, torch.zeros(8, dtype=torch.long))
        return JointTask(network or make_hmtnet(**changes), settings, terms)

    return make


def test_the_loss_is_score_plus_alpha_grade_plus_contrast(make_task, make_batch):
    task = make_task(alpha=0.4).eval()
    batch = make_batch()
    crops = look(batch, 48, "spectral_residual")
    opinion = task.judge(crops, batch)
    terms = task.losses(opinion, batch, crops)
    assert list(terms) == ["score", "relation", "grade", "contrast"]
    alone = task.terms(opinion.grading, batch, crops)
    torch.testing.assert_close(terms["grade"], 0.4 * alone["grade"])
    torch.testing.assert_close(terms["contrast"], alone["contrast"])
    scores = score_terms(opinion.score, batch.mos, task.fit_settings.loss.score)
    assert {k: terms[k].item() for k in scores} == {k: v.item() for k, v in scores.items()}


@pytest.mark.parametrize("dropout", [0.0, 0.25, 1.0])
def test_the_prior_is_hidden_exactly_where_luck_says(make_task, make_batch, dropout):
    task = make_task(prior="concat", prior_dropout=dropout).train()
    task.network.eval()
    batch = make_batch(8)
    crops = look(batch, 48, "spectral_residual")
    found = task.judge(crops, batch)
    hidden = batch.luck < dropout
    assert hidden.sum() == 8 * dropout
    expected = torch.where(hidden, task.network.sfen(crops).score, task.network(crops).score)
    torch.testing.assert_close(found.score, expected)
    torch.testing.assert_close(found.log_grades, task.network.grading(crops).log_grades)


def test_without_a_prior_widths_of_embeddings_need_not_agree(
    make_task, make_grading, make_sfen, make_batch
):
    # A bare second stage knows nothing of the first one's embedding.
    network = HMTNet(make_grading(embedding=7), make_sfen(prior="none"))
    task = make_task(network, prior="none", prior_dropout=0.5).train()
    batch = make_batch(8)
    opinion = task.judge(look(batch, 48, "spectral_residual"), batch)
    assert opinion.score.shape == (8,)


def test_defaults_are_those_of_the_separate_stages():
    assert JointLossSettings().grading == GradingLossSettings()
