"""How well a model predicts the next bin from those before it: bits per spike."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import gammaln

from spikeloop.models.arrays import Counts, Floats

__all__ = ["OneStepScore", "bits_per_spike", "one_step_score", "parse_one_step"]

LARGEST = 1e15  # number that a card may hold
PRIOR_BINS = 0.5  # added to every count of a unit (Jeffreys), so that a new one costs no infinity


@dataclass(frozen=True)
class OneStepScore:
    """What a model knows of each bin of held-out data from the recorded bins before it.

    Attributes
    ----------
    bits_per_spike : float
        Of the model: log2 of its probability of the data, less that of Poisson units with constant rates, by spikes.
        0 is no better than these.
    independent_bits_per_spike : float
        The same of units that are independent of the past and of each other, with the counts of the training data.
    is_bound : bool
        Whether the model's value is a lower bound (of an autoencoder, whose likelihood has no closed form).
    bins, spikes : int
        What was predicted.
    """

    bits_per_spike: float
    independent_bits_per_spike: float
    is_bound: bool
    bins: int
    spikes: int

    def in_words(self) -> str:
        """Say it to people, in one line."""
        least = "at least " if self.is_bound else ""
        return (
            f"{least}{self.bits_per_spike:.3f} bits per spike (independent units"
            f" {self.independent_bits_per_spike:.3f}; 0: Poisson at constant rates)"
        )


def bits_per_spike(log_likelihood: float, counts: Counts) -> float:
    """Log likelihood above that of Poisson units with constant rates, in bits per spike.

    (log p(counts) - log p_Poisson(counts)) / (spikes * ln 2), the rates of the Poisson units being those of the very
    counts, as in the Neural Latents Benchmark (Pei et al. 2021, arXiv:2109.04463; Pillow et al. 2008, Nature 454:995).
    There the model's likelihood is a Poisson one too, of rates that it predicts; here it is the model's own, of all
    units of a bin together.

    Parameters
    ----------
    log_likelihood : float, nats
        Of all counts, by the model.
    counts : array of shape (..., units)

    Returns
    -------
    float
        NaN where there is no spike.
    """
    spikes = int(counts.sum(dtype=np.int64))
    return (log_likelihood - _constant_poisson(counts)) / (spikes * math.log(2)) if spikes else math.nan


def _constant_poisson(counts: Counts) -> float:
    rows = counts.reshape(-1, counts.shape[-1])
    spikes = rows.sum(axis=0, dtype=np.float64)
    spikes = spikes[spikes > 0]
    values, number = np.unique(rows, return_counts=True)
    factorials = (number * gammaln(values.astype(np.float64) + 1)).sum()
    return float((spikes * np.log(spikes / len(rows)) - spikes).sum() - factorials)


def one_step_score(
    log_likelihood: float, counts: Counts, training: Counts, is_bound: bool = False
) -> OneStepScore | None:
    """Score a model's log likelihood of held-out counts.

    Parameters
    ----------
    log_likelihood : float, nats
        Of all counts, each bin given the recorded bins before it.
    counts : array of shape (bins, units)
        Held out.
    training : array of shape (bins, units)
        From which independent units have the probability of each count.
    is_bound : bool, default False
        Whether the log likelihood is a lower bound.

    Returns
    -------
    OneStepScore, or None where there is no spike
    """
    spikes = int(counts.sum(dtype=np.int64))
    if not spikes:
        return None
    independent = bits_per_spike(_independent(counts, training), counts)
    return OneStepScore(bits_per_spike(log_likelihood, counts), independent, is_bound, len(counts), spikes)


def _independent(counts: Counts, training: Counts) -> float:
    values = 1 + int(max(counts.max(), training.max()))
    occurs, known = (_histograms(part, values) for part in (counts, training))
    known += PRIOR_BINS
    return float((occurs * np.log(known / known.sum(axis=1, keepdims=True))).sum())


def _histograms(counts: Counts, values: int) -> Floats:
    """How often each unit has each count, (units, values)."""
    return np.array([np.bincount(unit, minlength=values) for unit in counts.T], np.float64)


def parse_one_step(realism: Mapping[str, Any]) -> OneStepScore | None:
    """Read the score from the realism of a card or a checkpoint; None where there is none that can be read."""
    entry = realism.get("one_step")
    if not isinstance(entry, dict) or set(entry) != {each.name for each in fields(OneStepScore)}:
        return None
    numbers = [value for key, value in entry.items() if key != "is_bound"]
    if not all(isinstance(value, int | float) and abs(value) < LARGEST for value in numbers):
        return None
    return OneStepScore(**entry)
