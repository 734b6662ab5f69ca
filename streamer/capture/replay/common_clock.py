"""The stamps of streams that were recorded together, on one clock: the recorder's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.clocks import SAME_CLOCK_S

__all__ = ["StampedStream", "on_one_clock"]

SAME_HOST_S = 0.005  # by which the corrections of two streams of one computer may differ, as they were measured


@dataclass(frozen=True, eq=False)
class StampedStream:
    """When the samples of a stream were taken.

    Attributes
    ----------
    host : str
        The computer that sent it; empty where that is not known.
    own_s : array of shape (samples,), s
        By the clock of that computer.
    times_s : array of shape (samples,), s
        By the recorder's clock.
    resets : tuple of int
        The first sample, and those before which the clock was set anew.
    other_clock : bool
        Whether stamps are of another clock than that computer's, so that its correction is not theirs.
    """

    host: str
    own_s: Floats
    times_s: Floats
    resets: tuple[int, ...]
    other_clock: bool = False

    @property
    def correction_s(self) -> Floats:
        """What was added to the stream's own stamps."""
        return self.times_s - self.own_s


def on_one_clock(streams: Sequence[StampedStream]) -> list[StampedStream]:
    """Give all streams of one computer the same correction.

    The recorder measures the offset of each stream on its own, with an error of some 20 us, by which a spike would be
    shifted against the counts of its bin. Where the correction is less than a millisecond all along, the recorder ran
    on that computer, and the stamps stay as they are. Streams whose clock was set anew, or is another than their
    computer's, keep their own corrections.
    """
    corrected = list(streams)
    usable = [i for i, one in enumerate(streams) if len(one.own_s) and len(one.resets) == 1 and not one.other_clock]
    for host in {streams[i].host for i in usable if streams[i].host}:
        steady = [i for i in usable if streams[i].host == host]
        longest = max(steady, key=lambda i: len(streams[i].own_s))
        for i in steady:
            common_s = _common(streams[longest], streams[i].own_s)
            if np.abs(common_s - streams[i].correction_s).max() < SAME_HOST_S:
                corrected[i] = replace(streams[i], times_s=streams[i].own_s + common_s)
    return corrected


def _common(reference: StampedStream, own_s: Floats) -> Floats:
    """Return the correction of another stream at these times of its computer: a straight line, as it is fitted."""
    known_s = reference.correction_s
    if np.abs(known_s).max() < SAME_CLOCK_S:
        return np.zeros(len(own_s))
    span_s = reference.own_s[-1] - reference.own_s[0]
    slope = (known_s[-1] - known_s[0]) / span_s if span_s > 0 else 0.0
    return known_s[0] + slope * (own_s - reference.own_s[0])
