"""How a followed stream of spike counts arrives."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Reception"]


@dataclass(frozen=True)
class Reception:
    """How a stream arrives, up to the latest pull.

    Attributes
    ----------
    state : {"live", "silent", "absent"}
        "silent" where there is a stream that sends nothing; "absent" where there is none.
    bins : int
        Handed out.
    gaps : int
        Places, within one run of the stream, where a segment does not continue the one before.
    lost_bins : int
        That never came, by the stamps of those around them; less than before where some turned out to have been late,
        or the rate to have changed.
    invalid_bins : int
        Left out for a value that is not a whole number from 0 to 1000.
    saturated_bins : int
        Left out for an int8 count of 127, which stands for 127 or more.
    restarts : int
        Times that another run of the stream took over.
    refused : str
        The latest stream that could not be followed, and why; empty once one is.
    delay_ms : float or None, ms
        From the end of the newest bin to when it was pulled; None before the first, and where
        stamps don't tell: of a sender with another clock, or stamps that stand still or are no numbers.
    longest_delay_ms : float or None, ms
        The longest of all.
    true_rate_hz : float or None, Hz
        Rate of the bins, by their stamps; None for spikeloop's own streams, and until it is known.
    true_rate_interval_hz : tuple of two floats or None, Hz
        The 95 % interval of that rate.
    clock_resets : int
        Times that the sender's clock jumped for good; each begins a new segment, and no bins count as lost.
    other_clock : bool
        Whether stamps are of another clock than LSL's.
    no_counts : bool
        Whether most bins of the latest two seconds were invalid.
    warnings : tuple of str
        What is wrong with the stream and what to do, a sentence each: no spike counts, stamps that are no numbers or
        stand still or jump, another clock, namesakes.
    """

    state: Literal["live", "silent", "absent"]
    bins: int = 0
    gaps: int = 0
    lost_bins: int = 0
    invalid_bins: int = 0
    saturated_bins: int = 0
    restarts: int = 0
    refused: str = ""
    delay_ms: float | None = None
    longest_delay_ms: float | None = None
    true_rate_hz: float | None = None
    true_rate_interval_hz: tuple[float, float] | None = None
    clock_resets: int = 0
    other_clock: bool = False
    no_counts: bool = False
    warnings: tuple[str, ...] = ()
