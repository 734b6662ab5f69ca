"""How far a closed loop is, trial by trial."""

from collections.abc import Callable
from dataclasses import dataclass

from spikeloop.streamer.closedloop.experiment.record import Moment, Watcher
from spikeloop.streamer.closedloop.experiment.trials import OUTCOMES, Event
from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["TrialCounter", "TrialDone"]


@dataclass(frozen=True)
class TrialDone:
    """A trial that has ended.

    Attributes
    ----------
    decoder : str
    seed : int
    trial : int
        Counted in its session.
    outcome : {"success", "timeout", "wrong", "lost"}
    done, total : int
        Trials of all sessions, this one included.
    """

    decoder: str
    seed: int
    trial: int
    outcome: str
    done: int
    total: int


class TrialCounter:
    """Counts the trials of all sessions, and calls a function after each.

    Parameters
    ----------
    setup : Setup
    on_trial : callable (TrialDone) -> None
    """

    def __init__(self, setup: Setup, on_trial: Callable[[TrialDone], None]) -> None:
        self.total = len(setup.seeds) * len(setup.decoders) * (setup.plan.recalibrate_after + setup.plan.trials)
        self._on_trial, self._done = on_trial, 0

    def watch(self, decoder: str, seed: int) -> Watcher:
        """Begin a session."""
        return _Session(self, decoder, seed)

    def count(self, decoder: str, seed: int, event: Event) -> None:
        """Count what ends a trial."""
        if event.kind in OUTCOMES:
            self._done += 1
            self._on_trial(TrialDone(decoder, seed, event.trial, event.kind, self._done, self.total))


class _Session:
    def __init__(self, counter: TrialCounter, decoder: str, seed: int) -> None:
        self._counter, self._decoder, self._seed = counter, decoder, seed

    def show(self, moment: Moment) -> None:
        for event in moment.events:
            self._counter.count(self._decoder, self._seed, event)
