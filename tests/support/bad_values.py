"""Values that a function must refuse with an error of the house, whatever its argument is."""

import numpy as np

__all__ = ["HUGE", "NO_NUMBER", "NO_TEXT", "NO_WHOLE_NUMBER", "Opaque"]


class Opaque:
    """An object of no use, whose name is the same in every process, as the names of tests must be."""

    def __repr__(self) -> str:
        return "Opaque()"


HUGE = 10**400  # a whole number that is no float
NO_NUMBER = ["3", b"3", True, [1.0], {}, 1j, HUGE, np.ones(3), np.array([1.0]), Opaque(), 10**5000]
NO_WHOLE_NUMBER = [*NO_NUMBER, 1.5, float("nan"), float("inf"), -1, 2**64, np.int8(-1)]
NO_TEXT = [3, b"text", True, ["text"], {}, np.ones(3), np.array(["auto", "cpu"]), Opaque()]
