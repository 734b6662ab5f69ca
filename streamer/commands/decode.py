"""`spikeloop decode`: decoders compared offline, on a recording and on what a bundle makes of its movement."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from spikeloop.exporters.bundle import read_bundle
from spikeloop.exporters.whole_file import whole_file
from spikeloop.models.conditional_evaluation import split_as_trained
from spikeloop.models.errors import BadInputError
from spikeloop.models.offline_decoding import (
    LEAST_RANKED,
    OfflineComparison,
    OfflineTask,
    Split,
    answered,
    as_recorded,
    compare_offline,
)
from spikeloop.models.recordings.catalogue import find_recording
from spikeloop.models.recordings.recording import Recording, require_spikes
from spikeloop.streamer.commands.decoding_findings import comparison_as_json, print_comparison
from spikeloop.streamer.commands.options import ROUNDING, check_seed, require_packages
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.commands.suitability import check_alike, held_out_of

if TYPE_CHECKING:
    from spikeloop.models.decoders.decoder import Decoder

__all__ = ["DECODERS", "RANKED", "compare", "decode"]

DECODERS = ("kalman", "ridge", "wiener", "population_vector", "chance")
RANKED = (
    "ridge:1", "ridge:3", "ridge:10", "ridge:20", "wiener:1", "wiener:10", "kalman", "population_vector:3",
    "population_vector:10", "chance",
)  # fmt: skip
HOLD_OUT = 5  # every how many repeats one is held out, where the bundle's training doesn't say


def decode(
    recording: Positional[str],
    *,
    decoder: tuple[str, ...] = (),
    target: tuple[str, ...] = ("velocity",),
    folds: int = 5,
    lag_ms: float = 0.0,
    bin_ms: tuple[float, ...] = (),
    bundle: str | None = None,
    seed: int = 0,
    report: Path | None = None,
    bin_size_ms: float | None = None,
    repeat_bins: int | None = None,
    json: bool = False,
) -> int:
    """Compare decoders offline: cross-validated R2 and correlation, each with a 95 % interval over folds.

    With a bundle, also whether decoders rank on its counts as on recorded ones. It answers to the recording's own
    movement; the same decoders are fitted on its answers to the part that it was trained on, and judged on those to
    the part that it was not. Recorded counts are split alike, so nothing is cross-validated then. Ranks follow the
    movement too, and agree easily: see also how far the R2 lie apart.

    Parameters
    ----------
    recording
        with kinematics: a name (m1_jango, m1-sim, m1-sim:600), or the path of a .npz or .mat file with conditions
    decoder
        one or several: kalman, ridge, wiener, population_vector, chance, recurrent, onnx:FILE, python:FILE.py:NAME,
        sklearn:ESTIMATOR; ridge:3, wiener:3 and population_vector:3 look at 3 bins instead of 10. By default the first
        five, with a bundle ten of several histories
    target
        what is decoded: velocity, position, or names of conditions
    folds
        contiguous pieces, each decoded by what was fitted on the others
    lag_ms
        by which the kinematics are later than the counts
    bin_ms
        width of the decoders' bins, for which counts are summed and kinematics averaged; several give a curve. What is
        decoded from a wide bin is held over it, and judged by the kinematics of the recording's own bins
    bundle
        a bundle's name or path, that answers to the recording's kinematics
    seed
        of what is drawn at random
    report
        an .html file to write: table and pictures
    bin_size_ms
        of a recording file that doesn't state it
    repeat_bins
        cut a continuous recording into repeats of so many bins
    json
        print one JSON document
    """
    decoders = tuple(dict.fromkeys(decoder)) or (DECODERS if bundle is None else RANKED)
    _check_options(decoders, folds, bundle, seed, report)
    found = find_recording(recording, bin_size_ms / 1000 if bin_size_ms is not None else None, repeat_bins)
    lag_bins = _whole_bins("--lag-ms", lag_ms, found, least=0)
    widths = tuple(_whole_bins("--bin-ms", each, found, least=1) for each in dict.fromkeys(bin_ms)) or (1,)
    task = OfflineTask(_columns(found, target), lag_bins, widths, folds)
    with whole_file(report) if report is not None else nullcontext() as file:
        comparison = compare(found, decoders, task, bundle, seed)
        if file is not None:
            from spikeloop.exporters.decoding_figures import decoding_page

            file.write(decoding_page(comparison))
    if json:
        print_json(comparison_as_json(comparison) | {"seed": seed, "report": report and str(report)})
    else:
        print_comparison(comparison)
        if report is not None:
            print(f"report: {report}")
    return 0


def compare(
    recording: Recording, decoders: Sequence[str], task: OfflineTask, bundle: str | None = None, seed: int = 0
) -> OfflineComparison:
    """Decoders on a recording, and, where there is a bundle, on what it answers to the recording's movement.

    Parameters
    ----------
    decoders : as `open_decoder` knows them
    bundle : name or path

    Raises
    ------
    BadInputError
        If recording, bundle, decoders and task don't go together.
    FailureError
        If a decoder fails, or a package that it takes is not installed.
    """
    from spikeloop.streamer.closedloop.decoders import open_decoder

    def make(text: str, bin_size_s: float) -> "Decoder":
        return open_decoder(text, units=recording.units, bin_size_s=bin_size_s, seed=seed)

    require_spikes(recording, "decoding")
    for text in decoders:
        make(text, recording.bin_size_s)  # before the work, not after it
    if bundle is None:
        recorded, generated = recording, None
        judged_on = f"{task.folds} contiguous folds in turn, decoded by what was fitted on the others"
    else:
        recorded, generated, judged_on = _with_answers(recording, bundle, seed)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        running = progress.add_task("decoding", total=len(decoders) * len(task.widths))
        scores = compare_offline(make, decoders, task, recorded, generated, lambda: progress.advance(running))
    return OfflineComparison(recording, task, judged_on, scores, bundle)


def _with_answers(recording: Recording, name: str, seed: int) -> tuple[Split, Split, str]:
    """The recording's two parts, the same with a bundle's answers, and what is judged on, in words."""
    from spikeloop.streamer.source import open_source

    bundle = read_bundle(name)
    card = bundle.card
    check_alike(name, len(card.unit_names), card.bin_size_s, card.signal, recording)
    if not card.channels or card.channels[0].cyclic:
        raise BadInputError(
            f"--bundle: expected one that answers to kinematics, such as m1-sim, found {card.name}, which answers to"
            f" {'a phase' if card.channels else 'nothing'}"
        )
    split = partial(split_as_trained, recording, name, card.channels, card.latency_bins)
    left_out = held_out_of(card, split(HOLD_OUT).whole)
    parts = split(left_out or HOLD_OUT)
    with Console(stderr=True).status("generating"):
        generated = answered(open_source(bundle, seed).take, parts)
    return as_recorded(parts), generated, _judged_on(parts.whole, left_out, name)


def _judged_on(recording: Recording, left_out: int | None, bundle: str) -> str:
    every = left_out or HOLD_OUT
    what = f"1 of {every} repeats" if recording.repeats >= every else f"the last {1 / every:.0%}"
    if left_out:
        return f"{what}, held out from the training of {bundle}; decoders were fitted on the rest"
    seen = "which may be in the training of" if left_out is None else "which was in the training of"
    return f"{what}, {seen} {bundle}; decoders were fitted on the rest"


def _check_options(decoders: Sequence[str], folds: int, bundle: str | None, seed: int, report: Path | None) -> None:
    """Before the work, not after it."""
    check_seed(seed)
    if folds < 2:
        raise BadInputError(f"--folds: expected 2 or more, found {folds}")
    if live := [each for each in decoders if each == "oracle" or each.partition(":")[0] == "lsl"]:
        raise BadInputError(f"--decoder: {live[0]} needs a session; try it with `spikeloop closedloop`")
    if bundle is not None and len(decoders) < LEAST_RANKED:
        raise BadInputError(f"--decoder: expected {LEAST_RANKED} or more to rank with --bundle, found {len(decoders)}")
    if report is not None:
        if report.suffix != ".html":
            raise BadInputError(f"--report: expected a file ending in .html, found {report}")
        require_packages("matplotlib", extra="evaluate", what="the report")


def _columns(recording: Recording, target: Sequence[str]) -> tuple[int, ...]:
    """Of the conditions that are named so, or whose name begins so: velocity is velocity x and velocity y."""
    names = [channel.name for channel in recording.channels]
    if not names or any(channel.cyclic for channel in recording.channels):
        raise BadInputError(
            f"{recording.name} has no kinematics; expected a recording with some, such as m1_jango or m1-sim, or a file"
            " with array `conditions` and `condition_names`"
        )
    if not target:
        raise BadInputError(f"--target: expected of {', '.join(names)}, found nothing")
    columns: list[int] = []
    for wanted in target:
        found = [place for place, name in enumerate(names) if name == wanted or name.startswith(f"{wanted} ")]
        if not found:
            raise BadInputError(f"--target: {recording.name} has no {wanted!r:.80}; expected of {', '.join(names)}")
        columns += found
    return tuple(dict.fromkeys(columns))


def _whole_bins(option: str, duration_ms: float, recording: Recording, least: int) -> int:
    bin_ms = recording.bin_size_s * 1000
    bins = round(duration_ms / bin_ms) if math.isfinite(duration_ms) else -1
    if bins < least or abs(duration_ms - bins * bin_ms) > ROUNDING * bin_ms:
        raise BadInputError(
            f"{option}: expected {least or 'zero'} or more whole bins of {recording.name}, {bin_ms:g} ms each, found"
            f" {duration_ms:g} ms"
        )
    return bins
