"""K-pairwise maximum entropy: the least structured populations with given rates, pairs, and population counts.

Tkacik, Marre, Amodei, Schneidman, Bialek, Berry: "Searching for collective behavior in a large network of sensory
neurons", PLoS Computational Biology 10:e1003408 (2014): log P(x) = sum_i h_i x_i + sum_i<j J_ij x_i x_j + V(sum_i x_i)
+ const. Bins are independent of each other. Fitted by persistent Markov chains, with NumPy only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.families.baselines import Baseline
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import join_recorded
from spikeloop.models.recordings.requirements import require_binary

__all__ = ["FAMILIES", "PRESETS", "KPairwise", "KPairwiseConfig", "fit"]

Floats = NDArray[np.float32]
Chains = NDArray[np.float32]  # (units, chains), 0 or 1


@dataclass(frozen=True)
class KPairwiseConfig:
    """How it is fitted."""

    chains: int = 8192  # that the model's moments are estimated from
    steps: int = 1500  # of the fit, each a sweep of every chain
    rate: float = 0.3  # of the first steps, in units of the moments' own inverse variance
    decay_steps: int = 150  # the rate falls as 1 / (1 + step / decay_steps)
    pseudo_bins: float = 1.0  # of independent units, added to the data so that no pair is impossible
    seed: int = 0


PRESETS = {"default": KPairwiseConfig()}

RUN_CHAINS = 1024  # bins of a run, one from each chain
RUN_SWEEPS = 8  # between runs, so that a chain's bins hardly depend on each other
BURN_IN = 100  # sweeps
MOST_RATE_ERROR = 0.5  # of the population, beyond five standard errors
LARGEST = 1e3  # of a coupling or potential, in nats
IMPOSSIBLE = -30.0  # potential of a population count larger than any recorded one


@dataclass(frozen=True, eq=False)
class KPairwise:
    """A fitted model.

    Attributes
    ----------
    fields : array of shape (units,), float32
        h; -inf for a unit that never fires, inf for one that always does.
    couplings : array of shape (units, units), float32
        J; symmetric, its diagonal zero.
    potentials : array of shape (units + 1,), float32
        V.
    """

    fields: Floats
    couplings: Floats
    potentials: Floats

    @property
    def run_bins(self) -> int:
        """Bins that one call of a sampler generates."""
        return RUN_CHAINS

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.fields)

    def arrays(self) -> dict[str, Floats]:
        """All parameters of the model, by name."""
        return {"fields": self.fields, "couplings": self.couplings, "potentials": self.potentials}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "KPairwise":
        """Make the model from its arrays.

        Raises
        ------
        BadInputError
            If they are not those of such a model.
        """
        found = [np.asarray(arrays.get(name, ())) for name in ("fields", "couplings", "potentials")]
        units = found[0].size
        shapes = [(units,), (units, units), (units + 1,)]
        if (
            units == 0
            or any(
                array.shape != shape or array.dtype.kind != "f" or np.isnan(array).any()
                for array, shape in zip(found, shapes, strict=True)
            )
            or not all((np.abs(array) <= LARGEST).all() for array in found[1:])
        ):
            raise BadInputError("expected the arrays of a k-pairwise model: fields, couplings and potentials")
        return cls(*(np.asarray(array, np.float32) for array in found))

    def sampler(self, random: np.random.Generator) -> Callable[[], NDArray[np.uint8]]:
        """Open a stream: each call generates the next bins, (run_bins, units)."""
        chains = np.zeros((len(self.fields), RUN_CHAINS), np.float32)
        sweeps = BURN_IN

        def run() -> NDArray[np.uint8]:
            nonlocal sweeps
            for _ in range(sweeps):
                sweep(chains, self.fields, self.couplings, self.potentials, random)
            sweeps = RUN_SWEEPS
            return chains.T.astype(np.uint8)

        return run


def fit(
    recording: Recording, config: KPairwiseConfig, on_progress: Callable[[float], None] = lambda share: None
) -> KPairwise:
    """Match rates, pairs and the distribution of the population count.

    Stochastic ascent of the likelihood, whose slope is the difference of moments between data and model, each
    divided by its own variance; chains persist from step to step (Tieleman 2008). The parameters are averaged over
    the second half (Polyak and Juditsky 1992).

    Parameters
    ----------
    recording : Recording
    config : KPairwiseConfig
    on_progress : callable (float)
        Receives the share that is done.

    Raises
    ------
    BadInputError
        If counts are above 1.
    FailureError
        If chains that start from silence don't reach the population's activity.
    """
    require_binary(recording, "a k-pairwise model")
    random = random_stream(config.seed, Purpose.K_PAIRWISE_FIT)
    spikes = join_recorded(recording.counts, recording.lengths)
    pairs, population = _moments(spikes.T.astype(np.float32))
    rates = pairs.diagonal().copy()
    share = config.pseudo_bins / (len(spikes) + config.pseudo_bins)
    pairs = (1 - share) * pairs + share * np.outer(rates, rates)
    occurs = population > 0
    live = (rates > 0) & (rates < 1)
    with np.errstate(divide="ignore"):
        fields = np.log(rates / (1 - rates))
    couplings = np.zeros_like(pairs)
    potentials = np.where(occurs, 0.0, IMPOSSIBLE)
    totals = [np.zeros_like(array) for array in (fields, couplings, potentials)]
    chains = (random.random((recording.units, config.chains), np.float32) < rates[:, np.newaxis]).astype(np.float32)
    for step in range(config.steps):
        sweep(chains, *(array.astype(np.float32) for array in (fields, couplings, potentials)), random=random)
        found, found_population = _moments(chains)
        rate = config.rate / (1 + step / config.decay_steps)
        change = rate * (pairs - found) / np.maximum(pairs * (1 - pairs), 1 / config.chains)
        fields[live] += change.diagonal()[live]
        np.fill_diagonal(change, 0)
        couplings += change
        potentials[occurs] += (
            rate
            * ((population - found_population) / np.maximum(population * (1 - population), 1 / config.chains))[occurs]
        )
        if step >= config.steps // 2:
            for total, value in zip(totals, (fields, couplings, potentials), strict=True):
                total += value
        on_progress((step + 1) / config.steps)
    averaged = config.steps - config.steps // 2
    model = KPairwise(*((total / averaged).astype(np.float32) for total in totals))
    _check_rates(model, rates, random, recording.name)
    return model


def _check_rates(model: KPairwise, rates: NDArray[np.float64], random: np.random.Generator, name: str) -> None:
    """Make sure that fresh chains reach the population's activity, not only those that the fit has run."""
    found = model.sampler(random)().mean()
    expected_spikes = max(rates.sum() * RUN_CHAINS, 1e-12)
    if abs(found / max(rates.mean(), 1e-12) - 1) > MOST_RATE_ERROR + 5 / np.sqrt(expected_spikes) and rates.any():
        raise FailureError(
            f"{name}: the k-pairwise fit did not reach the data's mean count of {rates.mean():.4f} a bin, but"
            f" {found:.4f}; units that always fire together can't be sampled one by one: remove the copies"
        )


def sweep(chains: Chains, fields: Floats, couplings: Floats, potentials: Floats, random: np.random.Generator) -> None:
    """Draw every unit of every chain once, given all others (Gibbs sampling); in place."""
    population = chains.sum(axis=0).astype(np.int64)
    steps = np.diff(potentials)
    for unit, own in enumerate(chains):
        rest = population - own.astype(np.int64)
        log_odds = couplings[unit] @ chains
        log_odds += fields[unit] + steps[rest]
        uniform = 1 - random.random(len(own), np.float32)  # above 0, so that what is impossible never happens
        drawn = uniform * (1 + np.exp(-np.clip(log_odds, -80, 80))) <= 1
        chains[unit] = drawn
        population = rest + drawn


def _moments(chains: Chains) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute E[x_i x_j], with rates on the diagonal, and P(K) of states, (units, states)."""
    units, states = chains.shape
    pairs = (chains @ chains.T).astype(np.float64) / states
    population = np.bincount(chains.sum(axis=0).astype(np.int64), minlength=units + 1) / states
    return pairs, population


FAMILIES = {"k_pairwise": Baseline(fit, KPairwise.from_arrays, PRESETS)}
