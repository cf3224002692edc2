import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from torch.autograd import gradcheck

from hmtnet.losses import pairwise_ranking, plcc_loss

both = pytest.mark.parametrize("loss", [pairwise_ranking, plcc_loss])
MOS = torch.tensor([0.1, 0.4, 0.4, 0.9], dtype=torch.float64)
SCORE = torch.tensor([0.3, 0.2, 0.6, 0.7], dtype=torch.float64)


def random_pair(count=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, count, generator=generator, dtype=torch.float64)


def test_ranking_by_hand():
    # Pairs (better, worse): margin, lead → shortfall.
    # (1,0) .3,-.1 → .4   (2,0) .3,.3 → 0   (3,0) .8,.4 → .4   (3,1) .5,.5 → 0   (3,2) .5,.1 → .4
    assert pairwise_ranking(SCORE, MOS).item() == pytest.approx(1.2 / 5, abs=1e-12)
    # Half the margin: .15+.1 = .25, 0, 0 (.4 - .4), 0, .25 - .1 = .15
    assert pairwise_ranking(SCORE, MOS, scale=0.5).item() == pytest.approx(0.4 / 5, abs=1e-12)
    # No margin: only the pair in the wrong order.
    assert pairwise_ranking(SCORE, MOS, scale=0).item() == pytest.approx(0.1 / 5, abs=1e-12)


def test_perfect_scores_have_no_ranking_loss():
    assert pairwise_ranking(MOS, MOS).item() == 0
    assert pairwise_ranking(MOS + 3, MOS).item() == pytest.approx(0, abs=1e-12)
    assert pairwise_ranking(-MOS, MOS).item() > 0.5


def test_a_tie_carries_no_loss():
    tied = torch.tensor([0.5, 0.5, 0.5])
    score = torch.tensor([0.0, 0.7, 1.0], requires_grad=True)
    loss = pairwise_ranking(score, tied)
    loss.backward()
    assert loss.item() == 0 and torch.equal(score.grad, torch.zeros(3))


def test_plcc_loss_equals_scipy():
    for seed in range(3):
        score, mos = random_pair(seed=seed)
        expected = (1 - stats.pearsonr(score, mos)[0]) / 2
        assert plcc_loss(score, mos).item() == pytest.approx(expected, abs=1e-12)
    assert plcc_loss(SCORE.float(), MOS.float()).item() == pytest.approx(
        (1 - stats.pearsonr(SCORE, MOS)[0]) / 2, abs=1e-6
    )


@given(
    slope=st.floats(0.1, 100), offset=st.floats(-10, 10), sign=st.sampled_from([1, -1]),
    seed=st.integers(0, 20),
)  # fmt: skip
def test_plcc_loss_of_a_line(slope, offset, sign, seed):
    score, mos = random_pair(seed=seed)
    assume(score.std() > 0.05)
    found = plcc_loss(sign * slope * score + offset, mos)
    expected = plcc_loss(score, mos)
    torch.testing.assert_close(found, expected if sign > 0 else 1 - expected)
    line = plcc_loss(sign * slope * mos + offset, mos).item()
    assert line == pytest.approx(0 if sign > 0 else 1, abs=1e-9)


def test_constant_scores_are_driven_apart_in_the_right_direction():
    score = torch.full((4,), 0.5, requires_grad=True)
    loss = plcc_loss(score, MOS.float())
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert torch.isfinite(score.grad).all() and score.grad.abs().max() < 1000
    assert score.grad[0] > score.grad[1] > score.grad[3]
    moved = (score - 1e-3 * score.grad).detach()
    assert plcc_loss(moved, MOS.float()).item() < 1e-6


def test_constant_mos_teaches_nothing():
    score = SCORE.clone().requires_grad_()
    loss = plcc_loss(score, torch.full_like(MOS, 0.3))
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert score.grad.abs().max() < 1e-12


@both
@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_an_attached_zero(loss, count):
    score = torch.rand(count, requires_grad=True)
    found = loss(score, torch.rand(count))
    found.backward()
    assert found.item() == 0 and torch.equal(score.grad, torch.zeros(count))


@both
def test_permutation(loss):
    score, mos = random_pair()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(loss(score[order], mos[order]), loss(score, mos))


@both
def test_gradcheck(loss):
    score, mos = random_pair()
    assert gradcheck(lambda x: loss(x, mos), score.requires_grad_())


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(loss, dtype):
    score, mos = (x.to(dtype) for x in random_pair())
    found = loss(score.requires_grad_(), mos)
    found.backward()
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(loss(score.double(), mos.double()).item(), abs=1e-6)
    assert torch.isfinite(score.grad).all()


@both
def test_broadcasting_is_refused(loss):
    with pytest.raises(ValueError, match=r"one score per image.*found \(4, 1\)"):
        loss(SCORE[:, None], MOS)
    with pytest.raises(ValueError, match=r"unit_mos of shape \(4,\).*found \(4, 1\)"):
        loss(SCORE, MOS[:, None])


def test_negative_scale_is_refused():
    with pytest.raises(ValueError, match="scale >= 0; found -1"):
        pairwise_ranking(SCORE, MOS, scale=-1)
