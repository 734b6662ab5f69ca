"""Spikes on demand: any number of bins at a time, always the same bins for the same seed."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.streamer.engine import Engine

__all__ = ["SpikeSource", "WindowSource", "seeded"]

Counts = NDArray[np.uint8]

WINDOWS_PER_RUN = 8  # fixed, as float sums (and so, rarely, a spike) depend on the batch they are computed in
LATENT, SPIKES, EVENT_TIMES = range(3)  # what random numbers are for; each purpose has its own


def seeded(seed: int, purpose: int) -> np.random.Generator:
    """The random numbers of one purpose: counter-based, the same however many are drawn at once."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, purpose))))


class SpikeSource(Protocol):
    """An endless population.

    Attributes
    ----------
    unit_names : one per unit
    bin_size_s : float > 0
    run_bins : bins that come into being together, so that taking fewer saves no time
    """

    @property
    def unit_names(self) -> tuple[str, ...]: ...

    @property
    def bin_size_s(self) -> float: ...

    @property
    def run_bins(self) -> int: ...

    def take(self, bins: int) -> Counts:
        """The next bins, uint8 array of shape (bins, units), whatever number was taken before."""
        ...


class WindowSource:
    """Windows of a generator, one after the other.

    Parameters
    ----------
    engine : runs the generator
    seed : int >= 0; all spikes follow from it
    on_inference : told how long each run of the generator took, in seconds
    """

    def __init__(self, engine: Engine, seed: int, on_inference: Callable[[float], None] = lambda seconds: None) -> None:
        self.engine = engine
        self._on_inference = on_inference
        self._latent = seeded(seed, LATENT)
        self._uniform = seeded(seed, SPIKES)
        self._ready: Counts = np.empty((0, len(self.unit_names)), np.uint8)

    @property
    def unit_names(self) -> tuple[str, ...]:
        return self.engine.card.unit_names

    @property
    def bin_size_s(self) -> float:
        return self.engine.card.bin_size_s

    @property
    def run_bins(self) -> int:
        return WINDOWS_PER_RUN * self.engine.card.window_bins

    def take(self, bins: int) -> Counts:
        """The next bins, uint8 array of shape (bins, units)."""
        parts, missing = [self._ready[:bins]], bins - len(self._ready[:bins])
        self._ready = self._ready[bins:]
        while missing > 0:
            fresh = self._run()
            parts.append(fresh[:missing])
            self._ready = fresh[missing:]
            missing -= len(parts[-1])
        return np.concatenate(parts)

    def _run(self) -> Counts:
        """The next windows, joined: (bins, units)."""
        latent = self._latent.standard_normal((WINDOWS_PER_RUN, self.engine.card.latent_size), np.float32)
        probability = self.engine.run(latent)
        self._on_inference(self.engine.inference_s)
        spikes = self._uniform.random(probability.shape, np.float32) < probability
        return spikes.view(np.uint8).reshape(-1, probability.shape[2])
