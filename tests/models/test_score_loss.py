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


@pytest.mark.parametrize("score", ["l1", "smooth_l1", "mse"])
def test_weights_multiply_each_image_s_distance_and_leave_the_relation(score):
    settings = ScoreLossSettings(score=score)
    found, mos = torch.tensor([0.1, 0.6, 0.9]), torch.tensor([0.4, 0.5, 0.9])
    plain = score_terms(found, mos, settings)
    apart = [score_terms(found[i : i + 1], mos[i : i + 1], settings)["score"] for i in range(3)]
    weighted = score_terms(found, mos, settings, torch.tensor([2.0, 0.5, 1.0]))
    torch.testing.assert_close(weighted["score"], (2 * apart[0] + 0.5 * apart[1] + apart[2]) / 3)
    assert torch.equal(weighted["relation"], plain["relation"])
    same = score_terms(found, mos, settings, torch.ones(3))["score"]
    torch.testing.assert_close(same, plain["score"])
