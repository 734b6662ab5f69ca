"""`spikeloop evaluate`: how like a recording a bundle's spikes, or anyone's, are."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.progress import Progress
from tyro.conf import OmitArgPrefixes, Positional

from spikeloop.exporters.bundle import load_bundle
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.packages import require_packages
from spikeloop.streamer.commands.as_typed import as_typed
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.commands.reading_options import AS_STORED, ReadingOptions, read_and_tell
from spikeloop.streamer.commands.results.evaluate import print_report
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch import evaluate as launch
from spikeloop.streamer.launch.checks import check_seed

__all__ = ["evaluate"]


def evaluate(
    model: Positional[str] = "retina",
    *,
    data: str = "retina",
    report: Path | None = None,
    hold_out: int = 5,
    window_bins: int | None = None,
    seed: int = 0,
    device: Device = "auto",
    reading: OmitArgPrefixes[ReadingOptions] = AS_STORED,
    write_card: bool = False,
    json: bool = False,
) -> int:
    """Compare a bundle, or samples of any model, with a recording.

    The results are E/F of each statistic, a classifier two-sample test, a test for memorised windows, and the error
    measures of the Spike-GAN paper. E/F is the distance of the model to held-out data over the distance between two
    parts of the recording; 1 is as close as the recording is to itself. A bundle with
    conditions receives the conditions of the recording. If it answers to a phase, its peristimulus time histograms and
    noise correlations are compared too; if it answers to recorded conditions, decoders are trained on its spikes and
    tested on real ones.

    Parameters
    ----------
    model : str
        name or path of a bundle, or a file of samples, of any format of recordings, with `spikes` of shape
        (windows, bins, units) or (bins, units)
    data : str
        name of a recording (retina, m1_jango, rat_m1_ms, calcium_odor, m1-sim, packets:MODES:WINDOWS), or path of a
        file of any format that `spikeloop inspect --help` names
    report : path, optional
        .html file to write, with all results and pictures
    hold_out : int >= 2
        compare with every n-th repeat, or n-th of the time, as in `train`; the rest measures what chance makes
    window_bins : int >= 2, bins, optional
        length of the windows to compare; by default the model's own
    seed : int >= 0
        seed of the samples, and of random choices
    device : str
        processor that runs the bundle's generator
    reading : ReadingOptions
        how a recording is read from a file; `spikeloop inspect` shows what these options make of it
    write_card : bool
        write the results into the bundle's card, where `spikeloop models` shows them
    json : bool
        print the results as one JSON document
    """
    command = as_typed(evaluate, locals())
    _check_options(model, report, write_card, seed)
    recording, summary = read_and_tell(data, _of_recording(reading, model, data))
    with Progress(console=SideConsole(), transient=True) as progress:
        task = progress.add_task("sampling", total=1)
        found = launch.evaluate(
            model, recording, hold_out=hold_out, window_bins=window_bins, seed=seed, device=device,
            bin_size_s=reading.bin_size_s,
            on_progress=lambda doing, share: progress.update(task, description=doing, completed=share),
        )  # fmt: skip
    if report is not None:
        found.write_report(report, Origin(command, str(seed), datetime.now()))
    if write_card:
        launch.write_card(model, found)
    if json:
        more = {"report": report and str(report), "recording_summary": summary.to_dict()}
        print_json(found.to_dict() | more)
        return 0
    print_report(found)
    if report is not None:
        print(f"report: {report}")
    return 0


def _of_recording(reading: ReadingOptions, model: str, data: str) -> ReadingOptions:
    """Options of the recording: the bin size is that of the samples alone, where these are a file and it is none."""
    samples_only = launch.is_samples_file(model) and not launch.is_samples_file(data)
    return replace(reading, bin_size_ms=None) if samples_only else reading


def _check_options(model: str, report: Path | None, write_card: bool, seed: int) -> None:
    """Check what can be checked before the work."""
    check_seed(seed)
    if report is not None:
        launch.check_report(report)
        require_packages("matplotlib", extra="evaluate", what="the report")
        check_writable(report)
    if not launch.is_samples_file(model):
        load_bundle(model)  # before the recording, which may have to be downloaded
    if write_card:
        launch.check_own_bundle(model)
