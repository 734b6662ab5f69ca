"""Seeded, counter-based random streams of a simulated recording, one a purpose."""

import numpy as np

from spikeloop.models.errors import BadInputError

__all__ = ["LATENTS", "REACHES", "SPIKES", "TRUTH", "random_stream"]

TRUTH, LATENTS, SPIKES, REACHES = range(4)


def random_stream(seed: int, purpose: int) -> np.random.Generator:
    """Random numbers for one purpose, whatever is drawn for others.

    Raises
    ------
    BadInputError
        If the seed is negative.
    """
    if seed < 0:
        raise BadInputError(f"expected a seed of 0 or more, found {seed}")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, purpose))))
