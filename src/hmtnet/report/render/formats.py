"""How numbers are written, wherever people read them."""

import math

from hmtnet.report.numbers.quantities import Quantity

DASH = "–"
"""What is written where a number is undefined or does not apply."""


def decimals(value: float | None, digits: int = 3) -> str:
    """Write a number with three decimals, one where it is large; a dash where undefined.

    >>> decimals(0.97251), decimals(12345.6), decimals(math.nan), decimals(None)
    ('0.973', '12345.6', '–', '–')
    """
    if value is None or math.isnan(value):
        return DASH
    # Large units (MOS of 0 to 100) need no thousandths.
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.1f}"


def percent(value: float, digits: int = 1) -> str:
    """Write a share in [0, 1] as a percentage; a dash where undefined."""
    return DASH if math.isnan(value) else f"{100 * value:.{digits}f} %"


def written(value: float, quantity: Quantity) -> str:
    """Write a number as its quantity is read."""
    return percent(value) if quantity.share else decimals(value)


def whole(value: float) -> str:
    """Write a large number without decimals, thousands apart; a dash where undefined."""
    return f"{value:,.0f}" if math.isfinite(value) else DASH


def probability(p: float) -> str:
    """Write a p-value.

    >>> probability(0.0421), probability(0.0001)
    ('.042', '< .001')
    """
    return "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def counted(number: int, what: str) -> str:
    """Write a number of things.

    >>> counted(1, "image"), counted(2, "image")
    ('1 image', '2 images')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"
