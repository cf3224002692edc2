import dataclasses

import pytest
import torch
import torch.nn.functional as F

from hmtnet.losses import pairwise_ranking, plcc_loss
from hmtnet.models.quality import look
from hmtnet.models.sfen.settings import ScoreLossSettings, SFENStageSettings
from hmtnet.models.sfen.task import SFENTask, kept_priors, score_terms

SCORE = torch.tensor([0.1, 0.5, 0.2, 0.9])
MOS = torch.tensor([0.0, 0.6, 0.3, 0.85])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("l1", (0.1 + 0.1 + 0.1 + 0.05) / 4),
        ("mse", (0.01 + 0.01 + 0.01 + 0.0025) / 4),
        # Quadratic below a tenth: 0.05² / 0.2; at and beyond it |d| - 0.05.
        ("smooth_l1", (0.05 + 0.05 + 0.05 + 0.0125) / 4),
    ],
)
def test_distances(kind, expected):
    terms = score_terms(SCORE, MOS, ScoreLossSettings(score=kind, relation="none"))
    assert list(terms) == ["score"] and terms["score"].item() == pytest.approx(expected)


@pytest.mark.parametrize(("kind", "loss"), [("ranking", pairwise_ranking), ("plcc", plcc_loss)])
def test_relations_carry_their_weight(kind, loss):
    settings = ScoreLossSettings(relation=kind, relation_weight=0.25)
    terms = score_terms(SCORE, MOS, settings)
    torch.testing.assert_close(terms["relation"], 0.25 * loss(SCORE, MOS))
    torch.testing.assert_close(terms["score"], F.l1_loss(SCORE, MOS))


@pytest.fixture
def make_task(make_hmtnet, make_sfen, sfen_settings, grades):
    def make(bare=False, **changes):
        network = make_sfen(**changes) if bare else make_hmtnet(frozen=True, **changes)
        settings = SFENStageSettings(network=dataclasses.replace(sfen_settings, **changes))
        return SFENTask(network, settings, grades)

    return make


@pytest.mark.parametrize("dropout", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("prior", ["mixture", "concat"])
def test_in_training_the_prior_is_hidden_exactly_where_luck_says(
    make_task, make_batch, prior, dropout
):
    task = make_task(prior=prior, prior_dropout=dropout).train()
    task.network.eval()  # so that batch norms do not mix the images
    batch = make_batch(8, crops=2)
    crops = look(batch, 48, "spectral_residual")
    found = task.judge(crops, batch).score
    informed = task.network(crops).score
    uninformed = task.network.sfen(crops, None).score
    hidden = batch.luck < dropout
    assert hidden.sum() == 8 * dropout
    torch.testing.assert_close(found, torch.where(hidden, uninformed, informed))
    assert (informed - uninformed).abs().min() > 1e-5


def test_outside_training_every_prior_is_shown(make_task, make_batch):
    task = make_task(prior_dropout=1.0).eval()
    batch = make_batch(4)
    crops = look(batch, 48, "spectral_residual")
    torch.testing.assert_close(task.judge(crops, batch).score, task.network(crops).score)


def test_a_bare_network_has_no_prior_to_hide(make_task, make_batch):
    task = make_task(bare=True, prior="none", prior_dropout=0.5).train()
    batch = make_batch(4)
    opinion = task.judge(look(batch, 48, "spectral_residual"), batch)
    assert opinion.score.shape == (4,) and opinion.log_grades is None


def test_kept_priors(sfen_settings, make_batch):
    batch = make_batch(4)  # luck 0, ¼, ½, ¾
    quarter = dataclasses.replace(sfen_settings, prior_dropout=0.25)
    assert kept_priors(batch, quarter, True).tolist() == [False, True, True, True]
    assert kept_priors(batch, quarter, False) is None
    for nothing in ({"prior": "none"}, {"prior_dropout": 0.0}):
        assert kept_priors(batch, dataclasses.replace(quarter, **nothing), True) is None
