"""What a baseline is: a model without a network, fitted in one go, that takes only NumPy to sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.recording import Recording

__all__ = ["Baseline", "Sampled", "draw_bins"]


class Sampled(Protocol):
    """A fitted model that generates spikes without end."""

    @property
    def units(self) -> int: ...

    @property
    def run_bins(self) -> int:
        """Bins that one call of a sampler generates."""
        ...

    def arrays(self) -> Mapping[str, np.ndarray]:
        """All parameters of the model, by name; floats."""
        ...

    def sampler(self, random: np.random.Generator) -> Callable[[], NDArray[np.uint8]]:
        """Open a stream: each call generates the next bins, array of shape (run_bins, units)."""
        ...


@dataclass(frozen=True)
class Baseline:
    """A family of such models.

    Attributes
    ----------
    fit : callable (recording, config, on_progress) -> Sampled
        `on_progress` receives the share that is done, from 0 to 1.
    from_arrays : callable (arrays) -> Sampled
        Makes the model from its arrays; raises BadInputError where they are not of such a model.
    presets : mapping of str to config
    """

    fit: Callable[[Recording, Any, Callable[[float], None]], Sampled]
    from_arrays: Callable[[Mapping[str, np.ndarray]], Sampled]
    presets: Mapping[str, Any]


def draw_bins(model: Sampled, bins: int, seed: int) -> NDArray[np.uint8]:
    """Draw a continuous sample.

    Returns
    -------
    array of shape (bins, units), uint8
    """
    run = model.sampler(random_stream(seed, Purpose.BASELINE_SAMPLES))
    runs = [run() for _ in range(-(-bins // model.run_bins))]
    return np.concatenate(runs)[:bins]
