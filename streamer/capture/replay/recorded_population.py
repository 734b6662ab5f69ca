"""A recording in the place of a population: its bins one after another, with what drove them, as a source of spikes."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.assembly.session_times import SpikesInBins
from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import split_repeats
from spikeloop.streamer.capture.replay.playhead import checked_seek
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.stream.step import Step

__all__ = ["RecordedMarks", "RecordedPopulation"]

ROUNDING = 1e-6  # of a bin


class RecordedPopulation(Drive):
    """The recorded bins, trial after trial without a pause between: drive, source and transform of one stream.

    Steps that a pause kept back come again. What is asked for from other threads is in force from the next step on.

    Parameters
    ----------
    recording : Recording
    spikes : SpikesInBins or None
        The spikes' own times; None leaves times inside the bins to the loop.
    speed : float > 0
        Times faster than recorded: bins are that much shorter.
    start_s, stop_s : float, s, or None
        The part to replay, in time of the file: of all trials one after the other.
    loop : bool
        Whether to begin anew after the end; an attribute, too.

    Attributes
    ----------
    bin_size_s : float > 0, s
        As they are sent.
    passes : int
        Times that the end was reached.
    lets_out : callable
        Whether the latest step went out; set before the stream begins.

    Raises
    ------
    BadInputError
        If the part has no bin.
    """

    known_ahead = False
    asked = "recorded"
    run_bins = 1
    provider, notice = "recording", ""

    def __init__(
        self,
        recording: Recording,
        spikes: SpikesInBins | None = None,
        speed: float = 1.0,
        start_s: float | None = None,
        stop_s: float | None = None,
        loop: bool = False,
    ) -> None:
        self.unit_names, self.bin_size_s = recording.unit_names, recording.bin_size_s / speed
        self.dtype = recording.counts.dtype
        self._recorded_size_s, self._spikes, self.loop = recording.bin_size_s, spikes, loop
        self._counts = np.concatenate(split_repeats(recording.counts, recording.lengths))
        self._conditions = np.concatenate(split_repeats(recording.conditions, recording.lengths)).astype(np.float32)
        self._trials = np.concatenate([[0], np.cumsum(recording.bins_of_repeats)[:-1]])
        self._bins_of_trials, self._starts_s = recording.bins_of_repeats, recording.starts_s
        self._first, self._last = self._part(start_s, stop_s)
        self._place = self._sent = self._first  # the next bin, and the first one of the latest step
        self._asked_bin: int | None = None
        self._lock = threading.Lock()
        self.passes = 0
        self.lets_out: Callable[[], bool] = lambda: True

    def _part(self, start_s: float | None, stop_s: float | None) -> tuple[int, int]:
        size, bins = self._recorded_size_s, len(self._counts)
        first = 0 if start_s is None else int(np.ceil(start_s / size - ROUNDING))
        last = bins if stop_s is None else min(bins, int(stop_s / size + ROUNDING))
        if first >= last:
            raise BadInputError(
                f"--from, --to: expected at least one bin of {size:g} s between 0 and {bins * size:g} s, found"
                f" {start_s or 0.0:g} to {bins * size if stop_s is None else stop_s:g} s"
            )
        return first, last

    @property
    def first_bin(self) -> int:
        """The first bin of the part that is replayed."""
        return self._first

    @property
    def start_s(self) -> float:
        """Where the part that is replayed begins, s, in time of the file."""
        return self._first * self._recorded_size_s

    @property
    def stop_s(self) -> float:
        """Where it ends, s."""
        return self._last * self._recorded_size_s

    @property
    def position_s(self) -> float:
        """The time of the file, s, of what is sent next."""
        return self._place * self._recorded_size_s

    @property
    def step_s(self) -> float:
        """The time of the file, s, at which the latest step begins."""
        return self._sent * self._recorded_size_s

    @property
    def has_own_times(self) -> bool:
        """Whether the spikes have times of their own."""
        return self._spikes is not None

    def seek(self, seconds: float) -> None:
        """Go to the bin at a time of the file, from the next step on.

        Parameters
        ----------
        seconds : float, s

        Raises
        ------
        BadInputError
            If that is no time inside the part that is replayed.
        """
        asked_s = checked_seek(seconds, self.start_s, self.stop_s)
        with self._lock:
            self._asked_bin = int(asked_s / self._recorded_size_s + ROUNDING)

    def next_length(self, step_bins: int) -> int:
        """Begin a step: return how many bins it has, at most `step_bins`; 0 at the end."""
        if not self.lets_out():
            self._place = self._sent
        with self._lock:
            asked, self._asked_bin = self._asked_bin, None
        if asked is not None:
            self._place = asked
        if self._place >= self._last:
            self.passes += 1
            if not self.loop:
                return 0
            self._place = self._first
        self._sent = self._place
        return min(step_bins, self._last - self._place)

    def at(self, ends_s: Floats) -> NDArray[np.float32]:
        return self._conditions[self._place : self._place + len(ends_s)]

    def warm_up(self) -> None:
        """Do nothing: there is nothing to prepare."""

    def next(self, bins: int, conditions: NDArray[np.float32] | None = None) -> Counts:  # noqa: ARG002
        """Return the next bins, (bins, units); conditions are the recorded ones."""
        counts = self._counts[self._place : self._place + bins]
        self._place += bins
        return counts

    def apply(self, step: Step) -> Step:
        """Give the spikes of the latest step their own times, where the file has them."""
        if self._spikes is None:
            return step
        low, high = np.searchsorted(self._spikes.bins, [self._sent, self._sent + len(step.counts)])
        bins = self._spikes.bins[low:high] - self._sent
        begins_s = step.stamps_s - self.bin_size_s
        stamps_s = begins_s[bins] + self._spikes.shares[low:high] * self.bin_size_s
        return replace(step, event_units=self._spikes.units[low:high], event_stamps_s=stamps_s)

    def trials_in(self, step: Step) -> list[tuple[float, dict[str, Any]]]:
        """Return when trials begin in the latest step, s, on the clock of the stream, and what is known of each."""
        low, high = np.searchsorted(self._trials, [self._sent, self._sent + len(step.counts)])
        return [
            (
                float(step.stamps_s[self._trials[trial] - self._sent] - self.bin_size_s),
                {
                    "trial": trial,
                    "bins": int(self._bins_of_trials[trial]),
                    "recorded_start_s": None if self._starts_s is None else self._starts_s[trial],
                },
            )
            for trial in range(low, high)
        ]

    def jump_before(self, step: Step, expected: int | None) -> tuple[str, int]:
        """Say what happened before the latest step, "loop", "seek" or nothing, and which bin follows that step.

        Parameters
        ----------
        step : Step
        expected : int or None
            The bin that should have come; None at the beginning.
        """
        follows = self._sent + len(step.counts)
        if expected in (None, self._sent):
            return "", follows
        return "loop" if (expected, self._sent) == (self._last, self._first) else "seek", follows

    def describe(self, bins: int) -> dict[str, Any]:
        times = "recorded" if self.has_own_times else "drawn"
        described = super().describe(bins) | {"notice": self.notice}
        return described | {"position_s": self.position_s, "passes": self.passes, "spike_times": times}


class RecordedMarks:
    """A sink that marks where trials begin, where the replay went to another time, and where it began anew.

    Parameters
    ----------
    population : RecordedPopulation
        Whose steps these are.
    mark : callable
        Called with the event, its time, s, and its details.
    """

    def __init__(self, population: RecordedPopulation, mark: Callable[..., None]) -> None:
        self._population, self._mark = population, mark
        self._expected: int | None = None

    def push(self, step: Step) -> None:
        begin_s = float(step.stamps_s[0]) - self._population.bin_size_s
        event, self._expected = self._population.jump_before(step, self._expected)
        if event:
            self._mark(event, begin_s, position_s=self._population.step_s)
        for stamp_s, details in self._population.trials_in(step):
            self._mark("trial", stamp_s, **details)
