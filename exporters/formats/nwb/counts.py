"""Time series of NWB files that hold spikes which were counted already, or fluorescence."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned
from spikeloop.exporters.formats.named.counts import with_axes_in_order
from spikeloop.exporters.formats.nwb.series import converted, is_transposed, rate_of, times_within
from spikeloop.exporters.formats.storage.tree import Node, read, stated_text
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["binned_of"]

FLUORESCENCE_TYPES = ("RoiResponseSeries",)
UNEVEN = 0.01  # of a bin, by which its time may be off without a word
JUMP = 0.5  # of the usual interval, by which the next sample comes earlier or later where a recording was interrupted


def binned_of(root: Node, path: str, choices: Choices) -> tuple[Binned, tuple[str, ...]]:
    """Read a time series whose values are counts, or fluorescence: one row a bin, one column a unit.

    A row's time is taken for the beginning of its bin. Where times jump, the series is cut into trials.

    Returns
    -------
    spikes : Binned
    history : tuple of str
        What was done to the times.
    """
    node = root[path]
    data = node["data"]
    if data.dtype.kind not in "buif" or data.ndim not in (1, 2, 3):
        raise BadInputError(
            f"--key: expected counts of shape (bins, units) in {path}, found {data.shape} of {data.dtype}"
        )
    values = read(data, path)
    if is_transposed(node) and choices.axes is None:
        values = values.T
    values = with_axes_in_order(values[:, np.newaxis] if values.ndim == 1 else values, choices)
    values = converted(values, data, node)
    kind = stated_text(node, "neurodata_type")
    signal = "fluorescence" if kind in FLUORESCENCE_TYPES else "spikes"
    if values.ndim == 3:
        return Binned(values, _stated_size(node), None, signal), ()
    times = times_within(node, path, Choices())[1]
    if len(times) != len(values) or len(times) < 2:
        raise BadInputError(
            f"--key: expected a time for each of the rows of {path}, found {len(times)} for {values.shape}; say which"
            " axis is which with --axes or --transpose"
        )
    return _cut_at_jumps(values, times, path, signal)


def _stated_size(series: Node) -> float | None:
    rate = rate_of(series)
    return None if rate is None else 1 / rate


def _cut_at_jumps(values: NDArray[Any], times: Floats, path: str, signal: Any) -> tuple[Binned, tuple[str, ...]]:
    """Cut rows where times jump; those that only jitter are taken for evenly spaced."""
    steps = np.diff(times)
    usual = float(np.median(steps))
    if not np.isfinite(steps).all() or usual <= 0:
        raise BadInputError(f"--key: expected times that rise in {path}, found others")
    jumps = np.abs(steps - usual) > JUMP * usual
    at = np.flatnonzero(jumps) + 1
    if len(at) > len(times) // 2:
        raise BadInputError(f"--key: expected evenly spaced bins in {path}, found intervals from {steps.min():g} s")
    size = float(f"{steps[~jumps].mean():.9g}")  # without the rounding of differences
    begins = np.concatenate(([0], at))
    number = np.arange(len(times)) - np.repeat(begins, np.diff(np.append(begins, len(times))))
    off = np.abs(times - np.repeat(times[begins], np.diff(np.append(begins, len(times)))) - number * size).max()
    history = [f"cut into {len(begins)} trials, where the times of {path} jump"] if len(at) else []
    if off > UNEVEN * size:
        history.append(f"took the times of {path} for evenly spaced, from which they are up to {off * 1000:.3g} ms off")
    parts = np.split(values, at) if len(at) else values
    return Binned(parts, size, times[begins], signal), tuple(history)
