"""Trials as a closed loop leaves them, made up."""

from spikeloop.streamer.closedloop.experiment.record import Trial
from spikeloop.streamer.closedloop.experiment.tasks import Target
from spikeloop.streamer.closedloop.experiment.trials import Outcome

BIN_S, TIMEOUT_S = 0.02, 6.0


def success(time_s=1.0, touched_s=None, hold_s=0.5, place=(8.0, 0.0), width=3.0, path_cm=(10.0, 8.0), start=50):
    """From the centre; the target appears at bin `start`."""
    acquired = start + round(time_s / BIN_S)
    touched = acquired if touched_s is None else start + round(touched_s / BIN_S)
    bins = (start, acquired + round(hold_s / BIN_S), touched, acquired)
    return Trial("closed loop", 0, Target(place, width), "success", (0.0, 0.0), *bins, *path_cm)


def failure(time_s=6.0, outcome: Outcome = "timeout", touched_s=None, place=(8.0, 0.0), start=50):
    touched = None if touched_s is None else start + round(touched_s / BIN_S)
    ended = start + round(time_s / BIN_S)
    return Trial("closed loop", 0, Target(place, 3.0), outcome, (0.0, 0.0), start, ended, touched)


def mixed(random, trials=60):
    """Times and paths drawn at random; one in four fails."""
    return [
        failure(random.uniform(3, 6))
        if random.random() < 0.25
        else success(each[0], each[1] * each[0], path_cm=(each[2], 8.0), start=place)
        for place, each in enumerate(random.uniform((0.5, 0.3, 8), (3, 1, 20), (trials, 3)))
    ]
