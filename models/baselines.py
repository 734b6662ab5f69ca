"""The baselines: models without a network, fitted in one go. Sampling them takes NumPy only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.models import dichotomized_gaussian, k_pairwise
from spikeloop.models.recordings.recording import Recording

__all__ = ["BASELINES", "Baseline", "Sampled", "draw_bins"]


class Sampled(Protocol):
    """A fitted model that gives spikes without end."""

    @property
    def units(self) -> int: ...

    @property
    def run_bins(self) -> int:
        """Bins that one call of a sampler gives."""
        ...

    def arrays(self) -> Mapping[str, np.ndarray]:
        """Everything the model is; floats."""
        ...

    def sampler(self, random: np.random.Generator) -> Callable[[], NDArray[np.uint8]]:
        """A stream: each call gives the next `run_bins` bins, (run_bins, units)."""
        ...


@dataclass(frozen=True)
class Baseline:
    """A family of such models.

    Attributes
    ----------
    fit : (recording, config, on_progress), of which the last is told the share that is done
    from_arrays : the model back from its arrays; BadInputError where they are not of such a model
    presets : configs by name
    """

    fit: Callable[[Recording, Any, Callable[[float], None]], Sampled]
    from_arrays: Callable[[Mapping[str, np.ndarray]], Sampled]
    presets: Mapping[str, Any]


BASELINES = {
    "dichotomized_gaussian": Baseline(
        dichotomized_gaussian.fit,
        dichotomized_gaussian.DichotomizedGaussian.from_arrays,
        dichotomized_gaussian.PRESETS,
    ),
    "k_pairwise": Baseline(k_pairwise.fit, k_pairwise.KPairwise.from_arrays, k_pairwise.PRESETS),
}


def draw_bins(model: Sampled, bins: int, seed: int) -> NDArray[np.uint8]:
    """A continuous sample, (bins, units)."""
    run = model.sampler(np.random.Generator(np.random.Philox(seed)))
    runs = [run() for _ in range(-(-bins // model.run_bins))]
    return np.concatenate(runs)[:bins]
