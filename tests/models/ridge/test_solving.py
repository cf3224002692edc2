import numpy as np
import pytest
import scipy.linalg

from hmtnet.metrics import rmse, srcc
from hmtnet.models.ridge.solving import LEAST_VARIATION, Solution, choose, solve


def problem(images, features, seed=0):
    """Make correlated features of very different size, and a MOS that follows some of them."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(images, 5))
    mixed = hidden @ rng.normal(size=(5, features)) + 0.3 * rng.normal(size=(images, features))
    found = mixed * 10.0 ** rng.uniform(-2, 2, features) + rng.normal(size=features)
    mos = 1 / (1 + np.exp(-hidden[:, 0] - 0.3 * rng.normal(size=images)))
    return found, mos


def standardised(features):
    centre = features.mean(0)
    scale = np.maximum(features.std(0), LEAST_VARIATION * np.abs(centre))
    return (features - centre) / scale


@pytest.mark.parametrize(("images", "features"), [(60, 7), (12, 40), (20, 20)])
@pytest.mark.parametrize("alpha", [1e-4, 0.01, 1.0])
def test_it_is_the_solution_of_the_normal_equations(images, features, alpha):
    x, mos = problem(images, features)
    (solution,) = solve(x, mos, [alpha])
    z = standardised(x)
    by_hand = np.linalg.inv(z.T @ z + images * features * alpha * np.eye(features)) @ (
        z.T @ (mos - mos.mean())
    )
    np.testing.assert_allclose(solution.weight, by_hand, atol=1e-6)
    np.testing.assert_allclose(solution.score(x), z @ by_hand + mos.mean(), atol=1e-6)
    # The sum of squares of standardised features is N F: alpha means the same for any of both.
    assert (z**2).sum() == pytest.approx(images * features)


@pytest.mark.parametrize(("images", "features"), [(60, 7), (12, 40)])
def test_without_a_penalty_it_is_least_squares(images, features):
    x, mos = problem(images, features)
    (solution,) = solve(x, mos, [1e-13])
    # Centred, 12 images span 11 dimensions: the cut-off keeps the twelfth, which is rounding, out.
    expected = scipy.linalg.lstsq(standardised(x), mos - mos.mean(), cond=1e-9)[0]
    np.testing.assert_allclose(solution.weight, expected, atol=1e-6)


def test_a_heavy_penalty_leaves_the_mean():
    x, mos = problem(30, 6)
    (solution,) = solve(x, mos, [1e9])
    np.testing.assert_allclose(solution.score(x), mos.mean(), atol=1e-6)


def test_a_heavier_penalty_fits_less_and_is_shorter():
    x, mos = problem(30, 12)
    path = solve(x, mos, [1e-4, 1e-2, 1.0])
    errors = [rmse(solution.score(x), mos) for solution in path]
    lengths = [np.linalg.norm(solution.weight) for solution in path]
    assert errors == sorted(errors) and lengths == sorted(lengths, reverse=True)
    assert [solution.alpha for solution in path] == [1e-4, 1e-2, 1.0]


def test_the_unit_of_a_feature_does_not_matter():
    x, mos = problem(30, 6)
    (ours,), (theirs,) = solve(x, mos, [0.01]), solve(1000 * x, mos, [0.01])
    np.testing.assert_allclose(ours.score(x), theirs.score(1000 * x), atol=1e-9)


def test_a_channel_that_never_fires_says_nothing():
    x, mos = problem(30, 6)
    dead = np.concatenate([x, np.zeros((30, 2))], 1)
    (solution,) = solve(dead, mos, [0.01])
    assert (solution.weight[6:] == 0).all() and (solution.scale[6:] == 1).all()
    assert np.isfinite(solution.weight).all()


def test_rounding_is_not_taken_for_content():
    x, mos = problem(30, 6)
    noise = 5 + 1e-7 * np.random.default_rng(0).normal(size=(30, 1))
    (solution,) = solve(np.concatenate([x, noise], 1), mos, [0.01])
    assert solution.scale[6] == pytest.approx(5 * LEAST_VARIATION)
    # A thousand times that noise moves a score by nothing to speak of.
    assert abs(solution.weight[6] / solution.scale[6] * 1e-4) < 1e-5


def constant(weight, bias, alpha):
    return Solution(np.zeros(1), np.ones(1), np.array([weight]), bias, alpha)


X = np.array([[0.0], [0.5], [1.0]])
MOS = np.array([0.1, 0.5, 0.9])


@pytest.mark.parametrize("by", ["srcc", "rmse"])
def test_validation_chooses(by):
    # The first ranks rightly and is far off; the second ranks wrongly and is near.
    solutions = [constant(0.1, 5.0, 1.0), constant(-0.1, 0.5, 2.0)]
    chosen = choose(solutions, X, MOS, by)
    assert chosen is {"srcc": solutions[0], "rmse": solutions[1]}[by]
    agreement, error = srcc(chosen.score(X), MOS), rmse(chosen.score(X), MOS)
    assert (agreement == 1) == (by == "srcc") and (error < 1) == (by == "rmse")


def test_equally_good_ones_are_told_apart_by_the_error_then_by_the_penalty():
    far, near = constant(0.8, 0.4, 1.0), constant(0.8, 0.1, 2.0)
    assert choose([far, near], X, MOS, "srcc") is near
    light, heavy = constant(0.8, 0.1, 1.0), constant(0.8, 0.1, 2.0)
    assert choose([light, heavy], X, MOS, "srcc") is heavy
    assert choose([heavy, light], X, MOS, "rmse") is heavy


def test_where_nothing_can_be_ranked_the_error_decides():
    far, near = constant(0.8, 3.0, 1.0), constant(0.8, 0.1, 2.0)
    assert choose([far, near], X, np.full(3, 0.5), "srcc") is near
    assert choose([far, near], X[:1], MOS[:1], "srcc") is near
