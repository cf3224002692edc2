"""Least-squares fit of a monotone logistic curve, in standard units.

Of the four or five parameters only two, centre and width, are not linear. For each pair of them the
best others follow from a small linear problem (variable projection; Golub and Pereyra, 1973), so
that a search in a plane finds the whole curve. It starts from the best points of a grid.
"""

from dataclasses import dataclass

import numpy as np

from hmtnet.metrics.checks import Floats

_STARTS = 5
_STEPS = 200  # of each search; where scores say little about MOS, thousands may not be enough
_NARROWEST = 1e-3  # width, in standard units of the score
_WIDEST = 10.0  # width, in ranges of the score: a line, to the eye
_OUTSIDE = 10.0  # widths from the centre: the logistic is flat, or an exponential, to 5e-5


@dataclass(frozen=True)
class Curve:
    """A fitted curve.

    Attributes:
        parameters: (upper, lower, centre, width) of a curve with four parameters, (height, rate,
            centre, slope, offset) of one with five.
        error: Sum of the squared residuals.
        direction: 1 if it rises, -1 if it falls.
        status: ``converged``, ``bounded: why`` or ``unconverged: why``; see
            :class:`~hmtnet.metrics.mapping.Mapping`.
    """

    parameters: tuple[float, ...]
    error: float
    direction: int
    status: str


def curve(z: Floats, y: Floats, parameters: int) -> Curve:
    """Fit a curve that is monotone from the lowest to the highest z.

    Args:
        z: (N,) scores in standard units, not all equal.
        y: (N,) MOS in standard units, not all equal.
        parameters: 4 or 5.

    Returns:
        The best curve found.
    """
    found = [_search(z, y, parameters, *start) for start in _starts(z, y, parameters)]
    least = min(error for error, *_ in found)
    # Starts that meet at one curve differ in the last digits of its error: take one that converged.
    best = [one for one in found if not exceeds(one[0], least, len(y))]
    return _named(z, y, parameters, *min(best, key=lambda one: (not one[1], one[0])))


def exceeds(error: float, other: float, images: int) -> bool:
    """Whether a summed squared error is the greater one by more than rounding, MOS in units."""
    return error > other * (1 + 1e-9) + 1e-28 * images


def _search(
    z: Floats, y: Floats, parameters: int, centre: float, width: float
) -> tuple[float, bool, float, float]:
    """Return error, whether it converged, centre and width of the best curve near a start."""
    from scipy import optimize

    def at(step: Floats) -> tuple[float, float]:
        wider = width * float(np.exp(step[1]))
        return _inside(z, centre + width * float(step[0]), wider), wider

    def residuals(step: Floats) -> Floats:
        return y - _project(_columns(z, *at(step), parameters), y)[1]

    narrowest, widest = np.log(_NARROWEST / width), np.log(_WIDEST * np.ptp(z) / width)
    found = optimize.least_squares(
        residuals,
        (0.0, 0.0),
        bounds=((-np.inf, narrowest), (np.inf, widest)),
        xtol=1e-12,
        ftol=1e-14,
        gtol=1e-14,
        max_nfev=_STEPS,
    )
    return 2 * float(found.cost), bool(found.success), *at(found.x)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(−x)), without overflow, and exact where it is small."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -x)), dtype=np.float64)


def _starts(z: Floats, y: Floats, parameters: int) -> list[tuple[float, float]]:
    """Return the best centre of each width, for the widths with the least errors."""
    low, high = float(z.min()), float(z.max())
    span = high - low
    # Two scales: that of most scores, and that of all, which one outlier may have stretched.
    widths = [width for width in (0.1, 0.25, 0.5, 1.0, 2.0, 5.0) if width < span]
    widths += [share * span for share in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0)]
    centres = [
        *np.quantile(z, np.linspace(0, 1, 17)).tolist(),
        *(centre for centre in (-4.0, -2.0, 2.0, 4.0) if abs(centre) < span),
        *(low - span / 2, (low + high) / 2, high + span / 2),
    ]
    found = []
    for width in widths:
        errors = []
        for centre in centres:
            columns = _columns(z, _inside(z, centre, width), width, parameters)
            fitted = _project(columns, y)[1]
            errors.append(float(((y - fitted) ** 2).sum()))
        best = int(np.argmin(errors))
        found.append((errors[best], centres[best], width))
    return [(centre, width) for _, centre, width in sorted(found)[:_STARTS]]


