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


@pytest.mark.parametrize(("kind", "loss"), [("ranking", pairwise_ranking), ("plcc", plcc_loss)])
def test_images_of_two_datasets_are_not_compared(kind, loss):
    settings = ScoreLossSettings(relation=kind, relation_weight=1.0)
    score = torch.rand(7, generator=torch.manual_seed(0), requires_grad=True)
    mos = torch.rand(7)
    datasets = torch.tensor([2, 0, 2, 0, 2, 1, 0])
    terms = score_terms(score, mos, settings, datasets=datasets)
    rows = [torch.tensor(r) for r in ([0, 2, 4], [1, 3, 6])]  # the image that is alone says nothing
    expected = sum(loss(score[r], mos[r]) for r in rows) / 2
    torch.testing.assert_close(terms["relation"], expected)
    terms["relation"].backward()
    assert score.grad[5] == 0 and (score.grad[rows[0]] != 0).any()
    # So a dataset's unit may be another one.
    moved = score.detach() + datasets
    again = score_terms(moved, mos, settings, datasets=datasets)["relation"]
    torch.testing.assert_close(again, expected.detach())
    lone = score_terms(score[:2], mos[:2], settings, datasets=datasets[:2])["relation"]
    assert lone == 0 and lone.requires_grad


def test_of_one_dataset_the_relation_is_as_ever():
    found = score_terms(SCORE, MOS, ScoreLossSettings(), datasets=torch.ones(4).long())
    torch.testing.assert_close(
        found["relation"], score_terms(SCORE, MOS, ScoreLossSettings())["relation"]
    )
