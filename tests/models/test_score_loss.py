import pytest
import torch
import torch.nn.functional as F

from hmtnet.losses import pairwise_ranking, plcc_loss
from hmtnet.models.score_loss import ScoreLossSettings, score_terms

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