def _inside(z: Floats, centre: float, width: float) -> float:
    """Keep a centre near the scores: far from them a logistic is an exponential without a bound."""
    reach = _OUTSIDE * width
    return float(np.clip(centre, z.min() - reach, z.max() + reach))


def _columns(z: Floats, centre: float, width: float, parameters: int) -> Floats:
    """Return the functions of which a curve is a weighted sum, beside a constant.

    With four parameters it is the logistic σ itself. With five there is a line too, and the sum
    must not turn around: its derivative keeps one sign exactly if it has it where σ is steepest and
    where σ is flattest. Of the two functions returned, one is level at the steepest point and one
    at the flattest, both rise elsewhere, and so the curve is monotone exactly if their weights do
    not differ in sign.

    Returns:
        (1, N) or (2, N).
    """
    x = (z - centre) / width
    logistic = sigmoid(x)
    if parameters == 4:
        return logistic[None]
    flattest, steepest = _slopes(z, centre, width)
    return np.stack([steepest * x - logistic, logistic - flattest * x])


def _slopes(z: Floats, centre: float, width: float) -> tuple[float, float]:
    """Return the least and the greatest derivative of σ between the lowest and the highest z."""
    ends = (np.array([z.min(), z.max()]) - centre) / width
    flattest, steepest = np.sort(sigmoid(ends) * sigmoid(-ends)).tolist()
    return flattest, 0.25 if ends[0] < 0 < ends[1] else steepest


def _project(columns: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Fit y by a constant and columns whose weights do not differ in sign.

    Returns:
        Weights (C,), and the fitted values (N,).
    """
    centred = columns - columns.mean(axis=1, keepdims=True)
    unit = np.abs(centred).max(axis=1)
    unit[unit == 0] = 1.0
    centred /= unit[:, None]
    mean = y.mean()
    weights = alone = centred @ (y - mean) / np.maximum((centred**2).sum(axis=1), 1e-300)
    if len(columns) > 1:
        weights = np.linalg.lstsq(centred.T, y - mean)[0]
    if weights.min() < 0 < weights.max():
        # The least error is then on the border, where all weights but one are zero.
        kept = int(np.argmin(((y - mean - alone[:, None] * centred) ** 2).sum(axis=1)))
        weights = np.where(np.arange(len(alone)) == kept, alone, 0.0)
    return weights / unit, mean + weights @ centred


def _named(
    z: Floats,
    y: Floats,
    parameters: int,
    error: float,
    converged: bool,
    centre: float,
    width: float,
) -> Curve:
    """Return the curve of a centre and width, its weights told as the field's parameters."""
    columns = _columns(z, centre, width, parameters)
    weights, fitted = _project(columns, y)
    constant = float((fitted - weights @ columns).mean())
    far = np.abs((z - centre) / width).min() >= _OUTSIDE * (1 - 1e-9)
    if not converged:
        status = f"unconverged: the best curve that {_STARTS} searches of {_STEPS} steps found"
    elif far and not z.min() < centre < z.max():
        status = "bounded: its centre lies far outside the scores"
    elif far or width < _NARROWEST * (1 + 1e-6):
        status = "bounded: the curve is a step"
    else:
        status = "converged"
    direction = int(np.sign(weights.sum()))
    if parameters == 4:
        height = float(weights[0])
        return Curve((constant + height, constant, centre, width), error, direction, status)
    flattest, steepest = _slopes(z, centre, width)
    height = float(weights[1] - weights[0])
    slope = float(weights[0] * steepest - weights[1] * flattest) / width
    offset = constant - slope * centre + height / 2
    return Curve((height, 1 / width, centre, slope, offset), error, direction, status)
