"""A recording: spike counts of a population in equal bins, over one or more repeats, and what drove it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import Condition, conditions_of, phase_condition, phases

__all__ = [
    "BLOCKS",
    "LONGEST_BIN_S",
    "SHORTEST_BIN_S",
    "Recording",
    "Signal",
    "cut_windows",
    "from_counts",
    "from_fluorescence",
    "hold_out",
    "is_label",
    "load_recording",
    "part_of",
    "random_windows",
    "read_arrays",
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
BLOCKS = 20  # that a recording without repeats is cut into, where parts of it are drawn at random
FLUORESCENCE_KEY = "fluorescence"
COUNT_KEYS = ("spikes", "counts", "data")  # where .npz and .mat files keep their counts


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


def load_recording(path: Path, bin_size_s: float | None = None, repeat_bins: int | None = None) -> Recording:
    """Read a recording from a `.npz` or a (pre-7.3) `.mat` file.

    Parameters
    ----------
    path : file with an array `spikes`, `counts` or `data` (or `fluorescence`), (bins, units) or (repeats, bins,
        units); where it has `conditions`, (..., channels), then also `condition_names` and `condition_units`
    bin_size_s : overrides the file's own `bin_size_s`; needed where the file has none
    repeat_bins : cuts a continuous array into repeats of so many bins

    Raises
    ------
    BadInputError
        If the file is missing, unreadable, or holds no counts.
    """
    arrays = read_arrays(Path(path))
    key = next((key for key in (*COUNT_KEYS, FLUORESCENCE_KEY) if key in arrays), None)
    if key is None:
        expected = ", ".join((*COUNT_KEYS, FLUORESCENCE_KEY))
        raise BadInputError(f"{path}: expected an array named {expected}; found {', '.join(arrays) or 'none'}")
    if bin_size_s is None and "bin_size_s" not in arrays:
        raise BadInputError(f"{path}: no bin_size_s in the file; give the bin size, e.g. --bin-size-ms 20")
    unit_names = [str(unit) for unit in np.ravel(arrays["unit_names"])] if "unit_names" in arrays else None
    size = bin_size_s if bin_size_s is not None else _stated_bin_size_s(arrays["bin_size_s"], path)
    read = from_fluorescence if key == FLUORESCENCE_KEY else from_counts
    recording = read(arrays[key], size, unit_names, name=Path(path).stem, origin=Path(path).name)
    if "conditions" in arrays:
        names = [str(name) for name in np.ravel(arrays.get("condition_names", ()))]
        names = names or [f"condition {i}" for i in range(arrays["conditions"].shape[-1])]
        units = [str(unit) for unit in np.ravel(arrays["condition_units"])] if "condition_units" in arrays else None
        recording = with_conditions(recording, arrays["conditions"], names, units)
    return recording if repeat_bins is None else _cut_repeats(recording, repeat_bins)


def _stated_bin_size_s(stated: np.ndarray, path: Path) -> float:
    if stated.size != 1 or stated.dtype.kind not in "fiu":
        raise BadInputError(f"{path}: expected bin_size_s to be one number, found {stated!r:.60}; give --bin-size-ms")
    return float(stated.item())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of a `.npz` or (pre-7.3) `.mat` file, by name; pickles are refused.

    Raises
    ------
    BadInputError
        If the file is missing, of another kind, or unreadable.
    """
    if path.suffix not in (".npz", ".mat"):
        raise BadInputError(f"{path}: expected a .npz or .mat file")
    if not path.is_file():
        raise BadInputError(f"{path}: {'expected a file, found a folder' if path.is_dir() else 'no such file'}")
    try:
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        from scipy.io import loadmat

        return {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    except Exception as error:  # NumPy, zipfile and SciPy each raise their own on damaged files
        raise BadInputError(f"{path}: not a readable {path.suffix} file ({error}); is it complete?") from error


def _cut_repeats(recording: Recording, repeat_bins: int) -> Recording:
    if recording.repeats != 1 or repeat_bins < 1 or recording.bins % repeat_bins:
        raise BadInputError(
            f"{recording.name}: {recording.repeats} x {recording.bins} bins can't be cut into repeats of {repeat_bins}"
        )
    repeats = recording.bins // repeat_bins
    counts = recording.counts.reshape(repeats, repeat_bins, recording.units)
    driven_by = recording.conditions.reshape(repeats, repeat_bins, len(recording.channels))
    return replace(recording, counts=counts, driven_by=driven_by)


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
    values : array of shape (bins, channels) or (repeats, bins, channels), finite
    names, units : one per channel, e.g. "velocity x" and "cm/s"

    Raises
    ------
    BadInputError
        If it is not one value for every bin, channel and name.
    """
    array = np.asarray(values)
    array = array[np.newaxis] if array.ndim == 2 else array
    expected = (*recording.counts.shape[:2], len(names))
    if array.dtype.kind not in "buif" or array.shape != expected or not len(names) or not np.isfinite(array).all():
        raise BadInputError(
            f"{recording.name}: expected finite conditions of shape {expected} (repeats, bins, names), found"
            f" {array.shape} of {array.dtype}{'' if array.shape != expected else ' with NaN or infinity'}"
        )
    array = array.astype(np.float32)
    units = [""] * len(names) if units is None else units
    if len(units) != len(names) or not all(map(is_label, names)):
        raise BadInputError(f"{recording.name}: expected a printable name and a unit for every condition")
    return replace(recording, driven_by=array, channels=conditions_of(array, names, units))


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


def cut_windows(recording: Recording, window_bins: int) -> NDArray[np.uint8]:
    """Cut every repeat into adjacent windows; none crosses from one repeat into the next.

    Returns
    -------
    array of shape (windows, window_bins, units). What is left at a repeat's end is dropped.

    Raises
    ------
    BadInputError
        If a repeat is shorter than a window.
    """
    per_repeat = recording.bins // window_bins
    if per_repeat == 0:
        raise BadInputError(
            f"{recording.name}: expected repeats of at least {window_bins} bins (one window), found {recording.bins}"
        )
    return recording.counts[:, : per_repeat * window_bins].reshape(-1, window_bins, recording.units)


def random_windows(recording: Recording, window_bins: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Windows at random places inside repeats, as many as would lie side by side.

    A fixed grid would show only as many phases of a repeated stimulus as a repeat has windows, and would sample
    every phase evenly, which no model that draws its windows one by one can do.

    Returns
    -------
    array of shape (blocks, windows, window_bins, units), a block being a repeat. A recording of fewer than
    `BLOCKS` repeats is cut into contiguous blocks, where they are long enough.

    Raises
    ------
    BadInputError
        If a repeat is shorter than a window.
    """
    counts = _blocks(recording, window_bins)
    blocks, bins, _ = counts.shape
    if bins < window_bins:
        raise BadInputError(
            f"{recording.name}: expected repeats of at least {window_bins} bins (one window), found {bins}"
        )
    first = random.integers(bins - window_bins + 1, size=(blocks, bins // window_bins))
    return counts[np.arange(blocks)[:, np.newaxis, np.newaxis], first[:, :, np.newaxis] + np.arange(window_bins)]


def _blocks(recording: Recording, window_bins: int) -> NDArray[np.uint8]:
    """The counts in `BLOCKS` stretches of time or more, (blocks, bins, units), or in fewer of two windows each."""
    pieces = min(-(-BLOCKS // recording.repeats), recording.bins // (2 * window_bins))
    if pieces < 2:
        return recording.counts
    bins = recording.bins // pieces
    return recording.counts[:, : pieces * bins].reshape(-1, bins, recording.units)


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


def hold_out(recording: Recording, every: int) -> tuple[Recording, Recording]:
    """Split off data to judge by: every `every`-th repeat, or the last part where there are too few repeats.

    Returns
    -------
    (training, held out), of which the second is 1 / `every` of the whole
    """
    if every < 2:
        raise BadInputError(f"expected to hold out one part in 2 or more, found one in {every}; raise --hold-out")
    if recording.repeats >= every:
        held = np.arange(recording.repeats) % every == every - 1
        parts = part_of(recording, ~held), part_of(recording, held)
    else:
        cut = recording.bins - recording.bins // every
        if cut == recording.bins:
            raise BadInputError(
                f"{recording.name}: expected at least {every} bins, to hold out one in {every}, found {recording.bins};"
                " lower --hold-out"
            )
        parts = part_of(recording, bins=slice(cut)), part_of(recording, bins=slice(cut, None))
    return parts
