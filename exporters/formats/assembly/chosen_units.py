"""Which units of a file are read: by label, by number, or by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import LABELS, Choices, chosen_numbers, is_range
from spikeloop.exporters.formats.found import Binned, Found, SpikeTrains
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.timed_spikes import of_units

__all__ = ["chosen_units", "with_chosen_units"]


def with_chosen_units(found: Found, choices: Choices) -> Found:
    """Keep the units that were chosen, and name those without names by numbers; BadInputError where there are none."""
    spikes = found.spikes
    units = len(spikes.trains) if isinstance(spikes, SpikeTrains) else _last_axis(spikes.values, found.name)
    if found.unit_names is not None and len(found.unit_names) != units:
        raise BadInputError(
            f"{found.name}: expected a name for each of {units} units, found {len(found.unit_names)} names; are the"
            " axes of the counts in another order? say it with --axes or --transpose"
        )
    names = found.unit_names or tuple(f"unit {number}" for number in range(units))
    if choices.units is None:
        return replace(found, unit_names=names)
    numbers = _numbers_in(names) if found.chosen_by_number else None
    chosen = chosen_units(choices.units, names, found.unit_labels, found.name, numbers)
    if isinstance(spikes, SpikeTrains):
        of_spike = spikes.trial_of_spike
        kept: SpikeTrains | Binned = replace(
            spikes,
            trains=[spikes.trains[number] for number in chosen],
            trial_of_spike=None if of_spike is None else [of_spike[number] for number in chosen],
        )
    else:
        times = None if spikes.spike_times is None else of_units(spikes.spike_times, chosen, units)
        values = spikes.values
        part = values[..., chosen] if isinstance(values, np.ndarray) else [trial[..., chosen] for trial in values]
        kept = replace(spikes, values=part, spike_times=times)
    return replace(
        found,
        spikes=kept,
        unit_names=tuple(names[number] for number in chosen),
        history=(*found.history, f"kept {len(chosen)} of {units} units: {choices.units}"),
    )


def chosen_units(
    text: str,
    names: Sequence[str],
    labels: Sequence[str] | None,
    name: str,
    numbers: Sequence[int] | None = None,
) -> NDArray[np.int64]:
    """Return the places of the units that are chosen by label, by name, or by number.

    Numbers are those of the clusters, where these are given, or else places.
    """
    wanted = text.strip()
    if labels is not None and wanted.lower() in {label.lower() for label in labels}:
        return np.array([i for i, label in enumerate(labels) if label.lower() == wanted.lower()])
    parts = [part.strip() for part in wanted.split(",")]
    if all(part in names for part in parts):
        return np.array([names.index(part) for part in parts])
    if numbers is not None and is_range(wanted):
        return _numbered(wanted, numbers, name)
    if is_range(wanted) or wanted == "all":
        return chosen_numbers("--units", wanted, len(names), "units")
    there_are = f"labels {', '.join(sorted(set(labels)))}" if labels else "no labels of quality"
    if wanted.lower() in LABELS:
        raise BadInputError(f"--units: expected units labelled {wanted}, found {there_are} in {name}")
    raise BadInputError(
        f"--units: expected a label, names of units, or numbers from 0 to {len(names) - 1} such as 0-31,40, found"
        f" {wanted!r:.60}; {name} has {there_are} and units {', '.join(names[:3])}, ..."
    )


def _numbers_in(names: Sequence[str]) -> list[int] | None:
    """Return the numbers of names such as "unit 7"; None where one has none, or two have the same."""
    ends = [name.rpartition(" ")[2] for name in names]
    numbers = [int(end) for end in ends if end.isascii() and end.isdecimal() and len(end) < 19]
    return numbers if len(set(numbers)) == len(names) else None


def _numbered(text: str, numbers: Sequence[int], name: str) -> NDArray[np.int64]:
    """Return the places of units with these numbers; of a range, those that there are."""
    places = {number: place for place, number in enumerate(numbers)}
    chosen: dict[int, None] = {}
    for part in text.replace(" ", "").split(","):
        first, _, last = part.partition("-")
        low, high = int(first), int(last or first)
        inside = [places[number] for number in sorted(places) if low <= number <= high]
        if not inside:
            there_are = ", ".join(map(str, sorted(places)[:8]))
            raise BadInputError(
                f"--units: expected numbers of units as {name} has them ({there_are}{', ...' * (len(places) > 8)}),"
                f" found {part:.60}"
            )
        chosen |= dict.fromkeys(inside)
    return np.array(list(chosen))


def _last_axis(values: NDArray[Any] | Sequence[NDArray[Any]], name: str) -> int:
    shapes = [values.shape] if isinstance(values, np.ndarray) else [trial.shape for trial in values]
    if not shapes or any(len(shape) < 2 for shape in shapes) or len({shape[-1] for shape in shapes}) != 1:
        raise BadInputError(
            f"{name}: expected counts of shape (bins, units) or (trials, bins, units), found"
            f" {', '.join(map(str, shapes[:3])) or 'nothing'}"
        )
    return shapes[0][-1]
