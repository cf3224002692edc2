import math
import warnings
from functools import partial

import numpy as np
import pytest
import scipy.optimize
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.metrics import MetricError, fit_mapping, mapped_plcc, mapped_rmse, plcc, rmse

FOUR = (4.5, 1.2, 4.0, 1.3)
FIVE = (3.0, 0.8, 4.0, 0.2, 1.0)


def logistic4(s, b1, b2, b3, b4):
    return b2 + (b1 - b2) / (1 + np.exp(-(s - b3) / abs(b4)))


def logistic5(s, b1, b2, b3, b4, b5):
    return b1 * (0.5 - 1 / (1 + np.exp(b2 * (s - b3)))) + b4 * s + b5


def scores(n=200, seed=0):
    return np.random.default_rng(seed).uniform(0, 10, n)


def noisy(n=200, seed=0):
    s = scores(n, seed)
    return s, logistic4(s, *FOUR) + 0.3 * np.random.default_rng(seed + 1).normal(size=n)


@pytest.mark.parametrize(
    "true",
    [
        FOUR,
        (1.2, 4.5, 4.0, 1.3),  # falls
        (90.0, -20.0, 9.0, 0.4),  # steep, near an end
        (5.0, 0.0, 5.0, 4.0),  # almost a line
    ],
)
def test_recovers_four_parameters(true):
    s = scores()
    mapping = fit_mapping(s, logistic4(s, *true))
    assert (mapping.form, mapping.status) == ("logistic4", "converged")
    assert mapping.direction == (1 if true[0] > true[1] else -1)
    assert mapping([2.5, 7.0]) == pytest.approx(logistic4(np.array([2.5, 7.0]), *true), abs=1e-9)


@pytest.mark.parametrize(
    "true",
    [
        FIVE,
        (-3.0, 0.8, 4.0, 1.0, 1.0),  # flat in the middle, steep at the ends, still rising
        (4.0, 1.5, 5.0, -0.01, 2.0),  # a line falls against the logistic
        (-3.0, 0.8, 4.0, -0.2, 9.0),  # falls
    ],
)
def test_recovers_five_parameters(true):
    s = scores() if true[3] != -0.01 else 3.5 + 0.3 * scores()  # where the sum does not turn around
    mapping = fit_mapping(s, logistic5(s, *true), 5)
    assert (mapping.form, mapping.status) == ("logistic5", "converged")
    assert mapping.direction == (-1 if true[3] == -0.2 else 1)
    assert mapping(s) == pytest.approx(logistic5(s, *true), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("parameters", "form"), [(4, logistic4), (5, logistic5)])
