"""`spikeloop decode`: decoders compared offline, on a recording and on what a bundle makes of its movement."""

import sys
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path

from rich.progress import Progress
from tyro.conf import OmitArgPrefixes, Positional

from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.exporters.pages.origin import Origin
from spikeloop.models.packages import require_packages
from spikeloop.streamer.commands.as_typed import as_typed
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.commands.reading_options import AS_STORED, ReadingOptions, read_and_tell
from spikeloop.streamer.commands.results.decode import print_comparison
from spikeloop.streamer.launch.checks import check_report
from spikeloop.streamer.launch.compare_decoders import compare_decoders
from spikeloop.streamer.launch.decoder_ranking import IncompleteRankingError

__all__ = ["decode"]


def decode(
    recording: Positional[str],
    *,
    decoder: tuple[str, ...] = (),
    target: tuple[str, ...] = ("velocity",),
    folds: int = 5,
    lag_ms: float = 0.0,
    bin_ms: tuple[float, ...] = (),
    history_ms: float = 200.0,
    bundle: str | None = None,
    held_out: tuple[str, ...] = (),
    seed: int = 0,
    in_process: bool = False,
    report: Path | None = None,
    reading: OmitArgPrefixes[ReadingOptions] = AS_STORED,
    json: bool = False,
) -> int:
    """Compare decoders offline, on a recording.

    The results are the cross-validated R2 and correlation of each decoder, with 95 % intervals over folds. With
    --bundle, they also show whether decoders rank on the bundle's spikes as on recorded ones: the bundle receives the
    recording's movement, and the same decoders are fitted on its answers to the part that it was trained on, and tested
    on its answers to the held-out part. Recorded spikes are divided in the same manner, in place of cross-validation.
    The ranks partly follow from the movement alone; compare the values of R2 too.

    Parameters
    ----------
    recording : str
        recording with kinematics: a name (m1_jango, m1-sim, m1-sim:600), or path of a file with conditions, of any
        format that `spikeloop inspect --help` names
    decoder : tuple of str
        decoders to compare: kalman, ridge, wiener, population_vector, chance, recurrent, a file (.onnx, .pt2, .pt,
        .skops), python:FILE.py:NAME, falcon:FILE.py:CLASS, sklearn:ESTIMATOR. ridge:3, wiener:3 and
        population_vector:3 use 3 bins of history in place of --history-ms. By default the first five, or with --bundle
        ten of several histories
    target : tuple of str
        what to decode: velocity, position, or names of conditions
    folds : int >= 2
        contiguous segments; each is decoded by a decoder fitted on the others
    lag_ms : float >= 0, ms
        time by which the kinematics follow the spikes
    bin_ms : tuple of float, ms
        widths of the decoders' bins, multiples of the recording's; several give a curve. A wide bin's decoded value is
        held over the bin and compared with the kinematics of the recording's own bins
    history_ms : float > 0, ms
        how far back ridge, wiener, population_vector and sklearn look, to the nearest whole bin
    bundle : str, optional
        name or path of a bundle that answers to the recording's kinematics
    held_out : tuple of str, recordings
        further sessions, such as later days: decoded without a fit on them, as the FALCON challenge does
    seed : int >= 0
        seed of random choices
    in_process : bool
        run decoders of your own in this process, which saves 0.1 ms a bin; by default each has a process of its own, so
        that one that hangs or crashes ends no other
    report : path, optional
        .html file to write, with a table and pictures
    reading : ReadingOptions
        how a recording is read from a file; `spikeloop inspect` shows what these options make of it
    json : bool
        print the results as one JSON document
    """
    command = as_typed(decode, locals())
    if report is not None:  # before the work, not after it
        check_report(report)
        require_packages("matplotlib", extra="evaluate", what="the report")
        check_writable(report)
    read, summary = read_and_tell(recording, reading)
    with Progress(console=SideConsole(), transient=True) as progress, redirect_stdout(sys.stderr):
        task = progress.add_task("decoding", total=1.0)
        failure = None
        try:
            ranking = compare_decoders(
                read,
                tuple(dict.fromkeys(decoder)),
                target=target,
                folds=folds,
                lag_s=lag_ms / 1000,
                decoder_bins_s=[width / 1000 for width in bin_ms],
                history_s=history_ms / 1000,
                bundle=bundle,
                held_out=held_out,
                seed=seed,
                in_process=in_process,
                on_progress=lambda doing, share: progress.update(task, description=doing, completed=share),
            )
        except IncompleteRankingError as incomplete:
            ranking, failure = incomplete.ranking, incomplete
    if report is not None:
        ranking.write_report(report, Origin(command, str(seed), datetime.now()))
    if json:
        more = {"seed": seed, "report": report and str(report), "recording_summary": summary.to_dict()}
        print_json(ranking.to_dict() | more)
    else:
        print_comparison(ranking.comparison)
        if report is not None:
            print(f"report: {report}")
    if failure is not None:
        raise failure
    return 0
