"""A simulated motor cortex with known truth: units tuned to the velocity of a cursor that reaches between targets.

A unit's log rate is linear in the velocity some bins earlier and in the speed (Moran & Schwartz 1999, J. Neurophysiol.
82:2676, use the rate itself). In addition, rates vary with shared latents, and spikes are refractory. Random numbers
are drawn in the order of bins, one counter-based stream for each purpose: a longer run begins with exactly the bins of
a shorter one, however it is divided into segments.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.conditioning import with_conditions
from spikeloop.models.recordings.reaches import random_reaches
from spikeloop.models.recordings.recording import Recording, from_counts

__all__ = [
    "CORTEX_BIN_S",
    "CortexTruth",
    "RunningCortex",
    "m1_sim",
    "make_cortex",
    "rates",
    "respond",
]

CORTEX_BIN_S = 0.02
LONGEST_S = 24 * 3600.0  # of a recording, so that a typing error does not fill the memory
BLOCK_BINS = 1000  # computed at once, to save memory

LARGEST_LATENCY_BINS = 4
LATENT_TIME_S = (0.1, 0.3, 1.0)  # time constants of the shared latents
CEILING = 3.0  # largest expected count per bin: 150 Hz
DEAD_TIME = 0.125  # absolute refractoriness in bins: 2.5 ms
HALVING_H, QUARTER_TURN_H = 0.25, 0.5  # in which the drifting units lose half of their rate, or turn by 90 degrees


@dataclass(frozen=True, eq=False)
class CortexTruth:
    """What drives each unit; change it with `dataclasses.replace`.

    Attributes
    ----------
    baselines_hz : array of shape (units,), Hz
        Rates at rest.
    preferred_directions : array of shape (units,), rad
    direction_gains, speed_gains : array of shape (units,), s/cm
        Of the log rate, along the preferred direction and with speed.
    latency_bins : array of shape (units,), int64 >= 0, bins
        How long after the velocity the spikes come.
    loadings : array of shape (3, units)
        Of the log rate on the shared latents, which have variance 1.
    suppression : array of shape (units,)
        Share of the rate in the next bin that is lost for a spike more than expected; 1 / (1 + m) of it where m were
        expected, as fast trains would oscillate otherwise.
    rate_drift_per_h : array of shape (units,), 1/h
        Of the log rate; 0 where it is steady.
    rotation_rad_per_h : array of shape (units,), rad/h
        Of the preferred direction; 0 where it is steady.
    """

    baselines_hz: Floats
    preferred_directions: Floats
    direction_gains: Floats
    speed_gains: Floats
    latency_bins: NDArray[np.int64]
    loadings: Floats
    suppression: Floats
    rate_drift_per_h: Floats
    rotation_rad_per_h: Floats

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.baselines_hz)

    @property
    def drifting(self) -> NDArray[np.bool_]:
        """Whether each unit drifts, (units,)."""
        return (self.rate_drift_per_h != 0) | (self.rotation_rad_per_h != 0)


def make_cortex(units: int = 96, seed: int = 0, drift: bool = False) -> CortexTruth:
    """Draw a population; with `drift`, of its two best modulated units one falls silent and one turns its tuning.

    Rates at rest are log-normal, 0.5 to 30 Hz; preferred directions are evenly spread, with jitter.

    Parameters
    ----------
    units : int >= 1
    seed : int >= 0
    drift : bool

    Raises
    ------
    BadInputError
        If there are no units, or fewer than two where they drift, or the seed is negative.
    """
    if units < 1 + drift:
        raise BadInputError(f"expected {1 + drift} units or more{' for drift' * drift}, found {units}; ask for more")
    random = random_stream(seed, Purpose.CORTEX_TRUTH)
    places = random.permutation(units) + random.uniform(-0.5, 0.5, units)
    baselines_hz = np.clip(random.lognormal(math.log(6.5), 0.75, units), 0.5, 30.0)
    direction_gains = np.clip(random.lognormal(math.log(0.02), 0.5, units), 0.005, 0.04)
    rate_drift, rotation = np.zeros(units), np.zeros(units)
    if drift:
        best, second = np.argsort(direction_gains * np.sqrt(baselines_hz))[:-3:-1]
        rotation[best] = math.pi / 2 / QUARTER_TURN_H
        rate_drift[second] = -math.log(2) / HALVING_H
    return CortexTruth(
        baselines_hz=baselines_hz,
        preferred_directions=2 * math.pi * places / units,
        direction_gains=direction_gains,
        speed_gains=random.normal(0.005, 0.008, units),
        latency_bins=random.integers(0, LARGEST_LATENCY_BINS + 1, units),
        loadings=random.normal([[0.35], [0.0], [0.0]], 0.2, (len(LATENT_TIME_S), units)),
        suppression=random.uniform(0.1, 0.4, units),
        rate_drift_per_h=rate_drift,
        rotation_rad_per_h=rotation,
    )


def rates(truth: CortexTruth, velocity: ArrayLike) -> Floats:
    """Compute expected counts per bin given the velocity: the mean over noise and over earlier spikes.

    Near 150 Hz, where units saturate, the means with noise are a little lower than this.

    Parameters
    ----------
    truth : CortexTruth
    velocity : array of shape (bins, 2), cm/s
        The cursor rested before.

    Returns
    -------
    array of shape (bins, units), float64

    Raises
    ------
    BadInputError
        If it isn't a finite velocity.
    """
    felt = np.concatenate([_rest(truth), _checked(velocity)])
    lead, bins = len(_rest(truth)), len(felt) - len(_rest(truth))
    blocks = [_expected(truth, felt[first : first + BLOCK_BINS + lead], first) for first in range(0, bins, BLOCK_BINS)]
    return np.concatenate(blocks)


def respond(truth: CortexTruth, velocity: ArrayLike, seed: int = 0) -> NDArray[np.uint8]:
    """Draw the spike counts of one run.

    Parameters
    ----------
    truth : CortexTruth
    velocity : array of shape (bins, 2), cm/s
        The cursor rested before.
    seed : int >= 0

    Returns
    -------
    array of shape (bins, units), uint8

    Raises
    ------
    BadInputError
        If it isn't a finite velocity, or the seed is negative.
    """
    cortex, driven = RunningCortex(truth, seed), _checked(velocity)
    return np.concatenate(
        [cortex.respond(driven[first : first + BLOCK_BINS]) for first in range(0, len(driven), BLOCK_BINS)]
    )


class RunningCortex:
    """A run of the population from its first bin on, in segments of any length, as a closed loop needs it.

    Parameters
    ----------
    truth : CortexTruth
    seed : int >= 0

    Raises
    ------
    BadInputError
        If the seed is negative.
    """

    def __init__(self, truth: CortexTruth, seed: int = 0) -> None:
        self.truth = truth
        self.bins = 0
        self._noise = random_stream(seed, Purpose.CORTEX_LATENTS)
        self._spikes = random_stream(seed, Purpose.CORTEX_SPIKES)
        self._latents = self._noise.standard_normal(len(LATENT_TIME_S))
        self._felt = _rest(truth)
        self._surplus = np.zeros(truth.units)  # spikes beyond the expected in the bin before, over 1 + the expected
        dead_times = np.arange(math.ceil(1 / DEAD_TIME), dtype=np.float64)  # before the first, second, ... spike
        self._room = 1 - DEAD_TIME * dead_times  # that they leave of the bin
        self._free_rates = np.linspace(0, 16, 1025)
        self._means = _mean_count(self._free_rates, self._room)

    def respond(self, velocity: ArrayLike) -> NDArray[np.uint8]:
        """Draw the counts of the next bins.

        The k-th spike belongs to a bin if k exponential intervals and the dead times between them fit into the bin.

        Parameters
        ----------
        velocity : array of shape (bins, 2), cm/s

        Returns
        -------
        array of shape (bins, units), uint8

        Raises
        ------
        BadInputError
            If it isn't a finite velocity.
        """
        felt = np.concatenate([self._felt, _checked(velocity)])
        bins = len(felt) - len(self._felt)
        intensities = _expected(self.truth, felt, self.bins) * self._shared_noise(bins)
        np.minimum(intensities, CEILING, out=intensities)
        intervals = self._spikes.standard_exponential((bins, len(self._room), self.truth.units), np.float32)
        needed = np.cumsum(intervals, axis=1) / self._room[:, np.newaxis]  # free rate at which the k-th spike fits in
        counts = np.empty((bins, self.truth.units), np.uint8)
        for t in range(bins):
            wanted = intensities[t] * np.maximum(1 - self.truth.suppression * self._surplus, 0)
            free_rate = np.interp(wanted, self._means, self._free_rates)
            counts[t] = np.count_nonzero(needed[t] <= free_rate, axis=0)
            self._surplus = (counts[t] - intensities[t]) / (1 + intensities[t])
        self._felt = felt[bins:]
        self.bins += bins
        return counts

    def _shared_noise(self, bins: int) -> Floats:
        """Draw factors of mean 1 from Ornstein-Uhlenbeck latents, (bins, units)."""
        decay = np.exp(-CORTEX_BIN_S / np.array(LATENT_TIME_S))
        kicks = np.sqrt(1 - decay**2) * self._noise.standard_normal((bins, len(decay)))
        log_factor = np.tile(-(self.truth.loadings**2).sum(axis=0) / 2, (bins, 1))
        for t in range(bins):
            self._latents = decay * self._latents + kicks[t]
            kicks[t] = self._latents
        for latent, loading in zip(kicks.T, self.truth.loadings, strict=True):  # no BLAS: its rounding varies with size
            log_factor += latent[:, np.newaxis] * loading
        return np.exp(log_factor)


def m1_sim(duration_s: float = 1800.0, seed: int = 0, drift: bool = False, units: int = 96) -> Recording:
    """Record `make_cortex(units, seed, drift)` during random reaches, driven by the cursor's velocity.

    Its counts are `respond(truth, recording.conditions[0], seed)`.

    Parameters
    ----------
    duration_s : float from 0.02 to 86400, s
    seed : int >= 0
    drift : bool
        Whether two units drift.
    units : int >= 1

    Raises
    ------
    BadInputError
        If it is no duration from one bin to 24 h, or no population.
    """
    if not CORTEX_BIN_S <= duration_s <= LONGEST_S:
        raise BadInputError(
            f"expected a duration from {CORTEX_BIN_S:g} to {LONGEST_S:g} s, found {duration_s:g}; ask for another"
        )
    truth = make_cortex(units, seed, drift)
    reaches = random_reaches(round(duration_s / CORTEX_BIN_S), CORTEX_BIN_S, seed)
    velocity = reaches.velocity_cm_s.astype(np.float32)  # exactly the values that the recording states
    origin = f"simulated motor cortex, {units} units, seed {seed}{', two of them drifting' * drift}"
    recording = from_counts(respond(truth, velocity, seed), CORTEX_BIN_S, name="m1-sim", origin=origin)
    return with_conditions(recording, velocity, ("velocity x", "velocity y"), ("cm/s", "cm/s"))


def _expected(truth: CortexTruth, felt: Floats, first_bin: int) -> Floats:
    """Compute expected counts, (bins, units), from `first_bin` on; `felt` begins earlier by the longest latency."""
    lead = len(_rest(truth))
    bins = np.arange(len(felt) - lead)[:, np.newaxis]
    x, y = np.moveaxis(felt[lead + bins - truth.latency_bins], -1, 0)  # (bins, units)
    hours = (first_bin + bins) * (CORTEX_BIN_S / 3600)
    preferred = truth.preferred_directions + truth.rotation_rad_per_h * hours
    along = x * np.cos(preferred) + y * np.sin(preferred)
    log_baseline = np.log(truth.baselines_hz * CORTEX_BIN_S) + truth.rate_drift_per_h * hours
    log_rate = log_baseline + truth.direction_gains * along + truth.speed_gains * np.hypot(x, y)
    return np.exp(np.minimum(log_rate, math.log(CEILING)))


def _mean_count(free_rates: Floats, room: Floats) -> Floats:
    """Compute the expected count of a bin where spikes come at a free rate, per bin, after each dead time."""
    spikes = np.arange(1, len(room) + 1)
    return gammainc(spikes, np.multiply.outer(free_rates, room)).sum(axis=-1)


def _rest(truth: CortexTruth) -> Floats:
    """Return the velocity before the first bin, as far back as the slowest unit responds to it, (bins, 2)."""
    return np.zeros((int(truth.latency_bins.max()), 2))


def _checked(velocity: ArrayLike) -> Floats:
    array = np.asarray(velocity)
    numeric = array.dtype.kind in "buif"
    if not numeric or array.ndim != 2 or array.shape[1] != 2 or not len(array) or not np.isfinite(array).all():
        raise BadInputError(
            f"expected a finite velocity of shape (bins, 2) in cm/s, found {array.shape} of {array.dtype}"
            f"{' with NaN or infinity' if numeric and not np.isfinite(array).all() else ''}"
        )
    return array.astype(np.float64)
