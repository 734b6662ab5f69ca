"""What a model must know of a recording before it is trained: units, what they emit, and what drives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.recordings.condition import Condition, conditions_from
from spikeloop.models.recordings.recording import Recording

__all__ = ["Population", "population_of", "population_of_description"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Population:
    """A population in numbers.

    Attributes
    ----------
    distribution : what a unit emits in a bin: "bernoulli" (0 or 1), "counts" (0 to `largest`) or "fluorescence"
    means, deviations : (units,), of a bin
    channels : what drives it
    condition_means, condition_deviations : (channels,), to standardise conditions by
    """

    distribution: str
    largest: int
    means: Floats
    deviations: Floats
    channels: tuple[Condition, ...]
    condition_means: Floats
    condition_deviations: Floats

    @property
    def units(self) -> int:
        return len(self.means)


def population_of(recording: Recording) -> Population:
    """The population that was recorded."""
    counts, conditions = recording.counts, recording.conditions
    largest = int(counts.max())
    spiking = "counts" if largest > 1 else "bernoulli"
    return Population(
        distribution=spiking if recording.signal == "spikes" else recording.signal,
        largest=largest,
        means=counts.mean(axis=(0, 1), dtype=np.float64),
        deviations=counts.std(axis=(0, 1), dtype=np.float64),
        channels=recording.channels,
        condition_means=conditions.mean(axis=(0, 1), dtype=np.float64),
        condition_deviations=conditions.std(axis=(0, 1), dtype=np.float64),
    )


def population_of_description(description: Mapping[str, Any]) -> Population:
    """The same from what a checkpoint says of its data; its numbers are placeholders, which its tensors replace.

    Raises
    ------
    BadInputError, KeyError
        If it says too little.
    """
    channels = conditions_from(description.get("channels", []), description["name"])
    units = np.ones(len(description["unit_names"]))
    return Population(
        distribution=description.get("distribution", "bernoulli"),
        largest=description.get("largest", 1),
        means=units / 2,
        deviations=units,
        channels=channels,
        condition_means=np.zeros(len(channels)),
        condition_deviations=np.ones(len(channels)),
    )
