import numpy as np
import pytest
import scipy.optimize
import scipy.special

from hmtnet.metrics.logistic import _columns, _project, curve, sigmoid


def test_sigmoid_equals_scipy_in_both_tails():
    x = np.array([-1e300, -745.0, -30.0, -1.0, 0.0, 1.0, 30.0, 800.0, 1e300])
    assert sigmoid(x) == pytest.approx(scipy.special.expit(x), rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_the_projection_is_the_best_of_both_directions(seed):
    random = np.random.default_rng(seed)
    z, y = random.normal(size=30), random.normal(size=30)
    columns = _columns(z, float(random.normal()), float(random.uniform(0.2, 3)), 5)
    _, fitted = _project(columns, y)
    design = (columns - columns.mean(axis=1, keepdims=True)).T
    # Rising and falling, each by non-negative least squares.
    best = min(scipy.optimize.nnls(sign * design, y - y.mean())[1] for sign in (1, -1))
    assert np.sqrt(((y - fitted) ** 2).sum()) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("centre", [-40.0, -3.0, 0.0, 0.5, 20.0])
@pytest.mark.parametrize("width", [0.05, 1.0, 30.0])
def test_the_two_functions_rise_and_span_the_curve(centre, width):
    z = np.linspace(-3, 3, 1000)
    columns = _columns(z, centre, width, 5)
    assert (np.diff(columns, axis=1) >= -1e-12 * np.abs(columns).max()).all()
    if abs(centre) < 3 and width == 1.0:
        target = 2 * sigmoid((z - centre) / width) + 0.7 * z - 4
        assert _project(columns, target)[1] == pytest.approx(target, abs=1e-9)


def test_a_far_centre_is_told():
    z = np.linspace(-2, 2, 50)
    found = curve(z, np.exp(z), 4)
    assert found.status == "bounded: its centre lies far outside the scores"
    upper, lower, centre, width = found.parameters
    assert lower + (upper - lower) * sigmoid((z - centre) / width) == pytest.approx(
        np.exp(z), abs=1e-3
    )
