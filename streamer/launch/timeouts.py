"""Check how long a caller wants to wait."""

import threading
from math import isnan

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_number, shown

__all__ = ["checked_timeout"]


def checked_timeout(timeout_s: float | None) -> float | None:
    """Return how long to wait at most, None for no limit; BadInputError for what is neither a number nor None."""
    if timeout_s is None:
        return None
    if not is_number(timeout_s) or isnan(timeout_s):
        raise BadInputError(f"timeout_s: expected a number of seconds or None, found {shown(timeout_s)}")
    return min(max(float(timeout_s), 0.0), threading.TIMEOUT_MAX)
