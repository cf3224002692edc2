import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.data.grades import Grades
from hmtnet.models.hmtnet.guidance import Concat, Film, Mixture, Unguided, guidance

GRADES = Grades((0.15, 0.4, 0.6, 0.85))
M, H = torch.tensor(GRADES.midpoints).float(), torch.tensor(GRADES.halfwidths).float()
MARGIN = 0.05


def mixture(seed=0):
    """A mixture that has learned something of positions; untrained, all are in the middle."""
    torch.manual_seed(seed)
    head = Mixture(8, GRADES, MARGIN)
    torch.nn.init.normal_(head.position.weight)
    return head


def inputs(seed=0):
    torch.manual_seed(seed)
    return torch.randn(6, 8), torch.randn(6, 5).log_softmax(1), torch.randn(6, 4)


def test_the_mixture_starts_from_the_prior_itself():
    z, logs, embedding = inputs()
    fresh = Mixture(8, GRADES, MARGIN)
    torch.testing.assert_close(fresh(z, logs, embedding), (logs.exp() * M).sum(1))
    head = mixture()
    expected = (logs.exp() * (M + (H + MARGIN) * head.position(z).tanh())).sum(1)
    torch.testing.assert_close(head(z, logs, embedding), expected)
    assert not torch.allclose(expected, (logs.exp() * M).sum(1))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), grade=st.integers(0, 4), size=st.floats(0, 1e3))
def test_a_certain_prior_keeps_the_score_in_its_grade_and_margin(seed, grade, size):
    z = inputs(seed)[0] * size
    logs = torch.full((6, 5), 1e-8).log()
    logs[:, grade] = 0
    score = mixture(seed)(z, logs, torch.zeros(6, 4))
    reach = H[grade] + MARGIN + 1e-6
    assert ((score - M[grade]).abs() <= reach).all()


def test_features_can_overrule_a_wrong_prior():
    head = mixture()
    z, _, embedding = inputs()
    logs = torch.full((6, 5), 1e-8).log()
    logs[:, 0] = 0
    before = head(z, logs, embedding)
    with torch.no_grad():
        head.update.bias.copy_(torch.tensor([-30.0, 0, 0, 0, 30]))
    after = head(z, logs, embedding)
    assert (before < 0.3).all() and (after > 0.75).all()


def test_the_mixture_reaches_the_whole_range_of_scores():
    head = mixture()
    ends = []
    for grade, sign in ((0, -1), (4, 1)):
        logs = torch.full((1, 5), 1e-8).log()
        logs[:, grade] = 0
        with torch.no_grad():
            head.position.bias.fill_(sign * 50.0)
        ends.append(head(torch.zeros(1, 8), logs, torch.zeros(1, 4)).item())
    assert ends == pytest.approx([-MARGIN, 1 + MARGIN], abs=1e-5)


def test_a_prior_that_says_nothing_leaves_the_grade_to_the_features():
    head = mixture()
    torch.nn.init.normal_(head.update.weight)
    z, _, embedding = inputs()
    uniform = torch.full((6, 5), -math.log(5))
    inside = M + (H + MARGIN) * head.position(z).tanh()
    expected = (head.update(z).softmax(1) * inside).sum(1)
    torch.testing.assert_close(head(z, uniform, embedding), expected)


def test_film_starts_without_the_prior_and_learns_it():
    torch.manual_seed(0)
    head = Film(8, 5, 4)
    z, logs, embedding = inputs()
    first = head(z, logs, embedding)
    torch.testing.assert_close(first, head.score(z.relu()))
    first.sum().backward()
    assert head.scale_shift.weight.grad.any()
    torch.nn.init.normal_(head.scale_shift.weight)
    assert not torch.allclose(head(z, logs, embedding), head(z, logs, -embedding))
    assert not torch.allclose(head(z, logs, embedding), head(z, logs.flip(1), embedding))


def test_concat_sees_features_grades_and_embedding():
    torch.manual_seed(0)
    head = Concat(8, 5, 4)
    z, logs, embedding = inputs()
    first = head(z, logs, embedding)
    for changed in ((-z, logs, embedding), (z, logs.flip(1), embedding), (z, logs, -embedding)):
        assert not torch.allclose(first, head(*changed))


def test_the_unguided_head_sees_features_alone():
    head = Unguided(8)
    z, logs, embedding = inputs()
    assert torch.equal(head(z, logs, embedding), head(z, logs.flip(1), -embedding))
    assert not torch.equal(head(z, logs, embedding), head(-z, logs, embedding))


@pytest.mark.parametrize(
    ("use", "kind"), [("mixture", Mixture), ("film", Film), ("concat", Concat), ("none", Unguided)]
)
def test_every_use_has_its_head_and_starts_amid_the_scale(use, kind):
    torch.manual_seed(0)
    head = guidance(use, 8, GRADES, 4, MARGIN)
    assert type(head) is kind
    z, _, embedding = inputs()
    score = head(0 * z, torch.full((6, 5), -math.log(5)), 0 * embedding)
    assert score.shape == (6,) and (score - 0.5).abs().max() < 0.2
