"""What the loop itself allows: trials of its user with a decoder that knows the intended velocity."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.errors import FailureError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.closedloop.experiment.oracle import OracleDecoder, RememberedUser
from spikeloop.streamer.closedloop.experiment.plan import least_calibration_s
from spikeloop.streamer.closedloop.experiment.record import Moment, Trial
from spikeloop.streamer.closedloop.experiment.session import run_session
from spikeloop.streamer.closedloop.experiment.user_spec import open_user
from spikeloop.streamer.closedloop.setup import Setup

__all__ = ["Ceiling", "counted", "measured_ceiling"]

TRIALS = 8  # a round of the centre-out task
MOST_BINS = 50_000  # some seconds of work; a task may allow a trial hours


@dataclass(frozen=True)
class Ceiling:
    """How many trials succeeded of a decoder that knows the intended velocity."""

    successes: int
    trials: int


class _Silence:
    """A population that never fires: this decoder does not need one."""

    def __init__(self, unit_names: tuple[str, ...], bin_size_s: float) -> None:
        self.unit_names, self.bin_size_s = unit_names, bin_size_s
        self._nothing = np.zeros(len(unit_names), np.uint8)

    def respond(self, velocity_cm_s: Floats, position_cm: Floats) -> Counts:  # noqa: ARG002
        """No spikes, (units,)."""
        return self._nothing.copy()


class _Patience:
    """Ends a session after so many bins."""

    def __init__(self, bins: int) -> None:
        self.left = bins

    def show(self, moment: Moment) -> None:
        """A bin is over."""
        self.left -= moment.passed
        if not self.left:
            raise FailureError("the oracle takes too long")


def measured_ceiling(setup: Setup) -> Ceiling | None:
    """Let the user of a setup do a few trials with the oracle, on a simulated clock and without any spikes.

    Task, perturbations, gain, smoothing and bins are the setup's. It takes a fraction of a second, or at most some
    seconds: a trial that is not over then has failed.

    Parameters
    ----------
    setup : Setup

    Returns
    -------
    Ceiling or None
        None of a user that is not simulated, and where trials failed to run.

    Raises
    ------
    BadInputError
        If the plan can't be carried out.
    KeyboardInterrupt
        At Ctrl-C.
    """
    if setup.user.kind != "simulated":
        return None
    plan, card, seed = setup.plan, setup.loaded.card, setup.seeds[0]
    waits = plan.decoder_bins > 1  # what gathers bins learns how many units there are
    calibration_s = least_calibration_s(setup.decoder_bin_s) if waits else 0.0
    brief = dataclasses.replace(
        plan, trials=min(plan.trials, TRIALS), calibration_s=calibration_s, recalibrate_after=0, seed=seed
    )
    random = random_stream(seed, Purpose.USER)
    user = RememberedUser(open_user(setup.user, setup.user_model, plan.task.extent_cm, card.bin_size_s, random))
    population, patience = _Silence(card.unit_names, card.bin_size_s), _Patience(MOST_BINS)
    record = run_session(brief, population, user, OracleDecoder(user), (patience,))
    if record.interrupted:
        raise KeyboardInterrupt
    return None if record.failure and patience.left else counted(record.trials)


def counted(trials: Sequence[Trial]) -> Ceiling:
    """Count the trials of an oracle."""
    return Ceiling(sum(trial.outcome == "success" for trial in trials), len(trials))
