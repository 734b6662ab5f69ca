"""What a model must know about a recording before it is trained: units, what they emit, and what drives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.families.traces import Traces, traces_of
from spikeloop.models.recordings.condition import Condition, conditions_from
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.repeats import recorded_rows

__all__ = ["Population", "population_of", "population_of_description"]


@dataclass(frozen=True, eq=False)
class Population:
    """A population in numbers.

    Attributes
    ----------
    distribution : "bernoulli", "counts" or "fluorescence"
        What a unit emits in a bin: 0 or 1, 0 to `largest`, or a trace.
    largest : int
        The largest count of a unit in a bin.
    means, deviations : array of shape (units,), float64
        Of a bin.
    channels : tuple of Condition
        What drives it.
    condition_means, condition_deviations : array of shape (channels,), float64
        Standardise the conditions.
    traces : Traces or None
        The shape of fluorescence, where it was looked at.
    """

    distribution: str
    largest: int
    means: Floats
    deviations: Floats
    channels: tuple[Condition, ...]
    condition_means: Floats
    condition_deviations: Floats
    traces: Traces | None = None

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.means)


def population_of(recording: Recording) -> Population:
    """Describe the population of a recording."""
    counts, conditions = (recorded_rows(part, recording.lengths) for part in (recording.counts, recording.conditions))
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
        traces=traces_of(recording) if recording.signal == "fluorescence" else None,
    )


def population_of_description(description: Mapping[str, Any]) -> Population:
    """Make the same from a checkpoint's description; its numbers are placeholders, which the tensors replace.

    Raises
    ------
    BadInputError, KeyError
        If the description lacks something.
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
