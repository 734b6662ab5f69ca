"""What a session does, and whether it can."""

from dataclasses import dataclass, field

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.experiment.perturbations import Perturbation
from spikeloop.streamer.closedloop.experiment.tasks import CenterOut, Task

__all__ = ["Plan", "check_plan", "least_calibration_s"]

LEAST_CALIBRATION_S, LEAST_CALIBRATION_BINS = 10.0, 20  # of the decoder's
LONGEST_CALIBRATION_S = 36000.0


@dataclass(frozen=True)
class Plan:
    """What a session does.

    Attributes
    ----------
    task : Task
    trials : int >= 1
        Of the closed loop.
    calibration_s : float, s
        Length of the observation block before it; 0 for none, where the decoder has learned already.
    recalibrate_after : int
        Trials of a first closed loop, from which the decoder then learns anew; 0 for none.
    observation_gain : float > 0
        Of the velocity that the population answers to while the user only watches: its modulation in the calibration,
        as a share of that in the closed loop.
    gain, smoothing : float
        Of the decoded velocity; see `Shaped`.
    decoder_bins : int >= 1
        Bins of the population that the decoder receives as one.
    perturbations : tuple of Perturbation
    scored_s : float, s
        Length of an observation at the end, which the decoder decodes without learning from it, so that a session
        without a calibration has a score offline too; 0 for none.
    seed : int
        Of targets, user and perturbations; the population has its own.
    """

    task: Task = field(default_factory=CenterOut)
    trials: int = 64
    calibration_s: float = 180.0
    recalibrate_after: int = 0
    observation_gain: float = 1.0
    gain: float = 1.0
    smoothing: float = 0.0
    decoder_bins: int = 1
    perturbations: tuple[Perturbation, ...] = ()
    scored_s: float = 0.0
    seed: int = 0


def check_plan(plan: Plan, bin_size_s: float) -> None:
    """Refuse a plan that can't be carried out.

    Parameters
    ----------
    plan : Plan
    bin_size_s : float > 0, s
        Of the population.

    Raises
    ------
    BadInputError
        If something is out of range.
    """
    if plan.trials < 1 or plan.recalibrate_after < 0 or plan.seed < 0:
        raise BadInputError(
            f"expected 1 trial or more, 0 or more before recalibration and a seed of 0 or more, found {plan.trials},"
            f" {plan.recalibrate_after} and {plan.seed}"
        )
    if plan.recalibrate_after and not plan.gain > 0:
        raise BadInputError(f"--gain: expected more than 0 with --recalibrate, found {plan.gain:g}")
    longest, decoder_bin_s = plan.task.timeout_s / 2, plan.decoder_bins * bin_size_s
    if not 1 <= plan.decoder_bins <= longest / bin_size_s:
        raise BadInputError(
            f"--decoder-bin: expected {1000 * bin_size_s:g} to {1000 * longest:g} ms, found {1000 * decoder_bin_s:g}"
        )
    least = least_calibration_s(decoder_bin_s)
    if plan.calibration_s and not least <= plan.calibration_s <= LONGEST_CALIBRATION_S:
        raise BadInputError(
            f"--calibration: expected 0 or {least:g} to {LONGEST_CALIBRATION_S:g} s, found {plan.calibration_s:g}"
        )


def least_calibration_s(decoder_bin_s: float) -> float:
    """Return how long a calibration has to be at least, s, where there is one."""
    return max(LEAST_CALIBRATION_S, LEAST_CALIBRATION_BINS * decoder_bin_s)
