"""Times of a file without what nobody waits for: jumps of clocks, and silences of hours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.clocks import DAY_S, backward_steps_s, lasting_words

__all__ = ["TimedStream", "continuous"]

LONGEST_GAP_S = 3600.0  # a silence of all streams is not waited for; of one alone, its clock was set anew
FURTHEST_BACK_S = 10.0  # a stamp further back than that is of a clock that was set anew
AFTER_IRREGULAR_S = 1.0  # from the last sample before a reset to the first after it, of a stream without a rate
AFTER_SILENCE_S = 1.0  # what is left of a silence that is not waited for
STATED_GAP_S = 60.0  # silences of all streams from this on are reported
UNRELATED_S = 30 * DAY_S  # streams further apart than that have clocks that nothing in the file relates
LONGEST_LIST = 3


@dataclass(frozen=True, eq=False)
class TimedStream:
    """When the samples of a stream were taken, as far as the file says.

    Attributes
    ----------
    label : str
        What people know it by.
    rate_hz : float >= 0, Hz
        0 of an irregular stream.
    times_s : array of shape (samples,), s
        In the order of the file.
    resets : tuple of int
        The first sample, and those before which its clock was set anew, as the file says.
    """

    label: str
    rate_hz: float
    times_s: Floats
    resets: tuple[int, ...]


def continuous(streams: Sequence[TimedStream]) -> tuple[list[Floats], list[str]]:
    """Move what follows jumps of clocks and long silences to where it can be waited for.

    What follows a clock that was set anew, by the file's own comparisons of clocks or without any, is at its place or
    right after what came before. Streams that lie a month or more from all others begin together with them. Of an hour
    and more in which no stream has a sample, a second is left.

    Parameters
    ----------
    streams : sequence of TimedStream

    Returns
    -------
    list of arrays of shape (samples,), s
        The new times of each stream.
    list of str
        What was moved, and where it is silent, a sentence each.
    """
    times, notes = [], []
    for number, stream in enumerate(streams):
        moved, said = _without_jumps(stream, [other.times_s for i, other in enumerate(streams) if i != number])
        times.append(moved)
        notes += said
    notes += _begin_together(streams, times)
    notes += _without_silences(times)
    return times, notes


def _without_jumps(stream: TimedStream, others: Sequence[Floats]) -> tuple[Floats, list[str]]:
    """Return times without jumps between clocks; and what to say of these, and of other steps back."""
    times, moved, notes = stream.times_s.copy(), set(), []
    steps = np.diff(stream.times_s)
    for place in (np.flatnonzero((steps > LONGEST_GAP_S) | (steps < -FURTHEST_BACK_S)) + 1).tolist():
        jump_s, ends = float(steps[place - 1]), stream.times_s[place - 1 : place + 1].tolist()
        if jump_s > 0 and any(_goes_on(other, *ends) or _is_silent_too(other, *ends) for other in others):
            continue
        after_s = 1 / stream.rate_hz if stream.rate_hz else AFTER_IRREGULAR_S
        times[place:] += times[place - 1] + after_s - times[place]
        moved.add(place)
        notes.append(
            f"{stream.label}: its clock jumps by {jump_s:+.3f} s at sample {place}; what follows is replayed right"
            " after what came before"
        )
    notes += [
        f"{stream.label}: its clock was set anew at sample {place}; by the recorder's clock, that follows"
        f" {times[place] - times[place - 1]:.3f} s after the sample before"
        for place in stream.resets
        if place and place not in moved
    ]
    back_s = backward_steps_s(times, 1 / stream.rate_hz if stream.rate_hz else 0.0)
    if len(back_s):
        notes.append(
            f"{stream.label}: {len(back_s)} of {len(times)} samples are stamped earlier than the one before, by up to"
            f" {back_s.max():.3g} s; they go out after it, as in the file, with their own stamps"
        )
    return times, notes


def _goes_on(other: Floats, from_s: float, to_s: float) -> bool:
    """Whether another stream has samples all along, so that this one really was silent."""
    inside = np.sort(other[(other > from_s) & (other < to_s)])
    return bool(np.diff([from_s, *inside, to_s]).max() < LONGEST_GAP_S)


def _is_silent_too(other: Floats, from_s: float, to_s: float) -> bool:
    """Whether another stream has samples on both sides of a silence."""
    before, after = np.abs(other - from_s) < LONGEST_GAP_S, np.abs(other - to_s) < LONGEST_GAP_S
    return bool(before.any() and after.any())


def _begin_together(streams: Sequence[TimedStream], times: list[Floats]) -> Iterator[str]:
    """Have streams begin together that lie far apart as a whole."""
    order = sorted((i for i, known in enumerate(times) if len(known)), key=lambda i: float(times[i].min()))
    if not order:
        return
    begin_s, end_s = float(times[order[0]].min()), float(times[order[0]].max())
    apart_s = 0.0  # of the latest group of streams
    for i in order[1:]:
        first_s, last_s = float(times[i].min()), float(times[i].max())
        if first_s - end_s > UNRELATED_S:
            apart_s = first_s - begin_s
        end_s = max(end_s, last_s)
        if apart_s:
            times[i] = times[i] - apart_s
            yield (
                f"{streams[i].label}: its stamps are {lasting_words(apart_s)} ahead of those of"
                f" {streams[order[0]].label}, and the file does not say when they came; both begin together"
            )


def _without_silences(times: list[Floats]) -> Iterator[str]:
    """Shorten where no stream has a sample for an hour; report shorter silences."""
    whole = np.sort(np.concatenate(times)) if times else np.empty(0)
    gaps_s, removed_s, listed = np.diff(whole), 0.0, 0
    for place in np.flatnonzero(gaps_s > STATED_GAP_S).tolist():
        gap_s, before_s = float(gaps_s[place]), float(whole[place] - whole[0]) - removed_s
        if gap_s > LONGEST_GAP_S:
            after_s = float(whole[place + 1]) - removed_s
            for i, known in enumerate(times):
                times[i] = np.where(known >= after_s, known - (gap_s - AFTER_SILENCE_S), known)
            removed_s += gap_s - AFTER_SILENCE_S
            yield f"no stream has a sample for {lasting_words(gap_s)} after {before_s:.1f} s; that is left out"
        elif (listed := listed + 1) <= LONGEST_LIST:
            yield (
                f"no stream has a sample for {gap_s:.0f} s after {before_s:.1f} s; a seek or --from"
                f" {before_s + gap_s:.0f} passes over it"
            )
    if listed > LONGEST_LIST:
        yield f"there are {listed - LONGEST_LIST} more silences of a minute and more"
