"""`spikeloop generate`: the spikes of a stream to a file, as fast as the machine allows."""

import math
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.bundle import read_bundle
from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.commands.options import LONGEST_DURATION_S, bins_of, check_seed
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.engine import Device
from spikeloop.streamer.source import SpikeSource, open_source

__all__ = ["generate", "write_spikes"]

CHUNK_COUNTS = 2**24  # spike counts in memory at a time


def generate(
    bundle: Positional[str] = "retina",
    *,
    out: Path,
    windows: int | None = None,
    duration: float | None = None,
    seed: int = 0,
    device: Device = "auto",
    json: bool = False,
) -> int:
    """Write the spikes that `stream` would send to a file, bit for bit the same for the same seed.

    Give either a number of windows or a duration. The file holds `spikes`, uint8, of shape (windows, bins,
    units) or (bins, units), with `bin_size_s` and `unit_names`.

    Parameters
    ----------
    bundle
        a shipped bundle's name (see `spikeloop models`), or the path of a folder or .zip
    out
        the file, ending in .npz
    windows
        number of windows
    duration
        seconds
    seed
        the same seed gives the same spikes
    device
        where the generator runs
    json
        print one JSON document
    """
    if out.suffix != ".npz":
        raise BadInputError(f"--out: expected a file ending in .npz, found {out}")
    check_seed(seed)
    loaded = read_bundle(bundle)
    card = loaded.card
    shape = _shape(card, windows, duration)
    source = open_source(loaded, seed, device)
    spikes = write_spikes(out, source, shape)
    summary = {
        "file": str(out),
        "bundle": card.name,
        "sha256": loaded.sha256,
        "seed": seed,
        "provider": source.provider,
        "shape": shape,
        "mean_rate_hz": spikes / math.prod(shape) / card.bin_size_s,
    }
    if json:
        print_json(summary)
    else:
        print(f"{out}: spikes {shape}, mean rate {summary['mean_rate_hz']:.2f} Hz, seed {seed}")
    return 0


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


def write_spikes(path: Path, source: SpikeSource, shape: tuple[int, ...]) -> int:
    """Write spikes to a `.npz` piece by piece, whole or not at all.

    Parameters
    ----------
    shape : (bins, units) or (windows, bins, units)

    Returns
    -------
    The number of spikes.

    Raises
    ------
    FailureError
        If the disk refuses.
    """
    bins, units = math.prod(shape[:-1]), shape[-1]
    spikes = 0
    scratch = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            Progress(console=Console(stderr=True), transient=True) as progress,
        ):
            task = progress.add_task("generating", total=bins)
            with archive.open("spikes.npy", "w", force_zip64=True) as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for first in range(0, bins, max(1, CHUNK_COUNTS // units)):
                    counts = source.take(min(CHUNK_COUNTS // units or 1, bins - first))
                    file.write(counts.tobytes())
                    spikes += int(counts.sum(dtype=np.int64))
                    progress.advance(task, len(counts))
            for name, value in {"bin_size_s": source.bin_size_s, "unit_names": np.array(source.unit_names)}.items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
        os.replace(scratch, path)
    except OSError as error:
        raise FailureError(f"could not write {path} ({error}); nothing was left there half-written") from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
    return spikes
