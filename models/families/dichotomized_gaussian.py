"""Dichotomized Gaussian: spikes where a stationary Gaussian process lies under a threshold.

Macke, Berens, Ecker, Tolias, Bethge: "Generating spike trains with specified correlation coefficients", Neural
Computation 21 (2009). Where a stimulus was repeated, the threshold follows it, and the process carries the noise
correlations alone (Lyamzin, Macke, Lesica, Front. Comput. Neurosci. 4:144, 2010). The process is white noise through
one matrix filter, so it can be sampled without end. Fitting needs SciPy, sampling only NumPy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.families.baselines import Baseline
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded, recorded_rows
from spikeloop.models.recordings.requirements import require_binary

__all__ = ["FAMILIES", "PRESETS", "DichotomizedGaussian", "DichotomizedGaussianConfig", "fit", "latent_correlation"]


@dataclass(frozen=True)
class DichotomizedGaussianConfig:
    """How it is fitted."""

    lags: int = 20  # bins; covariances up to this lag are matched
    repeats_for_phases: int = 20  # of a stimulus; with fewer, or of unequal length, thresholds are constant
    taps: int = 256  # bins, the filter's length; even, more than twice the lags
    repairs: int = 80  # steps towards the nearest process that exists


PRESETS = {
    "default": DichotomizedGaussianConfig(),
    "stationary": DichotomizedGaussianConfig(repeats_for_phases=2**31),  # whether a stimulus was repeated or not
}

TERMS = 24  # of the tetrachoric series
LARGEST_CORRELATION = 0.95  # beyond, the series needs more terms, and a few spikes decide
HALVINGS = 24  # of an interval of 2
OWN_WEIGHT = 8.0  # of a unit's own covariances over time, which are few; those of pairs of units weigh up to 1
STIFFNESS = 0.3  # of the coupling between wanted and possible covariances; converges in tens of steps
BLOCK_BINS = 257  # that one block of a run adds; 512, a quick length for the FFT, with 256 taps
BLOCKS_PER_RUN = 16


@dataclass(frozen=True, eq=False)
class DichotomizedGaussian:
    """A fitted model.

    Attributes
    ----------
    thresholds : array of shape (phases, units), float32
        Repeated over time; a unit fires where its process, of variance 1, lies below.
    filter : array of shape (taps, units, units), float32
        Of white noise; row i is unit i.
    """

    thresholds: NDArray[np.float32]
    filter: NDArray[np.float32]

    @property
    def run_bins(self) -> int:
        """Bins that one call of a sampler generates."""
        return BLOCK_BINS * BLOCKS_PER_RUN

    @property
    def units(self) -> int:
        """Number of units."""
        return self.thresholds.shape[1]

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """All parameters of the model, by name."""
        return {"thresholds": self.thresholds, "filter": self.filter}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "DichotomizedGaussian":
        """Make the model from its arrays.

        Raises
        ------
        BadInputError
            If they are not those of such a model.
        """
        thresholds, response = (arrays.get(name, np.empty(0)) for name in ("thresholds", "filter"))
        if (
            thresholds.ndim != 2 or response.ndim != 3 or response.shape[1:] != (thresholds.shape[1],) * 2
            or 0 in thresholds.shape or not 2 <= len(response) <= 2**16
            or thresholds.dtype.kind != "f" or response.dtype.kind != "f"
            or np.isnan(thresholds).any() or not (np.abs(response) <= 1).all()
        ):  # fmt: skip
            raise BadInputError("expected the arrays of a dichotomized Gaussian: thresholds and a filter of variance 1")
        return cls(thresholds.astype(np.float32), response.astype(np.float32))

    def sampler(self, random: np.random.Generator) -> Callable[[], NDArray[np.uint8]]:
        """Open a stream: each call generates the next bins, (run_bins, units)."""
        (taps, units, _), phases = self.filter.shape, len(self.thresholds)
        padded = BLOCK_BINS + taps - 1
        response = np.fft.rfft(self.filter, padded, axis=0)  # (frequencies, units, units)
        noise = np.empty((taps - 1 + self.run_bins, units), np.float32)
        noise[self.run_bins :] = random.standard_normal((taps - 1, units), np.float32)
        places = BLOCK_BINS * np.arange(BLOCKS_PER_RUN)[:, np.newaxis] + np.arange(padded)
        phase = np.arange(self.run_bins) % phases

        def run() -> NDArray[np.uint8]:
            noise[: taps - 1] = noise[self.run_bins :].copy()
            noise[taps - 1 :] = random.standard_normal((self.run_bins, units), np.float32)
            spectra = np.fft.rfft(noise[places], axis=1)  # (blocks, frequencies, units); blocks overlap by taps - 1
            filtered = np.matmul(response, spectra.transpose(1, 2, 0))  # (frequencies, units, blocks)
            latent = np.fft.irfft(filtered, padded, axis=0)[taps - 1 :]  # (block bins, units, blocks)
            latent = latent.transpose(2, 0, 1).reshape(-1, units)
            spikes = latent < self.thresholds[phase]
            phase[:] = (phase + self.run_bins) % phases
            return spikes.astype(np.uint8)

        return run


def fit(
    recording: Recording, config: DichotomizedGaussianConfig, on_progress: Callable[[float], None] = lambda share: None
) -> DichotomizedGaussian:
    """Match rates and covariances at lags 0 to `config.lags`.

    A unit that never fires (or always does) stays so. Covariances that no Gaussian process has are replaced by the
    nearest that one has.

    Parameters
    ----------
    recording : Recording
    config : DichotomizedGaussianConfig
    on_progress : callable (float)
        Receives the share that is done.

    Raises
    ------
    BadInputError
        If counts are above 1, or repeats are not longer than the lags.
    """
    from scipy.special import ndtri

    require_binary(recording, "a dichotomized Gaussian")
    if recording.bins <= config.lags:
        raise BadInputError(
            f"{recording.name}: expected repeats longer than {config.lags} bins (the lags), found {recording.bins}"
        )
    rates = recorded_rows(recording.counts, recording.lengths).mean(axis=(0, 1))
    if recording.lengths is None and recording.repeats >= config.repeats_for_phases:
        shrunk = recording.counts.sum(axis=0) + rates  # one more repeat at the mean rate, so that few are never 0
        probability = shrunk / (recording.repeats + 1)  # (phases, units)
    else:
        probability = rates[np.newaxis]
    with np.errstate(divide="ignore"):
        thresholds = ndtri(probability)  # -inf for a silent unit
    variance = rates * (1 - rates)
    variances = np.outer(variance, variance)
    noise = _noise_covariances(recording, probability, config.lags)
    noise *= _reliability(noise, variances / recording.recorded_bins)
    series = _tetrachoric_series(thresholds, config.lags)
    latent = latent_correlation(series, noise)
    on_progress(0.3)
    spectrum = _nearest_spectrum(
        latent, _sensitivity(series, latent, variances), config, lambda share: on_progress(0.3 + 0.7 * share)
    )
    return DichotomizedGaussian(thresholds.astype(np.float32), _filter_of(spectrum, config.taps))


def _noise_covariances(recording: Recording, probability: Floats, lags: int) -> Floats:
    """Compute the mean over time of cov(x_i(t), x_j(t + lag)) about given probabilities, (lags + 1, units, units)."""
    _, bins, units = recording.counts.shape
    spikes = recording.counts.astype(np.float32)
    signal = np.broadcast_to(probability, (bins, units))
    covariances = np.empty((lags + 1, units, units))
    for lag in range(lags + 1):
        later = None if recording.lengths is None else [max(0, length - lag) for length in recording.lengths]
        early, late = (join_recorded(part, later) for part in (spikes[:, : bins - lag], spikes[:, lag:]))
        together = early.T @ late / np.float64(len(early))
        if len(probability) == 1:
            expected = np.outer(early.mean(axis=0, dtype=np.float64), late.mean(axis=0, dtype=np.float64))
        else:
            expected = signal[: bins - lag].T @ signal[lag:] / (bins - lag)
        covariances[lag] = together - expected
    return covariances


def _reliability(covariance: Floats, sampling_variance: Floats) -> Floats:
    """Estimate how much of each covariance is not sampling noise, 0 to 1 (positive-part Stein shrinkage).

    Two rare units that by chance never fire together would otherwise need a latent correlation of -1.
    """
    share = np.divide(sampling_variance, covariance**2, out=np.ones_like(covariance), where=covariance != 0)
    return np.clip(1 - share, 0, 1)


def _tetrachoric_series(thresholds: Floats, lags: int) -> Floats:
    """Compute coefficients c_n, (terms, lags + 1, units, units), of the covariance of spikes as a power series.

    P(x < h, y < k) - P(x < h) P(y < k) = sum_n rho^n / n! He_(n-1)(h) phi(h) He_(n-1)(k) phi(k) (Pearson 1900), whose
    terms factor, so that their mean over the phases t of h = h_i(t), k = h_j(t + lag) is a matrix product.
    """
    phases, units = thresholds.shape
    finite = np.where(np.isfinite(thresholds), thresholds, 0)
    density = np.where(np.isfinite(thresholds), np.exp(-(finite**2) / 2) / np.sqrt(2 * np.pi), 0)
    lower, hermite = np.zeros_like(finite), np.ones_like(finite)  # He_n / sqrt(n!), which stays in bounds
    series = np.empty((TERMS, lags + 1, units, units))
    for term in range(TERMS):
        factor = hermite * density / np.sqrt(term + 1)
        for lag in range(lags + 1):
            later = factor if phases == 1 else factor[lag:]
            series[term, lag] = factor[: len(later)].T @ later / len(later)
        lower, hermite = hermite, (finite * hermite - np.sqrt(term) * lower) / np.sqrt(term + 1)
    return series


def latent_correlation(series: Floats, covariance: Floats) -> Floats:
    """Find the latent correlations that give these covariances of spikes, by bisection, as one grows with the other.

    Parameters
    ----------
    series : array of shape (terms, ...)
        c_1, c_2, ... of covariance = sum_n c_n rho^n.
    covariance : array of shape (...)

    Returns
    -------
    array of shape (...)
        Within +/- 0.95: the nearest for a covariance that is out of reach; 0 for a unit that never varies. For rare
        units a negative covariance can hardly be distinguished from none, and strong negative correlations become
        weaker.
    """
    low, high = (np.full(covariance.shape, sign * LARGEST_CORRELATION) for sign in (-1, 1))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = _power_series(series, middle) < covariance
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(series[0] > 0, (low + high) / 2, 0)


def _power_series(series: Floats, value: Floats) -> Floats:
    total = np.zeros_like(value)
    for coefficient in series[::-1]:
        total = (total + coefficient) * value
    return total


def _sensitivity(series: Floats, latent: Floats, variances: Floats) -> Floats:
    """Compute how fast a pair's correlation of spikes grows with its latent one, (lags + 1, units, units)."""
    terms = np.arange(1, len(series) + 1)[:, np.newaxis, np.newaxis, np.newaxis]
    safe = np.where(latent == 0, 1e-9, latent)
    slope = _power_series(series * terms, safe) / safe
    return np.divide(slope, np.sqrt(variances), out=np.zeros_like(slope), where=variances > 0)


