"""`spikeloop generate`: the spikes of a stream, or its broadband trace, to a file, as fast as the machine allows."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress
from tyro.conf import OmitArgPrefixes, Positional

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.card import Card
from spikeloop.exporters.formats.registry import formats_in_words
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.errors import INTERRUPTED, BadInputError
from spikeloop.models.recordings.provenance import THIS_VERSION
from spikeloop.streamer.broadband.noise import NoiseLevels
from spikeloop.streamer.broadband.opening import open_broadband
from spikeloop.streamer.broadband.options import VoltageOptions
from spikeloop.streamer.broadband.trace_file import write_trace
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.commands.voltage_options import TYPICAL_VOLTAGE, VoltageArguments
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import LONGEST_DURATION_S, bins_of, check_seed
from spikeloop.streamer.launch.drive import open_offline_drive
from spikeloop.streamer.launch.generate import Generation
from spikeloop.streamer.launch.generated_file import check_generated_file, write_generated
from spikeloop.streamer.launch.long_generation.generate_files import generate_files

__all__ = ["generate"]


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
    voltage: OmitArgPrefixes[VoltageArguments] = TYPICAL_VOLTAGE,
    lfp: float = 0.0,
    engine: str | None = None,
    workers: int | None = None,
    sessions: int = 1,
    json: bool = False,
) -> int:
    """Write the spikes or the voltage of a stream to a file.

    The spikes are those that `spikeloop stream` sends with the same seed, bit for bit. Give either --windows or
    --duration. The file holds the counts of each bin, the time of each spike, what drove each bin, and what made them
    (bundle, hash, seed, version), so that `spikeloop verify` proves them. Its suffix says the format: FORMATS.

    A .npz, which may be of any length, holds `spikes`, uint8, of shape (windows, bins, units) or (bins, units), with
    `bin_size_s` and `unit_names`; `condition`, of shape (bins, conditions), if the bundle has conditions; and
    `event_times_s` and `event_units`, the time and the unit of each spike. A bundle of calcium imaging gives
    `fluorescence`, float32, in place of `spikes`.

    With --broadband FILE.raw, write the voltage of an electrode array among the units: int16, of shape (samples,
    channels), with rate, scale and geometry in FILE.json, the probe in FILE.probe.json (for probeinterface) and the
    times of the spikes in FILE.npz.

    Parameters
    ----------
    bundle : str
        name of a shipped bundle (see `spikeloop models`), or path of a bundle's folder or .zip
    out : path, optional
        file of spikes to write; its suffix says the format
    windows : int >= 1, optional
        number of windows to generate
    duration : float > 0, s, optional
        length of the spike trains to generate
    seed : int >= 0
        seed of the spikes: the same seed gives the same spikes
    device : str
        processor that runs the generator
    condition : str, optional
        what drives the population: rest; constant:0.5,-1 or constant:NAME=0.5; file:PATH.npz (array `condition` of
        shape (bins, conditions), rest after its end); phase (a stimulus that repeats). By default phase if the bundle
        has a phase, else rest
    broadband : path, optional
        .raw file of voltage to write
    voltage : VoltageArguments
        how the voltage is simulated
    lfp : float >= 0, uV
        standard deviation of a local field potential on all channels
    engine : str, optional
        where spikes are generated: processes (of this machine); dask:ADDRESS (workers of a scheduler of Dask); slurm
        (the share of this process in a job); or slurm:I/N (the share of process I of N). What is done is kept in
        FILE.parts: after Ctrl-C, a crash or a kill the same command goes on. By default here, in one go
    workers : int >= 1, optional
        processes of --engine processes; by default one for each core
    sessions : int >= 1, sessions
        files to write with --engine, each of a seed of its own: of the first --seed, each further one adds 1, and
        FILE-SEED is its name
    json : bool
        print one JSON document
    """
    path = _file(out, broadband, windows)
    shaped = VoltageOptions(**voltage.chosen())
    if broadband is None:
        _check_no_voltage(shaped, lfp)
    else:
        shaped.check_voltage()
    if engine is not None:
        if broadband is not None or windows is not None or duration is None:
            given = "--broadband" if broadband is not None else "--windows" if windows is not None else "neither"
            raise BadInputError(f"--engine: expected --out and --duration with it, found {given}")
        return _generate_files(bundle, path, duration, engine, workers, sessions, seed, condition, device, json)
    if workers is not None or sessions != 1:
        raise BadInputError("--workers, --sessions: expected --engine with them, such as --engine processes")
    check_seed(seed)
    loaded = load_bundle(bundle)
    card = loaded.card
    shape = _shape(card, windows, duration)
    if broadband is None:
        check_generated_file(path, math.prod(shape))
    else:
        check_writable(path)
    generation = Generation.of(loaded, shape[-2], seed, condition, device, windows)
    summary: dict[str, Any] = {
        "file": str(path),
        "bundle": card.name,
        "sha256": loaded.sha256,
        "seed": seed,
        "version": generation.provenance.version,
        "provider": generation.source.provider,
        "condition": generation.feed.asked,
        "shape": shape,
    }
    with _progress(generation.all_bins) as advance:
        if broadband is None:
            spikes = write_generated(path, generation, advance)
        else:
            synthesiser = open_broadband(card, seed, shaped, NoiseLevels(lfp_uv=lfp))
            source, feed = generation.source, generation.feed
            spikes = write_trace(path, synthesiser, source, feed, shape[0], seed, summary, advance)
            summary |= {"probe": synthesiser.probe.name, "channels": synthesiser.probe.channels}
    _print(summary, card, spikes / math.prod(shape), json)
    return 0


def _generate_files(
    bundle: str,
    out: Path,
    duration_s: float,
    engine: str,
    workers: int | None,
    sessions: int,
    seed: int,
    condition: str | None,
    device: Device,
    json: bool,
) -> int:
    """Generate on an engine; a summary of each file."""
    card, sha256 = (loaded := load_bundle(bundle)).card, loaded.sha256
    asked = open_offline_drive(condition, card.channels).asked
    try:
        with Progress(console=SideConsole(), transient=True) as progress:
            bar = progress.add_task("generating", total=1.0)
            found = generate_files(
                bundle, out, duration_s, seed=seed, sessions=sessions, condition=condition, device=device,
                engine=engine, workers=workers,
                on_progress=lambda doing, share: progress.update(bar, description=doing, completed=share),
            )  # fmt: skip
    except KeyboardInterrupt:
        print(f"interrupted: what is done is in {out}.parts; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    summaries = [
        {"file": str(file.path), "bundle": card.name, "sha256": sha256, "seed": file.seed, "version": THIS_VERSION,
         "provider": file.provider, "condition": asked, "shape": file.shape}
        for file in found.files
    ]  # fmt: skip
    for summary, file in zip(summaries, found.files, strict=True):
        _complete(summary, card, file.spikes / math.prod(file.shape))
    if json:
        print_json({"files": summaries, "left_to_other_processes": [str(path) for path in found.waiting]})
        return 0
    for summary in summaries:
        print(_in_words(summary, card))
    if found.waiting:
        print(f"{len(found.waiting)} files are left to other processes; the last one of each writes it")
    return 0


def _print(summary: dict[str, Any], card: Card, mean: float, json: bool) -> None:
    """Print what was written: of a bin and a unit the mean of spikes, or of fluorescence."""
    _complete(summary, card, mean)
    if json:
        print_json(summary)
    else:
        print(_in_words(summary, card))


def _complete(summary: dict[str, Any], card: Card, mean: float) -> None:
    light = card.signal == "fluorescence"
    summary |= {"mean_fluorescence": mean} if light else {"mean_rate_hz": mean / card.bin_size_s}


def _in_words(summary: dict[str, Any], card: Card) -> str:
    average = (
        f"mean {summary['mean_fluorescence']:.3g}"
        if card.signal == "fluorescence"
        else f"mean rate {summary['mean_rate_hz']:.2f} Hz"
    )
    trace = f" in the voltage of {summary['channels']} channels" if "channels" in summary else ""
    return f"{summary['file']}: {card.signal} {summary['shape']}{trace}, {average}, seed {summary['seed']}"


def _file(out: Path | None, broadband: Path | None, windows: int | None) -> Path:
    """Return the file that was asked for."""
    if out is not None and broadband is None:
        return out
    if broadband is not None and out is None:
        if broadband.suffix != ".raw":
            raise BadInputError(f"--broadband: expected a file ending in .raw, found {broadband}")
        if windows is not None:
            raise BadInputError("--broadband: expected --duration, as a voltage has no windows; leave --windows out")
        return broadband
    raise BadInputError("expected either --out FILE.npz (or of another format) for spikes or --broadband FILE.raw")


def _check_no_voltage(shaped: VoltageOptions, lfp_uv: float) -> None:
    shaped.check_no_voltage("--broadband FILE.raw")
    if lfp_uv:
        raise BadInputError("--lfp: expected a voltage to shape, found none; add --broadband FILE.raw")


def _shape(card: Card, windows: int | None, duration: float | None) -> tuple[int, ...]:
    """Return the shape of the array to write: (windows, bins, units) or (bins, units)."""
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
    """Show a bar on stderr; yields what to call with the number of bins that were generated."""
    with Progress(console=SideConsole(), transient=True) as progress:
        task = progress.add_task("generating", total=bins)
        yield lambda generated: progress.advance(task, generated)


generate.__doc__ = (generate.__doc__ or "").replace("FORMATS", formats_in_words(writable=True))
