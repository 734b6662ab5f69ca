"""What an evaluation judges: a model's samples beside the parts of the recording that judge them."""

from dataclasses import dataclass, replace
from pathlib import Path

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.formats.assembly.assemble import assemble
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.found import Binned
from spikeloop.exporters.formats.read import log_recording, open_format
from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError
from spikeloop.models.evaluation.responses import Parts, Responses, respond, split_as_trained
from spikeloop.models.measures.seams import seam_covariance_ratio, seam_ratio
from spikeloop.models.measures.similarity import MOST_DRAWS
from spikeloop.models.memory import memory_for
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.windows import LEAST_HELD_BINS, STRETCHES, count_short, random_window_count
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.suitability import check_alike, held_out_of, held_out_part, stretches_of
from spikeloop.streamer.stream.source import open_source

__all__ = ["Asked", "Subject", "read_samples", "subject_of_bundle", "subject_of_samples"]

WINDOW_BINS = 32  # of samples that are no windows, where nothing says otherwise: the paper's windows
MOST_WINDOW_BINS = 128  # longer samples are repeats, from which windows are cut
SEAM_LAGS = 5  # bins


@dataclass(frozen=True)
class Asked:
    """How a model is to be judged.

    Attributes
    ----------
    hold_out : int >= 2
        Every n-th repeat judges.
    window_bins : int >= 2 or None
        Length of the windows compared. None gives a bundle's own; of samples their own up to 128 bins, else 32.
    seed : int >= 0
    device : "auto", "cpu" or "cuda"
        Where a bundle's generator runs.
    """

    hold_out: int
    window_bins: int | None
    seed: int
    device: Device


@dataclass(frozen=True, eq=False)
class Subject:
    """What is judged, and by what.

    Attributes
    ----------
    name : str
        The model, for people.
    samples : Recording
        Spikes of the model; of a conditional one its answers to the held-out part.
    window_bins : int
        Bins of the windows that are compared.
    parts : Parts
        The recording and its two parts.
    stretches : int
        Of a continuous recording, of each of which a part is held out.
    left_out : int or None
        n where the model's training left out every n-th repeat, 0 where none; None where that is not known.
    responses : Responses or None
        Of a conditional bundle.
    seam_ratio : float or None
        Covariance across the borders of an unconditional bundle's windows over that inside, all lags together. None for
        a conditional bundle, since what drives it has borders of its own, and for samples.
    seam_covariance_ratio : tuple of float or None
        The same for lags of 1, 2, ... bins.
    """

    name: str
    samples: Recording
    window_bins: int
    parts: Parts
    stretches: int
    left_out: int | None = None
    responses: Responses | None = None
    seam_ratio: float | None = None
    seam_covariance_ratio: tuple[float, ...] | None = None

    def judged_on(self, every: int) -> str:
        """Describe the part of the recording that judges, and whether the model's training saw it."""
        what = held_out_part(self.parts.whole, every, self.stretches)
        if short := count_short(self.parts.held_out, self.window_bins):
            what += f", without {short} of {self.parts.held_out.repeats} repeats that are shorter than a window"
        if self.responses is not None:
            what += " under its conditions"
        if self.left_out is None:
            return what
        if self.left_out == every:
            return f"{what}, held out from training"
        return f"{what}, {'which' if self.left_out == 0 else 'some of which'} it was trained on"


def read_samples(path: Path, recording: Recording, bin_size_s: float | None = None) -> Recording:
    """Read a file of samples, which may leave its bin size to the recording that judges it.

    Parameters
    ----------
    path : Path
        Of a file of any format of recordings.
    recording : Recording
        Its bin size is used where neither the file nor `bin_size_s` states one.
    bin_size_s : float > 0, s, default None
    """
    choices = Choices.checked(bin_size_s)
    with memory_for(path):
        found = open_format(path).reader().find(path, choices)
        stated = isinstance(found.spikes, Binned) and found.spikes.bin_size_s is not None
        if not stated and bin_size_s is None:
            choices = Choices.checked(recording.bin_size_s)
        samples = assemble(found, choices)
    log_recording(samples)
    return samples


def subject_of_samples(name: str, samples: Recording, recording: Recording, asked: Asked) -> Subject:
    """Prepare samples of any model: windows, or longer repeats from which windows are cut.

    Parameters
    ----------
    name : str, for messages
    samples, recording : Recording
    asked : Asked

    Raises
    ------
    BadInputError
        If the recording can't judge them.
    """
    check_alike(name, samples.units, samples.bin_size_s, samples.signal, recording)
    are_windows = samples.repeats > 1 and samples.lengths is None and samples.bins <= MOST_WINDOW_BINS
    own = samples.bins if are_windows else min(WINDOW_BINS, samples.bins)
    bins = _checked_bins(own if asked.window_bins is None else asked.window_bins)
    stretches = STRETCHES if bins <= LEAST_HELD_BINS else 1  # or a window might not fit into what is held out
    parts = split_as_trained(recording, name, (), 0, asked.hold_out, stretches)
    return Subject(name, samples, bins, parts, stretches)


def subject_of_bundle(name: str, bundle: Bundle, recording: Recording, asked: Asked) -> Subject:
    """Sample a bundle: several times as much as is compared at a time.

    Parameters
    ----------
    name : str, for messages
    bundle : Bundle
    recording : Recording
    asked : Asked

    Raises
    ------
    BadInputError
        If the recording can't judge it, or its windows are shorter than those asked for.
    """
    card = bundle.card
    check_alike(name, len(card.unit_names), card.bin_size_s, card.signal, recording)
    bins = _checked_bins(card.window_bins if asked.window_bins is None else asked.window_bins)
    if card.kind == "window" and bins > card.window_bins:
        raise BadInputError(
            f"--window-bins: {card.name} gives windows of {card.window_bins} bins that don't go on from one to the"
            f" next; expected at most as many, found {bins}"
        )
    stretches = stretches_of(card)
    parts = split_as_trained(recording, name, card.channels, card.latency_bins, asked.hold_out, stretches)
    if parts.held_out.bins < bins:
        raise BadInputError(
            f"{recording.name}: expected repeats of at least {bins} bins (one window), found {parts.held_out.bins}"
        )
    left_out, stream = held_out_of(card, parts.whole), open_source(bundle, asked.seed, asked.device).next
    if card.channels:
        responses = respond(stream, parts)
        answers = _as_samples(responses.held_out, bundle)
        if parts.held_out.lengths is not None:
            passes = answers.repeats // parts.held_out.repeats
            answers = replace(answers, lengths=parts.held_out.lengths * passes)
        return Subject(name, answers, bins, parts, stretches, left_out, responses)
    own = card.window_bins if card.kind == "window" else bins
    counts = stream(MOST_DRAWS * random_window_count(parts.held_out, bins) * own)
    windows = counts.reshape(-1, own if card.kind == "window" else len(counts), len(card.unit_names))
    lags = min(SEAM_LAGS, own - 1)
    seams = seam_ratio(counts, own, lags), seam_covariance_ratio(counts, own, range(1, lags + 1))
    return Subject(name, _as_samples(windows, bundle), bins, parts, stretches, left_out, None, *seams)


def _as_samples(counts: Counts, bundle: Bundle) -> Recording:
    card = bundle.card
    return Recording(counts, card.bin_size_s, card.unit_names, name=card.name, signal=card.signal)


def _checked_bins(window_bins: int) -> int:
    if window_bins < 2:
        raise BadInputError(f"--window-bins: expected windows of at least 2 bins, found {window_bins}")
    return window_bins
