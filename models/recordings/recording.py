"""A recording: spike counts of a population in equal bins, over one or more repeats, and what drove it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import (
    LONGEST_NAME,
    Condition,
    conditions_of,
    is_sound,
    phase_condition,
    phases,
)

__all__ = [
    "LONGEST_BIN_S",
    "SHORTEST_BIN_S",
    "Recording",
    "Signal",
    "from_counts",
    "from_fluorescence",
    "is_label",
    "part_of",
    "require_binary",
    "require_spikes",
    "with_conditions",
    "with_lead",
    "with_phase",
    "without_conditions",
]

Signal = Literal["spikes", "fluorescence"]

SHORTEST_BIN_S, LONGEST_BIN_S = 1e-5, 10.0
LONGEST_LABEL = 200


@dataclass(frozen=True, eq=False)
class Recording:
    """Spike counts of a population.

    Attributes
    ----------
    counts : uint8 array of shape (repeats, bins, units)
        A continuous recording is one repeat. Time runs on inside a repeat, never from one to the next.
        Of imaging, `signal` "fluorescence", they are float32, not negative, and no counts.
    bin_size_s : float > 0
    unit_names : one name per unit
    name, origin : what it is called and where it comes from
    channels : of the conditions; empty where none were recorded or wanted
    driven_by : float32 array of shape (repeats, bins, channels)
    """

    counts: NDArray[np.uint8]
    bin_size_s: float
    unit_names: tuple[str, ...]
    name: str = "recording"
    origin: str = ""
    signal: Signal = "spikes"
    channels: tuple[Condition, ...] = ()
    driven_by: NDArray[np.float32] | None = None

    @property
    def conditions(self) -> NDArray[np.float32]:
        """What drove the population, (repeats, bins, channels)."""
        nothing = np.zeros((*self.counts.shape[:2], 0), np.float32)
        return nothing if self.driven_by is None else self.driven_by

    @property
    def units(self) -> int:
        return self.counts.shape[2]

    @property
    def bins(self) -> int:
        """Bins of one repeat."""
        return self.counts.shape[1]

    @property
    def repeats(self) -> int:
        return self.counts.shape[0]


def from_counts(
    counts: ArrayLike,
    bin_size_s: float,
    unit_names: Sequence[str] | None = None,
    name: str = "recording",
    origin: str = "",
) -> Recording:
    """A recording from an array of whole spike counts.

    Parameters
    ----------
    counts : array of shape (bins, units) or (repeats, bins, units), whole numbers from 0 to 255
    bin_size_s : float from 1e-5 to 10
    unit_names : one per unit, printable; by default "unit 0", "unit 1", ...

    Raises
    ------
    BadInputError
        If the array has another shape, is empty, or holds anything but such counts.
    """
    array = np.asarray(counts)
    if array.ndim == 2:
        array = array[np.newaxis]
    if array.ndim != 3 or array.size == 0:
        raise BadInputError(
            f"{name}: expected counts of shape (bins, units) or (repeats, bins, units), found {np.shape(counts)}"
        )
    if array.dtype.kind not in "buif":
        raise BadInputError(f"{name}: expected whole spike counts, found values of type {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadInputError(f"{name}: expected whole spike counts, found NaN or infinity among them")
    if not (array.min() >= 0 and array.max() <= 255 and (array.dtype.kind != "f" or np.all(array % 1 == 0))):
        raise BadInputError(
            f"{name}: expected whole spike counts from 0 to 255, found values from {array.min()} to {array.max()};"
            " bin the spikes to counts first"
        )
    if not SHORTEST_BIN_S <= bin_size_s <= LONGEST_BIN_S:
        raise BadInputError(
            f"{name}: expected a bin size from {SHORTEST_BIN_S:g} to {LONGEST_BIN_S:g} s, found {bin_size_s:g}"
        )
    names = tuple(unit_names) if unit_names is not None else tuple(f"unit {i}" for i in range(array.shape[2]))
    if len(names) != array.shape[2]:
        raise BadInputError(f"{name}: expected {array.shape[2]} unit names, found {len(names)}")
    if odd := [each for each in names if not is_label(each)]:
        raise BadInputError(
            f"{name}: expected unit names of 1 to {LONGEST_LABEL} printable letters, found {odd[0]!r:.60}"
        )
    return Recording(array.astype(np.uint8), float(bin_size_s), names, name, origin)


def from_fluorescence(
    values: ArrayLike,
    bin_size_s: float,
    unit_names: Sequence[str] | None = None,
    name: str = "recording",
    origin: str = "",
) -> Recording:
    """A recording of fluorescence traces.

    Parameters
    ----------
    values : array of shape (bins, units) or (repeats, bins, units), finite and not negative; a bin is a frame
    bin_size_s, unit_names : as in `from_counts`

    Raises
    ------
    BadInputError
        If the array has another shape, is empty, or holds anything else.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif" or array.size == 0 or not (np.isfinite(array).all() and array.min() >= 0):
        raise BadInputError(
            f"{name}: expected fluorescence of 0 or more, found an array of {array.dtype} that is empty, or with"
            " negative values, NaN or infinity; take the denoised traces"
        )
    frames = from_counts(np.zeros(array.shape, np.uint8), bin_size_s, unit_names, name, origin)
    return replace(frames, counts=array.astype(np.float32).reshape(frames.counts.shape), signal="fluorescence")


