"""How long a decoder in a process of its own may take, and how much it may use."""

from dataclasses import dataclass, fields
from typing import Any

from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import is_number

__all__ = ["DecoderLimits", "checked_limits"]


@dataclass(frozen=True)
class DecoderLimits:
    """Limits of a user's own decoder, beyond which it fails; generous, so that only what misbehaves meets them.

    Attributes
    ----------
    open_s : float > 0, s, default 60
        For loading it.
    fit_s : float > 0, s, default 600
        For a fit.
    step_s : float > 0, s, default 10
        For a step, after which it counts as hung.
    slow_s : float > 0, s, default 0.2
        For a step on average over 50 in a row, after which it counts as slow.
    memory_mib : float > 0, MiB, default 4096
        Of memory in use; on Linux, where it can be seen from outside.
    printed_mib : float > 0, MiB, default 10
        Of what it prints, in all.

    Raises
    ------
    BadInputError
        If one is no number above 0.
    """

    open_s: float = 60.0
    fit_s: float = 600.0
    step_s: float = 10.0
    slow_s: float = 0.2
    memory_mib: float = 4096.0
    printed_mib: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (is_number(value) and value > 0):
                raise BadInputError(f"limits: expected {field.name} above 0, found {value!r:.80}")


def checked_limits(limits: Any) -> DecoderLimits:
    """Return limits as they were given, or the default of None; BadInputError for anything else."""
    if limits is None:
        return DecoderLimits()
    if not isinstance(limits, DecoderLimits):
        raise BadInputError(f"limits: expected a spikeloop.DecoderLimits, found {limits!r:.80}")
    return limits