def _nearest_spectrum(
    latent: Floats, sensitivity: Floats, config: DichotomizedGaussianConfig, on_progress: Callable[[float], None]
) -> NDArray[np.complex128]:
    """Find the spectral density, (frequencies, units, units), of the process nearest to `latent`, (lags, units, units).

    Measured covariances rarely belong to any Gaussian process. Least squares, weighted by the effect of each on the
    spikes, with covariances beyond the lags left free, over the spectra that are positive definite at every frequency
    and have variance 1: alternating direction method of multipliers (Boyd et al. 2011, section 5).
    """
    lags, taps = config.lags, config.taps
    own = np.diag_indices(latent.shape[1])
    weight = np.clip(sensitivity / max(np.percentile(sensitivity, 90), 1e-12), 0, 1) ** 2
    weight[:, *own] = OWN_WEIGHT
    wanted, weights = (np.zeros((taps, *latent.shape[1:])) for _ in range(2))
    for target, values in ((wanted, latent), (weights, weight)):
        target[: lags + 1] = values.transpose(0, 2, 1)  # [lag] is E[z(t + lag) z(t)^T]
        target[taps - lags :] = values[:0:-1]
    positive, difference = np.zeros_like(wanted), np.zeros_like(wanted)
    spectrum = np.fft.rfft(positive, axis=0)
    for repair in range(config.repairs):
        near = (weights * wanted + STIFFNESS * (positive - difference)) / (weights + STIFFNESS)
        near[0][own] = 1
        spectrum = _positive(np.fft.rfft(near + difference, axis=0))
        positive = np.fft.irfft(spectrum, taps, axis=0)
        difference += near - positive
        on_progress((repair + 1) / config.repairs)
    scale = 1 / np.sqrt(positive[0].diagonal())
    return spectrum * scale[:, np.newaxis] * scale


def _positive(spectrum: NDArray[np.complex128], power: float = 1.0) -> NDArray[np.complex128]:
    """Set the negative eigenvalues of Hermitian matrices to zero, and raise the matrices to a power."""
    values, vectors = np.linalg.eigh(spectrum)
    power_of = (vectors * (np.maximum(values, 0) ** power)[:, np.newaxis]) @ vectors.conj().transpose(0, 2, 1)
    return np.asarray(power_of, np.complex128)


def _filter_of(spectrum: NDArray[np.complex128], taps: int) -> NDArray[np.float32]:
    """Find the filter whose squared response is the spectrum: its Hermitian root at every frequency, made causal."""
    response = np.roll(np.fft.irfft(_positive(spectrum, 0.5), taps, axis=0), taps // 2, axis=0)
    power = np.sqrt(np.square(response).sum(axis=(0, 2)))  # cut ends lose some
    return (response / power[:, np.newaxis]).astype(np.float32)


FAMILIES = {"dichotomized_gaussian": Baseline(fit, DichotomizedGaussian.from_arrays, PRESETS)}