def is_label(text: str) -> bool:
    """Whether a name can be shown in a terminal and sent over a wire."""
    return 0 < len(text) <= LONGEST_LABEL and text.isprintable()


def part_of(recording: Recording, repeats: slice | NDArray = slice(None), bins: slice = slice(None)) -> Recording:
    """Some repeats, or some bins of each."""
    return replace(
        recording,
        counts=recording.counts[repeats, bins],
        driven_by=None if recording.driven_by is None else recording.driven_by[repeats, bins],
    )


def with_conditions(
    recording: Recording, values: ArrayLike, names: Sequence[str], units: Sequence[str] | None = None
) -> Recording:
    """The recording and what drove it.

    Parameters
    ----------
    values : array of shape (bins, channels) or (repeats, bins, channels), finite as float32
    names, units : one per channel, e.g. "velocity x" and "cm/s"; printable, of up to 64 letters

    Raises
    ------
    BadInputError
        If it is not one value for every bin, channel and name, or a name or unit can't be shown.
    """
    array = np.asarray(values)
    array = array[np.newaxis] if array.ndim == 2 else array
    expected = (*recording.counts.shape[:2], len(names))
    if array.dtype.kind not in "buif" or array.shape != expected or not len(names):
        raise BadInputError(
            f"{recording.name}: expected conditions of shape {expected} (repeats, bins, names), found {array.shape}"
            f" of {array.dtype}"
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise BadInputError(
            f"{recording.name}: expected conditions that are finite as float32, found NaN, infinity or numbers beyond"
            " 3e38 among them"
        )
    units = [""] * len(names) if units is None else units
    channels = conditions_of(array, names, units) if len(units) == len(names) else ()
    if not channels or not all(map(is_sound, channels)):
        raise BadInputError(
            f"{recording.name}: expected a name and a unit for every condition, printable and of up to {LONGEST_NAME}"
            f" letters, found {list(names)!r:.80} in {list(units)!r:.80}"
        )
    return replace(recording, driven_by=array, channels=channels)


def with_phase(recording: Recording) -> Recording:
    """The recording driven by the phase of its repeats, as of a stimulus shown again and again.

    Raises
    ------
    BadInputError
        If it has no repeats.
    """
    if recording.repeats < 2:
        raise BadInputError(f"{recording.name}: expected repeats of a stimulus, found one; give --repeat-bins")
    one = phases(0, recording.bins, recording.bins)
    driven_by = np.broadcast_to(one, (recording.repeats, *one.shape))
    return replace(recording, driven_by=driven_by, channels=(phase_condition(recording.bins),))


def without_conditions(recording: Recording) -> Recording:
    """The recording alone."""
    return replace(recording, driven_by=None, channels=())


def with_lead(recording: Recording, lead_bins: int) -> Recording:
    """Every bin with the conditions of `lead_bins` later, as motor cortex runs ahead of the movement.

    The last bins of each repeat, whose conditions were not recorded, are left out.

    Raises
    ------
    BadInputError
        If the lead is negative or as long as a repeat.
    """
    if not 0 <= lead_bins < recording.bins:
        raise BadInputError(f"{recording.name}: expected a lead of 0 to {recording.bins - 1} bins, found {lead_bins}")
    if lead_bins == 0 or recording.driven_by is None:
        return recording
    counts, driven_by = recording.counts[:, :-lead_bins], recording.driven_by[:, lead_bins:]
    return replace(recording, counts=counts, driven_by=driven_by)


def require_spikes(recording: Recording, what: str) -> None:
    """Make sure that these are spikes; BadInputError where it is a continuous signal."""
    if recording.signal != "spikes":
        raise BadInputError(f"{recording.name}: {what} needs spike counts, found {recording.signal}")


def require_binary(recording: Recording, family: str) -> None:
    """Make sure that no bin holds more than one spike.

    Raises
    ------
    BadInputError
        If one does; says how to go on.
    """
    require_spikes(recording, family)
    largest = int(recording.counts.max())
    if largest > 1:
        raise BadInputError(
            f"{recording.name}: {family} needs at most one spike in a bin, found {largest};"
            f" bin finer than {recording.bin_size_s * 1000:g} ms"
        )
