"""Least-squares fit of a monotone logistic curve, in standard units.

Of the four or five parameters only two, centre and width, are not linear. For each pair of them the
best others follow from a small linear problem (variable projection; Golub and Pereyra, 1973), so
that a search in a plane finds the whole curve. It starts from the best points of a grid.
"""

from dataclasses import dataclass

import numpy as np

from hmtnet.metrics.checks import Floats

_STARTS = 5
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
        bound: What stopped the search, or empty.
    """

    parameters: tuple[float, ...]
    error: float
    direction: int
    bound: str


def curve(z: Floats, y: Floats, parameters: int) -> Curve | None:
    """Fit a curve that is monotone from the lowest to the highest z.

    Args:
        z: (N,) scores in standard units, not all equal.
        y: (N,) MOS in standard units, not all equal.
        parameters: 4 or 5.

    Returns:
        The best curve found, or None if no start converged.
    """
    from scipy import optimize

    span = float(np.ptp(z))
    best: tuple[float, float, float] | None = None
    for centre, width in _starts(z, y, parameters):

        def at(x: Floats, centre: float = centre, width: float = width) -> tuple[float, float]:
            """Return centre and width from steps of the search, in units of its start's width."""
            wider = width * float(np.exp(x[1]))
            return _inside(z, centre + width * float(x[0]), wider), wider

        found = optimize.least_squares(
            lambda x, at=at: y - _project(_columns(z, *at(x), parameters), y)[1],
            (0.0, 0.0),
            bounds=(
                (-np.inf, np.log(_NARROWEST / width)),
                (np.inf, np.log(_WIDEST * span / width)),
            ),
            xtol=1e-12,
            ftol=1e-14,
            gtol=1e-14,
            max_nfev=200,
        )
        error = 2 * float(found.cost)
        if found.success and (best is None or error < best[0]):
            best = error, *at(found.x)
    return None if best is None else _named(z, y, parameters, *best)


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
    """Keep a centre from where its curve would only be an exponential of unlimited height."""
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
    ends = np.array([x.min(), x.max()])
    flattest, steepest = np.sort(sigmoid(ends) * sigmoid(-ends)).tolist()
    if ends[0] < 0 < ends[1]:
        steepest = 0.25
    return np.stack([steepest * x - logistic, logistic - flattest * x])


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
    weights = np.linalg.lstsq(centred.T, y - mean)[0]
    if weights.min() < 0 < weights.max():
        # The least error is then on the border, where one of the two is zero.
        alone = [np.array([1.0, 0.0]), np.array([0.0, 1.0])]
        single = [(axis @ centred) @ (y - mean) / max((axis @ centred**2).sum(), 1e-300) * axis
                  for axis in alone]
        weights = min(single, key=lambda w: float(((y - mean - w @ centred) ** 2).sum()))
    return weights / unit, mean + weights @ centred


def _named(
    z: Floats, y: Floats, parameters: int, error: float, centre: float, width: float
) -> Curve:
    """Return the curve of a centre and width, its weights told as the field's parameters."""
    columns = _columns(z, centre, width, parameters)
    weights, fitted = _project(columns, y)
    constant = float((fitted - weights @ columns).mean())
    bound = ""
    if np.abs((z - centre) / width).min() >= _OUTSIDE * (1 - 1e-9):
        inside = z.min() < centre < z.max()
        bound = "the curve is a step" if inside else "its centre lies far outside the scores"
    elif width < _NARROWEST * (1 + 1e-6):
        bound = "the curve is a step"
    direction = int(np.sign(weights.sum()))
    if parameters == 4:
        height = float(weights[0])
        return Curve((constant + height, constant, centre, width), error, direction, bound)
    ends = sigmoid(np.array([z.min() - centre, z.max() - centre]) / width)
    return Curve((), error, direction, bound)
