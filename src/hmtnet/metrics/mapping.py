"""The logistic mapping from scores to MOS, after which PLCC and RMSE are compared between systems.

Scores of different systems bend the scale of MOS in different ways, so the field fits a monotone
curve before it takes PLCC and RMSE (VQEG, "Final report from the Video Quality Experts Group on the
validation of objective models of video quality assessment", 2000; phase II, 2003; Sheikh, Sabir and
Bovik, "A statistical evaluation of recent full reference image quality assessment algorithms", TIP
2006):

    4 parameters: q(s) = b2 + (b1 − b2) / (1 + exp(−(s − b3) / |b4|))
    5 parameters: q(s) = b1 · (1/2 − 1 / (1 + exp(b2 · (s − b3)))) + b4 · s + b5

The curve is fitted to the images that are judged: what it gives is an upper bound of what a mapping
fixed beforehand would give, with 4 parameters less so than with 5.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hmtnet.metrics.checks import Floats, MetricError, Values, pair, vector
from hmtnet.metrics.correlation import UNDEFINED, is_constant, plcc, rmse
from hmtnet.metrics.logistic import curve, exceeds, sigmoid

_FORMS = {4: "logistic4", 5: "logistic5"}


@dataclass(frozen=True)
class Frame:
    """Standard units of a variable: (value − centre) / spread."""

    centre: float
    spread: float

    def standard(self, values: Floats) -> Floats:
        """Return values in standard units."""
        return (values - self.centre) / self.spread

    def original(self, units: Floats) -> Floats:
        """Return values in their own unit."""
        return self.centre + self.spread * units


@dataclass(frozen=True)
class Mapping:
    """A fitted curve from score to MOS; call it with scores.

    Attributes:
        form: ``logistic4``, ``logistic5``, ``linear`` or ``constant``.
        status: How the fit went: ``converged``; ``bounded: why`` (the best curve is a step, or its
            centre lies far outside the scores); ``unconverged: why`` (the best curve found so far,
            where scores say little of MOS); ``linear: why`` and ``constant: why`` where no
            curve could be fitted; ``undefined: why`` where scores say nothing about MOS.
        direction: 1 where MOS rises with the score, -1 where it falls, 0 where it does neither.
        standard: The parameters in the standard units of the two frames: b1 … b4 > 0 of a
            logistic4; b1 … b5 of a logistic5, where b2 > 0; slope and intercept of a line; the
            value of a constant.
        score_frame: Standard units of the score.
        mos_frame: Standard units of MOS.
    """

    form: str
    status: str
    direction: int
    standard: tuple[float, ...]
    score_frame: Frame
    mos_frame: Frame

    def __call__(self, score: Values) -> Floats:
        """Map scores: (N,) in the unit of the scores to (N,) in that of MOS.

        Outside the scores that were fitted, five parameters may give a curve that turns around.

        Raises:
            MetricError: If a score is not finite.
        """
        z = self.score_frame.standard(vector(score, "score"))
        match self.form, self.standard:
            case "logistic4", (upper, lower, centre, width):
                x = (z - centre) / width
                units = upper * sigmoid(x) + lower * sigmoid(-x)
            case "logistic5", (height, rate, centre, slope, offset):
                units = height * (sigmoid(rate * (z - centre)) - 0.5) + slope * z + offset
            case "linear", (slope, offset):
                units = slope * z + offset
            case _:
                units = np.full(len(z), self.standard[0])
        return self.mos_frame.original(units)


class Mapped(NamedTuple):
    """A number taken after the mapping, and how the fit went."""

    value: float
    status: str


def fit_mapping(score: Values, mos: Values, parameters: int = 4) -> Mapping:
    """Fit the curve with the least squared error, from many starts; always the same one.

    The curve is monotone over the range of the scores, rising or falling. Where the relation is a
    line or no curve can be determined, the result is a line; where scores or MOS are all equal, a
    constant, the mean of MOS. ``Mapping.status`` says which and why.

    Args:
        score: (N,) predicted scores, any unit, higher or lower better, of magnitudes that float32
            can hold.
        mos: (N,) human scores, any unit.
        parameters: 4 or 5.

    Raises:
        MetricError: If a value is not finite, the lengths differ, or there is no such form.

    >>> fit_mapping([1, 2, 3], [2, 4, 6]).status
    'linear: 3 different scores do not determine 4 parameters'
    """
    score, mos = pair(score, mos)
    if parameters not in _FORMS:
        raise MetricError(f"parameters: expected 4 or 5, found {parameters!r}.")
    constant = _constant(score, mos)
    if constant is not None:
        value = float(mos.mean()) if len(mos) else UNDEFINED
        return Mapping("constant", constant, 0, (value,), Frame(0.0, 1.0), Frame(0.0, 1.0))
    score_frame, mos_frame = _score_frame(score), Frame(float(mos.mean()), float(mos.std()))
    z, y = score_frame.standard(score), mos_frame.standard(mos)
    return Mapping(*_line_or_curve(z, y, parameters), score_frame, mos_frame)


def mapped_plcc(score: Values, mos: Values, parameters: int = 4) -> Mapped:
    """PLCC between mapped scores and MOS; see :func:`fit_mapping`.

    It is never negative: where MOS falls with the score, the curve falls too. Look at the raw SRCC
    for the sign.

    Args:
        score: (N,) predicted scores, any unit.
        mos: (N,) human scores, any unit.
        parameters: 4 or 5.

    Returns:
        The value in [0, 1], NaN (undefined) if N < 2 or an input is constant; and the fit's status.

    Raises:
        MetricError: As :func:`fit_mapping`.
    """
    value, _, status = mapped_agreement(score, mos, parameters)
    return Mapped(value, status)


def mapped_rmse(score: Values, mos: Values, parameters: int = 4) -> Mapped:
    """Root mean squared error between mapped scores and MOS; see :func:`fit_mapping`.

    Args:
        score: (N,) predicted scores, any unit.
        mos: (N,) human scores, any unit.
        parameters: 4 or 5. The mean is over N images, not over N less the parameters.

    Returns:
        The value in the unit of MOS, NaN (undefined) if N = 0; and the fit's status. For constant
        scores it is the error of the mean of MOS.

    Raises:
        MetricError: As :func:`fit_mapping`.
    """
    _, value, status = mapped_agreement(score, mos, parameters)
    return Mapped(value, status)


def mapped_agreement(score: Values, mos: Values, parameters: int = 4) -> tuple[float, float, str]:
    """Return :func:`mapped_plcc`, :func:`mapped_rmse` and the status, all of one fit."""
    mapping = fit_mapping(score, mos, parameters)
    mapped = mapping(score)
    # A line may have any slope, also one that would vanish in the rounding of MOS.
    value = abs(plcc(score, mos)) if mapping.form == "linear" else plcc(mapped, mos)
    return value, rmse(mapped, mos), mapping.status


def _constant(score: Floats, mos: Floats) -> str | None:
    """Return the status where only a constant can be fitted."""
    if len(score) == 0:
        return "undefined: there is no image"
    if is_constant(score):
        return "undefined: all scores are equal"
    if is_constant(mos):
        return "constant: all MOS are equal"
    return None


def _line_or_curve(
    z: Floats, y: Floats, parameters: int
) -> tuple[str, str, int, tuple[float, ...]]:
    """Return form, status, direction and parameters in standard units."""
    slope, offset, line_error = _line(z, y)
    different = len(np.unique(z))
    status = f"linear: {different} different scores do not determine {parameters} parameters"
    if different > parameters:
        fitted = curve(z, y, parameters)
        if exceeds(line_error, fitted.error, len(y)):
            return _FORMS[parameters], fitted.status, fitted.direction, fitted.parameters
        status = "linear: no curve fits better than a line"
    return "linear", status, int(np.sign(slope)), (slope, offset)


def _score_frame(values: Floats) -> Frame:
    """Median and half the distance of the quartiles, which no outlier moves."""
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    # With most scores tied the quartiles coincide.
    spreads = (high - low) / 2, np.abs(values - median).mean(), np.ptp(values)
    return Frame(float(median), float(next(spread for spread in spreads if spread > 0)))


def _line(z: Floats, y: Floats) -> tuple[float, float, float]:
    """Return slope, intercept and summed squared error of the line of least squares."""
    centred = z - z.mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    offset = float(y.mean() - slope * z.mean())
    return slope, offset, float(((y - offset - slope * z) ** 2).sum())
