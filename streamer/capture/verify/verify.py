"""`spikeloop.verify`: what a file says of its spikes made again, and compared bit by bit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle, bundles, load_bundle
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_choice, checked_path
from spikeloop.streamer.capture.acts import missing_acts
from spikeloop.streamer.capture.verify.causes import cause_of_acts, lost_acts
from spikeloop.streamer.capture.verify.compared_spikes import ComparedSpikes, compared_spikes
from spikeloop.streamer.capture.verify.comparison import Comparison
from spikeloop.streamer.capture.verify.header import columns_of, misfits
from spikeloop.streamer.capture.verify.regeneration import Regeneration, conditions_again, pauses_of
from spikeloop.streamer.capture.verify.stated import Stated, in_time
from spikeloop.streamer.capture.verify.stated_file import recorded_in
from spikeloop.streamer.capture.verify.verification import Lost, StreamVerification, Verification
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.stream.stimulation import STIMULUS

__all__ = ["verify"]

NOTED_S = 1e-6  # of a shift of all spikes' times
MOST_LISTED = 100  # stretches of lost bins
MANY = 0.5  # share of bins that differ from the first on, where not one spike was flipped but all are others


def verify(
    path: str | Path,
    bundle: str | Path | Bundle | None = None,
    device: Device = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Make the spikes of a file again, from the bundle, the seed and the conditions that it names, and compare them.

    Parameters
    ----------
    path : str or pathlib.Path
        What `generate` or `closedloop` wrote, in any format; or a recording of spikeloop's streams, as LabRecorder
        or `record` makes it.
    bundle : str, pathlib.Path or Bundle, optional
        Of the file; by default the shipped one of the name that the file says.
    device : {"auto", "cpu", "cuda"}, default "auto"
        Where the generator runs. Another kind of processor than the stream's may round otherwise.
    on_progress : callable (bins, of bins) -> None, optional
        Called after each part that was made again.

    Returns
    -------
    Verification

    Raises
    ------
    BadInputError
        If the file can't be read, or does not say what made its spikes; or the bundle is not at hand.
    FailureError
        If ONNX Runtime is needed and not installed, or the generator fails.

    Examples
    --------
    >>> import spikeloop
    >>> spikeloop.write_recording(spikeloop.generate("m1-sim", duration_s=1, seed=3), "session.npz")
    >>> spikeloop.verify("session.npz").agrees
    True
    """
    file = checked_path("path", path)
    checked_choice("--device", device, get_args(Device))
    streams = [in_time(recorded) for recorded in recorded_in(file)]
    opened = [_bundle_of(recorded, bundle, file) for recorded in streams]
    total, done = sum(int(recorded.bins[-1]) + 1 for recorded in streams), 0

    def advance(bins: int) -> None:
        nonlocal done
        done += bins
        if on_progress is not None:
            on_progress(done, total)

    return Verification(
        str(file),
        tuple(_verified(recorded, of, device, advance) for recorded, of in zip(streams, opened, strict=True)),
    )


def _bundle_of(recorded: Stated, given: str | Path | Bundle | None, file: Path) -> Bundle:
    if isinstance(given, Bundle):
        return given
    name = recorded.provenance.bundle
    if given is None and name not in bundles():
        raise BadInputError(
            f"{file}: made by the bundle {name!r:.60}, which is none of those that ship; give its folder or .zip with"
            " --bundle PATH"
        )
    return load_bundle(name if given is None else given)


def _verified(recorded: Stated, bundle: Bundle, device: Device, advance: Callable[[int], None]) -> StreamVerification:
    """Compare one stream."""
    made_by, bins = recorded.provenance, recorded.bins
    result = StreamVerification(
        recorded.name, made_by.bundle, made_by.sha256, made_by.version, made_by.seed, int(bins[0]), int(bins[-1]),
        len(bins), repeated_bins=int((np.diff(bins) == 0).sum()),
    )  # fmt: skip
    problems = [*misfits(recorded, bundle), *lost_acts(recorded)]
    pauses = pauses_of(recorded.markers, made_by)
    lost, columns = _lost(recorded, pauses), columns_of(recorded, bundle)
    if columns is None or bins[0] < 0:
        return replace(_with_lost(result, lost), uncompared_bins=len(bins), problems=tuple(problems))
    conditions, unknown = _conditions(recorded, bundle, int(bins[-1]) + 1, pauses)
    names = [channel.name for channel in bundle.card.channels]
    stimulated = recorded.conditions is not None and recorded.conditions.shape[1] == len(names) + 1
    names += [STIMULUS.name] if stimulated and any(act["event"] == "stimulate" for act in recorded.markers) else []
    comparison = Comparison(recorded, columns, names)
    for step, sent in Regeneration(bundle, made_by, conditions, recorded.markers, device).steps():
        comparison.add(step, sent)
        advance(len(step.counts))
    spikes = compared_spikes(recorded, *comparison.spikes, comparison.done_bins)
    result = _with_results(_with_lost(result, lost), comparison, spikes)
    found = _found(result, recorded, lost)
    found += cause_of_acts(recorded, len(bundle.card.channels)) if result.first_difference is not None else []
    return replace(result, problems=(*problems, *unknown, *found), notes=_notes(recorded, spikes))


