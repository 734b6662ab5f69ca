"""`spikeloop generate`: the spikes of a stream, or its broadband trace, to a file, as fast as the machine allows."""

import math
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.bundle import read_bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.whole_file import whole_file
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband.noise import NoiseLevels
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.probe import ProbeName
from spikeloop.streamer.broadband.trace_file import write_trace
from spikeloop.streamer.commands.drive import open_offline_drive
from spikeloop.streamer.commands.options import LONGEST_DURATION_S, bins_of, check_seed
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.condition import ConditionFeed
from spikeloop.streamer.session import Device
from spikeloop.streamer.source import SpikeSource, open_source

__all__ = ["generate", "write_spikes"]

CHUNK_COUNTS = 2**20  # at a time: a second or so of work, after which the progress is told


def generate(
    bundle: Positional[str] = "retina",
    *,
    out: Path | None = None,
    windows: int | None = None,
    duration: float | None = None,
    seed: int = 0,
    device: Device = "auto",
    condition: str | None = None,
    broadband: Path | None = None,
    probe: ProbeName = "utah",
    channels: int | None = None,
    lfp: float = 0.0,
    json: bool = False,
) -> int:
    """Write the spikes that `stream` would send to a file, bit for bit the same for the same seed.

    Give either a number of windows or a duration. The file holds `spikes`, uint8, of shape (windows, bins,
    units) or (bins, units), with `bin_size_s` and `unit_names`; of a model that is driven by anything also `condition`,
    what drove each bin. Of imaging, it holds `fluorescence`, float32, in place of `spikes`.

    With --broadband FILE.raw, write the 30 kHz voltage of an array among the units, int16 of shape (samples,
    channels), with its rate, scale and geometry in FILE.json and the spikes' times in FILE.npz.

    Parameters
    ----------
    bundle
        a shipped bundle's name (see `spikeloop models`), or the path of a folder or .zip
    out
        the file of spikes, ending in .npz
    windows
        number of windows
    duration
        seconds
    seed
        the same seed gives the same spikes
    device
        where the generator runs
    condition
        what drives the population: rest, constant:0.5,-1, constant:NAME=0.5, file:PATH.npz (array condition: bins x
        conditions; rest after its end) or phase (of a stimulus shown again and again); by default phase where the
        model has one, else rest
    broadband
        the file of the voltage, ending in .raw
    probe
        utah (a grid of 400 um pitch) or linear (two columns, in rows of 20 um)
    channels
        of the probe, up to 4096; by default 96 of utah, 384 of linear
    lfp
        standard deviation of a local field potential on all channels, in uV
    json
        print one JSON document
    """
    path = _file(out, broadband, windows)
    check_seed(seed)
    loaded = read_bundle(bundle)
    card = loaded.card
    shape = _shape(card, windows, duration)
    asked, feed = open_offline_drive(condition, card.channels)
    source = open_source(loaded, seed, device)
    summary = {
        "file": str(path),
        "bundle": card.name,
        "sha256": loaded.sha256,
        "seed": seed,
        "provider": source.provider,
        "condition": asked,
        "shape": shape,
    }
    if broadband is None:
        spikes = write_spikes(path, source, feed, shape)
    else:
        synthesiser = open_broadband(card, seed, probe, channels, NoiseLevels(lfp_uv=lfp))
        with _progress(shape[0]) as advance:
            spikes = write_trace(path, synthesiser, source, feed, shape[0], seed, summary, advance)
        summary |= {"probe": probe, "channels": synthesiser.probe.channels}
    mean = spikes / math.prod(shape)
    light = card.signal == "fluorescence"
    summary |= {"mean_fluorescence": mean} if light else {"mean_rate_hz": mean / card.bin_size_s}
    if json:
        print_json(summary)
    else:
        told = f"mean {mean:.3g}" if light else f"mean rate {mean / card.bin_size_s:.2f} Hz"
        trace = f" in the voltage of {summary['channels']} channels" if broadband is not None else ""
        print(f"{path}: {card.signal} {shape}{trace}, {told}, seed {seed}")
    return 0


def _file(out: Path | None, broadband: Path | None, windows: int | None) -> Path:
    """The one that was asked for."""
    if out is not None and broadband is None:
        if out.suffix != ".npz":
            raise BadInputError(f"--out: expected a file ending in .npz, found {out}")
        return out
    if broadband is not None and out is None:
        if broadband.suffix != ".raw":
            raise BadInputError(f"--broadband: expected a file ending in .raw, found {broadband}")
        if windows is not None:
            raise BadInputError("--broadband: expected --duration, as a voltage has no windows; leave --windows out")
        return broadband
    raise BadInputError("expected either --out FILE.npz for spikes or --broadband FILE.raw for the voltage")


def _shape(card: Card, windows: int | None, duration: float | None) -> tuple[int, ...]:
    """Of the array to write: (windows, bins, units) or (bins, units)."""
    units = len(card.unit_names)
    if windows is not None and duration is None:
        if windows < 1 or windows * card.window_bins * card.bin_size_s > LONGEST_DURATION_S:
            raise BadInputError(f"--windows: expected at least 1 and at most ten years of them, found {windows}")
        return windows, card.window_bins, units
    if duration is not None and windows is None:
        return bins_of(duration, card.bin_size_s), units
    raise BadInputError("expected either --windows or --duration")


@contextmanager
def _progress(bins: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr, to be told of the bins that were made."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("generating", total=bins)
        yield lambda made: progress.advance(task, made)


def write_spikes(path: Path, source: SpikeSource, feed: ConditionFeed, shape: tuple[int, ...]) -> float:
    """Write spikes to a `.npz` piece by piece, whole or not at all.

    Parameters
    ----------
    feed : drives it
    shape : (bins, units) or (windows, bins, units)

    Returns
    -------
    The number of spikes; of fluorescence, its sum.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    bins, units = math.prod(shape[:-1]), shape[-1]
    spikes = 0
    key = "fluorescence" if source.dtype == np.float32 else "spikes"
    per_chunk = max(1, CHUNK_COUNTS // units)
    conditions = []
    with (
        whole_file(path) as whole,
        zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        _progress(bins) as advance,
    ):
        with archive.open(f"{key}.npy", "w", force_zip64=True) as file:
            header = {"descr": source.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for first in range(0, bins, per_chunk):
                conditions.append(feed.take(min(per_chunk, bins - first)))
                counts = source.take(len(conditions[-1]), conditions[-1])
                file.write(counts.tobytes())
                spikes += counts.sum(dtype=np.float64)
                advance(len(counts))
        others = {"bin_size_s": source.bin_size_s, "unit_names": np.array(source.unit_names)}
        if conditions[0].shape[1]:
            others["condition"] = np.concatenate(conditions)  # as `--condition file:` takes it
        for name, value in others.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
    return spikes
