import math
from typing import get_args

import pytest
import torch
from torch.autograd import gradcheck

from hmtnet.losses import GradeLoss, cross_entropy, grade_loss, ordinal, soft

KINDS = get_args(GradeLoss)
every = pytest.mark.parametrize("kind", KINDS)
# Two rows over three grades.
P = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], dtype=torch.float64)
GRADE = torch.tensor([0, 1])


def random_logs(count, grades, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, grades, generator=generator, dtype=torch.float64)
    return logits.log_softmax(dim=1)


def test_cross_entropy_by_hand():
    expected = -(math.log(0.7) + math.log(0.3)) / 2
    assert cross_entropy(P.log(), GRADE).item() == pytest.approx(expected, abs=1e-12)


def test_ordinal_by_hand():
    # Cumulative: .7 .9 | against 1 1;  .1 .4 | against 0 1.
    expected = ((0.3**2 + 0.1**2) / 2 + (0.1**2 + 0.6**2) / 2) / 2
    assert ordinal(P.log(), GRADE).item() == pytest.approx(expected, abs=1e-12)


def test_soft_by_hand():
    # σ = 1: e^0, e^-½, e^-2 from grade 0; e^-½, e^0, e^-½ from grade 1.
    half, two = math.exp(-0.5), math.exp(-2)
    first = (math.log(0.7) + half * math.log(0.2) + two * math.log(0.1)) / (1 + half + two)
    second = (half * math.log(0.1) + math.log(0.3) + half * math.log(0.6)) / (1 + 2 * half)
    assert soft(P.log(), GRADE, 1.0).item() == pytest.approx(-(first + second) / 2, abs=1e-12)


def test_default_sigma_of_soft_is_as_documented():
    logs = torch.full((1, 5), 0.2).log().requires_grad_()
    soft(logs, torch.tensor([2])).backward()
    # The derivative by log p is the target itself, with the other sign.
    expected = torch.tensor([[0.00, 0.11, 0.79, 0.11, 0.00]])
    torch.testing.assert_close(-logs.grad, expected, rtol=0, atol=0.005)


def test_soft_with_a_tiny_sigma_is_cross_entropy():
    logs, grade = random_logs(6, 5), torch.tensor([0, 1, 2, 3, 4, 2])
    torch.testing.assert_close(soft(logs, grade, 0.01), cross_entropy(logs, grade))


@every
def test_the_dispatcher_calls_the_function_of_that_name(kind):
    function = {"cross_entropy": cross_entropy, "ordinal": ordinal, "soft": soft}[kind]
    assert torch.equal(grade_loss(P.log(), GRADE, kind), function(P.log(), GRADE))


def test_sigma_reaches_soft():
    found = grade_loss(P.log(), GRADE, "soft", sigma=1.3)
    assert torch.equal(found, soft(P.log(), GRADE, 1.3))
    assert not torch.isclose(found, soft(P.log(), GRADE))


@every
def test_farther_grades_cost_more_except_by_cross_entropy(kind):
    smeared = 0.96 * torch.eye(5) + 0.01 * (1 - torch.eye(5))
    losses = [grade_loss(smeared[[k]].log(), torch.tensor([0]), kind).item() for k in range(5)]
    assert losses[0] < losses[1]
    if kind == "ordinal":
        assert losses == sorted(losses) and losses[4] > 3.5 * losses[1]
    elif kind == "cross_entropy":
        assert losses[1] == pytest.approx(losses[4])
    else:
        assert losses[1] < losses[2]


def test_ordinal_is_between_0_and_1_for_any_number_of_grades():
    for grades in (2, 3, 5, 7):
        best = torch.eye(grades).log()
        assert ordinal(best, torch.arange(grades)).item() == 0
        assert ordinal(best[[-1]], torch.tensor([0])).item() == 1
        assert ordinal(best[[0]], torch.tensor([grades - 1])).item() == 1


def test_perfect_predictions_give_the_least_loss():
    grade = torch.arange(5)
    sure = (torch.eye(5, dtype=torch.float64) + 1e-12).log()
    steps = (torch.arange(5)[:, None] - torch.arange(5)).double()
    target = (-steps.square() / (2 * 0.5**2)).log_softmax(dim=1)
    best = {"cross_entropy": sure, "ordinal": sure, "soft": target}
    for kind in KINDS:
        least = grade_loss(best[kind], grade, kind)
        for seed in range(5):
            assert grade_loss(random_logs(5, 5, seed), grade, kind) > least
    entropy = -(target.exp() * target).sum(dim=1).mean()
    torch.testing.assert_close(grade_loss(target, grade, "soft"), entropy)


@every
def test_mean_of_crops_enters_as_documented(kind):
    """Log of the mean of probabilities, by logsumexp, is what an image's loss is taken on."""
    crops = random_logs(4, 5)
    image = crops.logsumexp(dim=0, keepdim=True) - math.log(4)
    expected = grade_loss(crops.exp().mean(dim=0, keepdim=True).log(), torch.tensor([3]), kind)
    torch.testing.assert_close(grade_loss(image, torch.tensor([3]), kind), expected)


@every
def test_permutation(kind):
    logs, grade = random_logs(6, 5), torch.tensor([0, 1, 2, 3, 4, 2])
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    torch.testing.assert_close(
        grade_loss(logs[order], grade[order], kind), grade_loss(logs, grade, kind)
    )


@every
def test_gradcheck(kind):
    logits = random_logs(4, 5).requires_grad_()
    grade = torch.tensor([0, 4, 2, 1])
    assert gradcheck(lambda x: grade_loss(x.log_softmax(dim=1), grade, kind), logits)


@every
def test_half_precision_and_no_rows(kind):
    for dtype in (torch.float16, torch.bfloat16):
        logs = random_logs(4, 5).to(dtype).requires_grad_()
        loss = grade_loss(logs, torch.tensor([0, 4, 2, 1]), kind)
        loss.backward()
        assert loss.dtype == torch.float32 and torch.isfinite(loss)
        assert torch.isfinite(logs.grad).all()
    none = torch.zeros(0, 5, requires_grad=True)
    loss = grade_loss(none, torch.zeros(0, dtype=torch.long), kind)
    loss.backward()
    assert loss.item() == 0


@every
def test_bad_input(kind):
    with pytest.raises(ValueError, match=r"grade of shape \(2,\).*found \(3,\)"):
        grade_loss(P.log(), torch.tensor([0, 1, 2]), kind)
    with pytest.raises(ValueError, match=r"at least two grades; found \(2, 1\)"):
        grade_loss(torch.zeros(2, 1), GRADE, kind)
    with pytest.raises(ValueError, match=r"integer grades.*torch.float32"):
        grade_loss(P.log(), GRADE.float(), kind)


def test_unknown_kind_and_sigma():
    with pytest.raises(ValueError, match="cross_entropy, ordinal or soft; found 'emd'"):
        grade_loss(P.log(), GRADE, "emd")
    with pytest.raises(ValueError, match="sigma > 0 grades; found 0"):
        grade_loss(P.log(), GRADE, "soft", sigma=0.0)