def _conditions(
    recorded: Stated, bundle: Bundle, bins: int, pauses: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.float32], list[str]]:
    """Return what drove the bins, as the header says or as recorded; and, where they end too early, why."""
    again = conditions_again(bundle, recorded.provenance, bins)
    if again is not None:
        return again, []
    channels, driven = len(bundle.card.channels), recorded.conditions
    if driven is None or driven.shape[1] < channels:
        found = "none" if driven is None else f"{driven.shape[1]} channels"
        return np.empty((0, channels), np.float32), [
            f"what drove the stream was not recorded: expected {channels} channels, found {found}; no bin was compared"
        ]
    numbers, first = np.unique(recorded.condition_bins, return_index=True)
    first, numbers = first[numbers >= 0], numbers[numbers >= 0]
    known = int((np.cumprod(numbers == np.arange(len(numbers)))).sum())
    values = driven[first[: min(known, bins)], :channels]
    if known >= bins:
        return values, []
    paused = any(first <= known < stop for first, stop in pauses)
    why = f"a pause kept back what drove bin {known}" if paused else f"what drove bin {known} was not recorded"
    return values, [f"{why}, and later spikes follow from it: bins from {known} on were not compared"]


def _lost(recorded: Stated, pauses: Sequence[tuple[int, int]]) -> list[Lost]:
    """Return the stretches of bins that are missing, but for those that a pause kept back."""
    bins = np.unique(recorded.bins)
    gaps = np.flatnonzero(np.diff(bins) > 1)
    made_by = recorded.provenance
    lost = []
    for first, stop in zip((bins[gaps] + 1).tolist(), bins[gaps + 1].tolist(), strict=True):
        begin = first
        for pause_first, pause_stop in [*pauses, (stop, stop)]:
            if pause_stop < begin or pause_first > stop:
                continue
            if (end := min(pause_first, stop)) > begin:
                lost.append(Lost(begin, end - begin, made_by.start_s + begin * made_by.bin_size_s))
            begin = max(begin, pause_stop)
    return lost


def _with_lost(result: StreamVerification, lost: Sequence[Lost]) -> StreamVerification:
    return replace(result, lost_bins=sum(stretch.bins for stretch in lost), lost=tuple(lost[:MOST_LISTED]))


def _with_results(result: StreamVerification, comparison: Comparison, spikes: ComparedSpikes) -> StreamVerification:
    counts, conditions = comparison.counts, comparison.conditions
    return replace(
        result,
        agreeing_bins=counts.agreeing,
        differing_bins=counts.differing,
        uncompared_bins=result.bins - counts.agreeing - counts.differing,
        first_difference=counts.first,
        condition_bins=0 if conditions is None else conditions.agreeing + conditions.differing,
        differing_conditions=0 if conditions is None else conditions.differing,
        first_differing_condition=None if conditions is None else conditions.first,
        spikes=spikes.expected,
        missing_spikes=spikes.missing,
        unexpected_spikes=spikes.unexpected,
        first_differing_spike=spikes.first,
    )


def _notes(recorded: Stated, spikes: ComparedSpikes) -> tuple[str, ...]:
    """Say what is no fault of the file, and should be known."""
    before = [str(missing) for missing in missing_acts(recorded.markers) if missing.first == 1]
    if abs(spikes.later_s) > NOTED_S:
        off = f"{1e6 * spikes.later_s:+.1f} us"
        before.append(f"the spikes' own times are {off} off, as the clocks of two streams were compared apart")
    return tuple(before)


def _found(result: StreamVerification, recorded: Stated, lost: Sequence[Lost]) -> list[str]:
    """Put what differs into sentences."""
    said = []
    compared = result.agreeing_bins + result.differing_bins
    if result.first_difference is not None:
        said.append(f"{result.differing_bins} of {compared} bins differ, first in {result.first_difference}")
        spiking = int(recorded.counts.any(axis=1).sum())
        if result.differing_bins > MANY * max(1, min(spiking, compared)):
            said.append("so many differ that another seed, bundle or condition than the file says may have made them")
    if lost:
        more = f", and {len(lost) - 1} more stretches" if len(lost) > 1 else ""
        said.append(f"{result.lost_bins} bins were lost: {lost[0]}{more}")
    if result.repeated_bins:
        said.append(f"{result.repeated_bins} bins are in the file more than once")
    if result.first_differing_condition is not None:
        first = result.first_differing_condition
        said.append(f"{result.differing_conditions} bins were driven by other conditions than stated, first in {first}")
    if result.first_differing_spike is not None:
        first = result.first_differing_spike
        said.append(
            f"{result.missing_spikes} spikes' own times are missing and {result.unexpected_spikes} are others, first in"
            f" {first}"
        )
    return said
