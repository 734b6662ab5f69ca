"""Numbers for people: as many digits as say something, and powers of ten only below 0.0001."""

import math

__all__ = ["significant"]

SMALLEST = 1e-4  # below it, zeros would be all that is seen


def significant(value: float, digits: int = 2) -> str:
    """Format a number with significant digits, and all digits of its whole part.

    Parameters
    ----------
    value : float
    digits : int >= 1, default 2

    Returns
    -------
    str
        "-" for NaN.

    Examples
    --------
    >>> [significant(value) for value in (0.24381, 1.04, 31.7, 3847.2, 0.0)]
    ['0.24', '1.0', '32', '3847', '0']
    """
    if not math.isfinite(value):
        return "-" if math.isnan(value) else f"{value:g}"
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    if abs(rounded) < SMALLEST:
        return f"{value:.{digits}g}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(rounded))))}f}"
