"""A recording: spike counts of a population in equal bins, over one or more repeats."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.models.errors import BadInputError

__all__ = [
    "LONGEST_BIN_S",
    "SHORTEST_BIN_S",
    "Recording",
    "cut_windows",
    "from_counts",
    "hold_out",
    "is_label",
    "load_recording",
    "random_windows",
    "read_arrays",
    "require_binary",
]

SHORTEST_BIN_S, LONGEST_BIN_S = 1e-5, 10.0
LONGEST_LABEL = 200
BLOCKS = 20  # that a recording without repeats is cut into, where parts of it are drawn at random
COUNT_KEYS = ("spikes", "counts", "data")  # where .npz and .mat files keep their counts


@dataclass(frozen=True, eq=False)
class Recording:
    """Spike counts of a population.

    Attributes
    ----------
    counts : uint8 array of shape (repeats, bins, units)
        A continuous recording is one repeat. Time runs on inside a repeat, never from one to the next.
    bin_size_s : float > 0
    unit_names : one name per unit
    name, origin : what it is called and where it comes from
    """

    counts: NDArray[np.uint8]
    bin_size_s: float
    unit_names: tuple[str, ...]
    name: str = "recording"
    origin: str = ""

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


def is_label(text: str) -> bool:
    """Whether a name can be shown in a terminal and sent over a wire."""
    return 0 < len(text) <= LONGEST_LABEL and text.isprintable()


def load_recording(path: Path, bin_size_s: float | None = None, repeat_bins: int | None = None) -> Recording:
    """Read a recording from a `.npz` or a (pre-7.3) `.mat` file.

    Parameters
    ----------
    path : file with an array `spikes`, `counts` or `data`, (bins, units) or (repeats, bins, units)
    bin_size_s : overrides the file's own `bin_size_s`; needed where the file has none
    repeat_bins : cuts a continuous array into repeats of so many bins

    Raises
    ------
    BadInputError
        If the file is missing, unreadable, or holds no counts.
    """
    arrays = read_arrays(Path(path))
    key = next((key for key in COUNT_KEYS if key in arrays), None)
    if key is None:
        raise BadInputError(
            f"{path}: expected an array named {', '.join(COUNT_KEYS)}; found {', '.join(arrays) or 'none'}"
        )
    if bin_size_s is None and "bin_size_s" not in arrays:
        raise BadInputError(f"{path}: no bin_size_s in the file; give the bin size, e.g. --bin-size-ms 20")
    unit_names = [str(unit) for unit in np.ravel(arrays["unit_names"])] if "unit_names" in arrays else None
    size = bin_size_s if bin_size_s is not None else _stated_bin_size_s(arrays["bin_size_s"], path)
    recording = from_counts(arrays[key], size, unit_names, name=Path(path).stem, origin=Path(path).name)
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
    return replace(recording, counts=recording.counts.reshape(-1, repeat_bins, recording.units))


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


def require_binary(recording: Recording, family: str) -> None:
    """Make sure that no bin holds more than one spike.

    Raises
    ------
    BadInputError
        If one does; says how to go on.
    """
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
        parts = recording.counts[~held], recording.counts[held]
    else:
        cut = recording.bins - recording.bins // every
        if cut == recording.bins:
            raise BadInputError(
                f"{recording.name}: expected at least {every} bins, to hold out one in {every}, found {recording.bins};"
                " lower --hold-out"
            )
        parts = recording.counts[:, :cut], recording.counts[:, cut:]
    return replace(recording, counts=parts[0]), replace(recording, counts=parts[1])