def test_no_worse_than_scipy_started_at_the_truth(seed, parameters, form):
    s, mos = noisy(seed=seed)
    start = FOUR if parameters == 4 else (3.3, 1 / 1.3, 4.0, 0.01, 2.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _ = scipy.optimize.curve_fit(form, s, mos, start, maxfev=20_000)
    ours = fit_mapping(s, mos, parameters)
    by_theirs = form(s, *theirs)
    # SciPy's five parameters need not be monotone: ours may then be worse.
    if (np.diff(by_theirs[np.argsort(s)]) >= 0).all():
        assert rmse(ours(s), mos) <= rmse(by_theirs, mos) * (1 + 1e-7)


@pytest.mark.parametrize("parameters", [4, 5])
def test_a_relation_that_turns_around_is_mapped_monotonely(parameters):
    s = np.linspace(-3, 4, 300)
    mos = np.sin(s) + 0.1 * s
    mapping = fit_mapping(s, mos, parameters)
    assert (np.diff(mapping(s)) * mapping.direction >= 0).all()
    assert rmse(mapping(s), mos) < mos.std()
    if parameters == 5:  # the constraint binds: the free fit turns around and is better
        free = scipy.optimize.curve_fit(logistic5, s, mos, (8, 1, 0.5, -1, 0), maxfev=20_000)[0]
        assert np.ptp(np.sign(np.diff(logistic5(s, *free)))) == 2
        assert rmse(logistic5(s, *free), mos) < rmse(mapping(s), mos)


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize("noise", [0.01, 0.3, 3.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_mapping_never_lowers_plcc(parameters, noise, sign):
    for seed in range(4):
        random = np.random.default_rng(seed)
        mos = random.normal(size=60)
        score = sign * (np.sign(mos) * np.abs(mos) ** 2 + noise * random.normal(size=60))
        value, _ = mapped_plcc(score, mos, parameters)
        assert abs(plcc(score, mos)) - 1e-6 <= value <= 1


def test_five_parameters_fit_no_worse_than_a_line_and_curves_better():
    s, mos = noisy()
    line = np.polyval(np.polyfit(s, mos, 1), s)
    assert mapped_rmse(s, mos, 4).value < rmse(line, mos)
    assert mapped_rmse(s, mos, 5).value < rmse(line, mos)


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize(
    ("factor", "offset"), [(1e-9, 0), (1e9, -5e9), (-3, 1e6), (1e30, 0), (-1e-30, 0)]
)
def test_units_and_origins_do_not_matter(parameters, factor, offset):
    s, mos = noisy(80)
    expected = mapped_plcc(s, mos, parameters)
    assert expected.status == "converged"
    scaled = mapped_plcc(factor * s + offset, mos, parameters)
    assert scaled.value == pytest.approx(expected.value, abs=1e-6)
    assert scaled.status == expected.status
    other = factor * mos + offset
    assert mapped_plcc(s, other, parameters).value == pytest.approx(expected.value, abs=1e-6)
    error = mapped_rmse(s, mos, parameters).value
    assert mapped_rmse(s, other, parameters).value == pytest.approx(abs(factor) * error, rel=1e-5)


@pytest.mark.parametrize("parameters", [4, 5])
@pytest.mark.parametrize("outlier", [1e3, -1e8, 1e30, -3e38])
def test_an_outlier_does_not_take_the_curve_away_from_the_others(parameters, outlier):
    s, mos = noisy(100)
    expected = fit_mapping(s, mos, parameters)(s)
    far, mos = np.append(s, outlier), np.append(mos, FOUR[0 if outlier > 0 else 1])
    mapping = fit_mapping(far, mos, parameters)
    assert mapping.status == "converged"
    assert mapping(s) == pytest.approx(expected, abs=0.05)
    assert np.isfinite(mapping(far)).all()


def test_an_outlier_in_mos_gives_numbers():
    s, mos = noisy(100)
    mos[3] = 1e30
    for parameters in (4, 5):
        assert 0 <= mapped_plcc(s, mos, parameters).value <= 1
        assert 0 < mapped_rmse(s, mos, parameters).value < 1e30


LINE, CONSTANT = "linear", "constant"


@pytest.mark.parametrize(
    ("score", "mos", "form", "status", "value", "error"),
    [
        ([], [], CONSTANT, "undefined: there is no image", math.nan, math.nan),
        ([1], [2], CONSTANT, "undefined: all scores are equal", math.nan, 0.0),
        ([0.1] * 10, range(10), CONSTANT, "undefined: all scores are equal", math.nan, 8.25**0.5),
        (range(10), [0.1] * 10, CONSTANT, "constant: all MOS are equal", math.nan, 0.0),
        ([1, 2], [3, 7], LINE, "linear: 2 different scores do not determine 4", 1.0, 0.0),
        ([1, 2], [7, 3], LINE, "linear: 2 different scores do not determine 4", 1.0, 0.0),
        ([1, 1, 2, 2], [1, 3, 5, 7], LINE, "linear: 2 different", 4 / math.sqrt(20), 1.0),
        (range(9), range(5, 14), LINE, "linear: no curve fits better", 1.0, 0.0),
    ],
)
def test_what_no_curve_can_be_fitted_to(score, mos, form, status, value, error):
    mapping = fit_mapping(score, mos)
    assert mapping.form == form
    assert mapping.status.startswith(status)
    assert mapped_plcc(score, mos).value == pytest.approx(value, abs=1e-9, nan_ok=True)
    assert mapped_rmse(score, mos).value == pytest.approx(error, abs=1e-9, nan_ok=True)
    assert mapped_plcc(score, mos).status == mapping.status == mapped_rmse(score, mos).status


def test_a_line_and_a_constant():
    line = fit_mapping([1, 3], [7, 3])
    assert line.direction == -1
    assert line([2, 10]) == pytest.approx([5, -11], abs=1e-12)
    constant = fit_mapping([5, 5], [1, 2])
    assert constant.direction == 0
    assert constant([7]).tolist() == [1.5]


def test_a_step_is_told():
    mapping = fit_mapping(range(8), [1, 1, 1, 1, 2, 2, 2, 2])
    assert mapping.status == "bounded: the curve is a step"
    assert mapping(range(8)) == pytest.approx([1] * 4 + [2] * 4, abs=1e-4)


@pytest.mark.parametrize("parameters", [4, 5])
def test_scores_that_say_little_keep_the_best_curve_found(parameters):
    random = np.random.default_rng([10, 50, 2])
    s = random.normal(size=50)
    mos = 0.2 * s + math.sqrt(0.96) * random.normal(size=50)
    mapping = fit_mapping(s, mos, parameters)
    assert mapping.form == f"logistic{parameters}"
    assert mapping.status.startswith("unconverged: the best curve that")
    # SciPy's simplex, from many starts, needs no derivative.
    starts = [(c, w) for c in (-0.6, 0.0, 0.6) for w in (-1.0, -4.0)]
    fits = [
        scipy.optimize.minimize(
            lambda at: ((mos - projected(s, mos, *at)) ** 2).mean(), start, method="Nelder-Mead"
        )
        for start in starts
    ]
    best = math.sqrt(min(fit.fun for fit in fits))
    assert best * (1 - 1e-3) < rmse(mapping(s), mos) <= best * (1 + 1e-6)


def projected(s, mos, centre, log_width):
    """The best logistic4 of one centre and width."""
    design = np.stack([scipy.special.expit((s - centre) / np.exp(log_width)), np.ones(len(s))], 1)
    return design @ np.linalg.lstsq(design, mos)[0]


def test_an_uncorrelated_line_has_plcc_zero_and_not_noise():
    # The line is level, and MOS would round its rest away.
    value, status = mapped_plcc([-1, 0, 1], [1e6 + 1, 1e6, 1e6 + 1])
    assert status.startswith("linear")
    assert value == pytest.approx(0, abs=1e-9)


def test_bad_input():
    with pytest.raises(MetricError, match="parameters: expected 4 or 5, found 3"):
        fit_mapping([1, 2], [1, 2], 3)
    with pytest.raises(MetricError, match="score: expected finite"):
        fit_mapping([1, math.nan], [1, 2])
    with pytest.raises(MetricError, match="MOS: expected 2"):
        mapped_plcc([1, 2], [1, 2, 3])
    with pytest.raises(MetricError, match="score: expected finite"):
        fit_mapping([1, 2], [1, 2])([math.inf])


def test_deterministic_and_blind_to_the_order():
    s, mos = noisy(50)
    mapping = fit_mapping(s, mos)
    assert fit_mapping(s, mos) == mapping
    order = np.random.default_rng(0).permutation(50)
    assert fit_mapping(s[order], mos[order])(s) == pytest.approx(mapping(s), rel=1e-6)


float32 = partial(st.floats, width=32, allow_subnormal=False)
values = st.one_of(
    st.integers(-5, 5).map(float), float32(allow_nan=False, allow_infinity=False), float32(-1, 1)
)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(values, values), max_size=12), st.sampled_from([4, 5]))
def test_valid_data_never_fails(rows, parameters):
    score, mos = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mapping = fit_mapping(score, mos, parameters)
        mapped = mapping(score)
    assert mapping.status.split(":")[0] in {
        "converged",
        "bounded",
        "unconverged",
        "linear",
        "constant",
        "undefined",
    }
    assert np.isfinite(mapped).all()
    order = np.argsort(score, kind="stable")
    steps = np.diff(mapped[order] / max(1.0, np.abs(mapped).max(initial=0)))
    assert (steps * mapping.direction >= -1e-9).all()
    value = mapped_plcc(score, mos, parameters).value
    assert math.isnan(value) or 0 <= value <= 1 + 1e-12
