"""Units of lengths and speeds, as files spell them, and how many of one make another."""

import re

__all__ = ["factor_between"]

IN_METRES = {
    unit: metres
    for metres, units in {
        1.0: ("m", "meter", "meters", "metre", "metres"),
        1e-2: ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
        1e-3: ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
        1e-6: ("um", "µm", "μm", "micrometer", "micrometers", "micrometre", "micrometres"),
    }.items()
    for unit in units
}
A_SECOND = ("s", "sec", "second", "seconds")


def factor_between(stated: str, wanted: str) -> float | None:
    """Return by what values in one unit are multiplied to be in another; None where that is not known.

    Parameters
    ----------
    stated, wanted : str
        Of lengths or speeds, such as "m/s", "meters per second", "cm s-1" or "mm".

    Examples
    --------
    >>> factor_between("m/s", "cm/s"), factor_between("cm", "cm/s")
    (100.0, None)
    """
    one, other = _parsed(stated), _parsed(wanted)
    if one is None or other is None or one[1] != other[1]:
        return None
    return float(f"{one[0] / other[0]:.12g}")  # 100, and not 100.00000000000001


def _parsed(unit: str) -> tuple[float, bool] | None:
    """Return the metres of a length, or of the way in a second, and whether it is that."""
    words = re.sub(r"\s*(?:/|\bper\b)\s*", "/", unit.strip())
    words = re.sub(r"[\s*.·]+s(?:\^?-1|⁻¹)$", "/s", words)
    length, slash, time = words.partition("/")
    metres = IN_METRES.get(length.strip() if length in ("m", "cm", "mm") else length.strip().lower())
    if metres is None or (slash and time.strip().lower() not in A_SECOND):
        return None
    return metres, bool(slash)
