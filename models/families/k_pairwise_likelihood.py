"""Likelihood of a k-pairwise model, whose partition function no closed form gives.

It is estimated by annealed importance sampling (Neal 2001, Stat Comput 11:125): chains of independent units become,
step by step, chains of the model, and what each step adds to their probability is added up.
"""

import math

import numpy as np

from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.families.k_pairwise import KPairwise, sweep

__all__ = ["log_likelihood", "log_partition_function"]

CHAINS, STEPS = 512, 300
SURE = 40.0  # log odds of a unit that never fires, or always does


def log_likelihood(model: KPairwise, counts: Counts, random: np.random.Generator) -> float:
    """Estimate the log probability of bins, each by itself, as a k-pairwise model knows no past.

    Parameters
    ----------
    model : KPairwise
    counts : array of shape (bins, units), 0 or 1
    random : numpy.random.Generator

    Returns
    -------
    float, nats
        Of all bins. A unit that never fires in the model has log odds of -40.
    """
    states = np.ascontiguousarray(counts.T, np.float64)
    fields, couplings, potentials = _parameters(model)
    rates = np.clip(states.mean(axis=1), 1e-6, 1 - 1e-6)
    start = np.clip(np.log(rates / (1 - rates)), -SURE, SURE)
    return float(_energy(states, fields, couplings, potentials).sum()) - states.shape[1] * log_partition_function(
        model, start, random
    )


def log_partition_function(model: KPairwise, start: Floats, random: np.random.Generator) -> float:
    """Estimate log sum_x exp(h x + x J x / 2 + V(sum x)).

    Parameters
    ----------
    model : KPairwise
    start : array of shape (units,)
        Log odds of the independent units to begin from; the nearer to the model's rates, the surer the estimate.
    random : numpy.random.Generator
    """
    fields, couplings, potentials = _parameters(model)
    uniform = random.random((model.units, CHAINS))
    chains = (uniform * (1 + np.exp(-start[:, np.newaxis])) < 1).astype(np.float32)
    log_weights = np.zeros(CHAINS)
    for step in range(1, STEPS + 1):
        states = chains.astype(np.float64)
        log_weights += _energy(states, fields - start, couplings, potentials) / STEPS
        share = step / STEPS
        now = (start + share * (fields - start), share * couplings, share * potentials)
        sweep(chains, *(part.astype(np.float32) for part in now), random=random)
    largest = log_weights.max()
    return float(np.logaddexp(0, start).sum() + largest + math.log(np.exp(log_weights - largest).mean()))


def _parameters(model: KPairwise) -> tuple[Floats, Floats, Floats]:
    fields = np.clip(model.fields.astype(np.float64), -SURE, SURE)
    return fields, model.couplings.astype(np.float64), model.potentials.astype(np.float64)


def _energy(states: Floats, fields: Floats, couplings: Floats, potentials: Floats) -> Floats:
    """Log of the unnormalised probability of each state, (units, states)."""
    pairs = (states * (couplings @ states)).sum(axis=0) / 2
    return fields @ states + pairs + potentials[states.sum(axis=0).astype(np.int64)]
