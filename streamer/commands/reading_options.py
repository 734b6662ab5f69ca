"""The options by which every command reads a recording, and what it says of it first."""

from dataclasses import dataclass, replace
from typing import Annotated

from spikeloop.exporters.documents import print_line, printable
from spikeloop.exporters.formats.choices import Choices
from spikeloop.exporters.formats.read import read_chosen
from spikeloop.models.errors import BadInputError
from spikeloop.models.memory import memory_for
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.summary import RecordingSummary, summarise
from spikeloop.streamer.commands.command_help import option
from spikeloop.streamer.commands.output import SideConsole
from spikeloop.streamer.launch.answers import checked_answers

__all__ = [
    "AS_STORED",
    "TRAINED_AS_STORED",
    "ReadingOptions",
    "TrainingOptions",
    "read_and_tell",
    "renames",
    "tell",
]


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How a recording is read from a file.

    Attributes
    ----------
    key : str, optional
        where the spikes are inside the file: the name of an array, column or stream, or a path; `spikeloop inspect`
        lists what there is
    unit_key : str, optional
        where the unit of each spike is, of spike times
    trial_key : str, optional
        where the trial of each spike is, of spike times
    time_unit : str, optional
        unit of spike times: s, ms, us, ns, or a sampling rate such as "30000 Hz" for numbers of samples
    transpose : bool
        the counts have their units first: (units, bins) or (units, bins, trials)
    axes : str, optional
        axes of the counts in their order, such as trials,units,bins; by default trials,bins,units
    units : str, optional
        units to read: a label (good, mua), names, or numbers such as 0-31,40
    trials : str, optional
        trials to read: all, or numbers such as 0-99; cuts a continuous recording into the trials of the file
    condition : tuple of str
        what drove the population, and where it is inside the file: "velocity [cm/s]=processing/behavior/Velocity"; by
        default what the file itself calls conditions
    rename : tuple of str
        new names of conditions, and units: "vx=velocity x [cm/s]"; values stay as they are
    start : float, s, optional
        time at which to begin, by the clock of the file
    stop : float, s, optional
        time at which to end, by the clock of the file
    max_gap_ms : float >= 0, ms
        longest gap of missing conditions that is interpolated; bins in longer ones are left out
    bin_size_ms : float > 0, ms, optional
        bin size in which spike times are counted, or of counts whose file does not state it
    repeat_bins : int >= 1, bins, optional
        cut a continuous recording into repeats of this length
    """

    key: Annotated[str | None, option("PATH", default="")] = None
    unit_key: Annotated[str | None, option("PATH", default="")] = None
    trial_key: Annotated[str | None, option("PATH", default="")] = None
    time_unit: Annotated[str | None, option("UNIT", default="")] = None
    transpose: Annotated[bool, option(default="")] = False
    axes: Annotated[str | None, option("AXES", default="")] = None
    units: Annotated[str | None, option("UNITS", default="")] = None
    trials: Annotated[str | None, option("TRIALS", default="")] = None
    condition: Annotated[tuple[str, ...], option("NAME=PATH ...", default="")] = ()
    rename: Annotated[tuple[str, ...], option("OLD=NEW ...", default="")] = ()
    start: Annotated[float | None, option("S", default="")] = None
    stop: Annotated[float | None, option("S", default="")] = None
    max_gap_ms: Annotated[float, option("MS")] = 100.0
    bin_size_ms: Annotated[float | None, option("MS", default="")] = None
    repeat_bins: Annotated[int | None, option("BINS", default="")] = None

    @property
    def bin_size_s(self) -> float | None:
        """The bin size, s."""
        return None if self.bin_size_ms is None else self.bin_size_ms / 1000

    def choices(self) -> Choices:
        """Check the options; BadInputError for the first that can't be meant."""
        return Choices.checked(
            self.bin_size_s,
            self.repeat_bins,
            key=self.key,
            unit_key=self.unit_key,
            trial_key=self.trial_key,
            time_unit=self.time_unit,
            transpose=self.transpose,
            axes=self.axes,
            units=self.units,
            trials=self.trials,
            conditions=_pairs("--condition", "NAME=PATH", self.condition),
            rename=renames(self.rename),
            start_s=self.start,
            stop_s=self.stop,
            max_gap_s=self.max_gap_ms / 1000,
        )


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(ReadingOptions):
    """How a recording is read from a file to train on it.

    Attributes
    ----------
    condition : tuple of str
        what the model answers to: phase (of a repeated stimulus; the default where repeats are alike); none (the
        default elsewhere); recorded (what the file itself calls conditions); or what drove the population, and where it
        is inside the file: "velocity [cm/s]=processing/behavior/Velocity"; session-time, alone or beside one of the
        last two (the share of the session that has passed, for sessions that drift). Only causal_gan, vae and vae_gan
        have conditions
    """

    condition: Annotated[tuple[str, ...], option("CONDITION ...", default="")] = ()

    @property
    def answers_to(self) -> tuple[str, ...] | None:
        """What the model answers to, as `checked_answers` returns it; None where nothing is named."""
        words = [word for word in self.condition if "=" not in word]
        if len(self.condition) > len(words):
            words.append("recorded")
        return checked_answers(words) if words else None

    def choices(self) -> Choices:
        """Check the options; BadInputError for the first that can't be meant."""
        self.answers_to  # noqa: B018  (what is neither a word nor a pair)
        named = tuple(word for word in self.condition if "=" in word)
        return ReadingOptions.choices(replace(self, condition=named))


AS_STORED, TRAINED_AS_STORED = ReadingOptions(), TrainingOptions()


def renames(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read the pairs of `--rename`; BadInputError for what is none."""
    return _pairs("--rename", "OLD=NEW", pairs)


def _pairs(name: str, form: str, words: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        left, equals, right = (part.strip() for part in word.partition("="))
        if not (left and equals and right):
            raise BadInputError(f"{name}: expected {form}, found {word!r:.80}")
        if left in pairs:
            raise BadInputError(f"{name}: expected {left} once, found it twice: {word!r:.80}")
        pairs[left] = right
    return pairs


def read_and_tell(name_or_path: str, options: ReadingOptions) -> tuple[Recording, RecordingSummary]:
    """Read a recording, and say on stderr what it holds.

    Parameters
    ----------
    name_or_path : str
    options : ReadingOptions

    Returns
    -------
    recording : Recording
    summary : RecordingSummary
        For the command's own report.
    """
    with memory_for(name_or_path, state=lambda need: print_line(SideConsole(), printable(need))):
        recording = read_chosen(name_or_path, options.choices())
    return recording, tell(recording)


def tell(recording: Recording) -> RecordingSummary:
    """Say on stderr what a recording holds, what was done to it, and what is probably not as it was meant."""
    console, summary = SideConsole(), summarise(recording)
    print_line(console, printable(str(summary)))
    for sentence in summary.history:
        print_line(console, f"  done: {printable(sentence)}")
    for sentence in summary.warnings:
        print_line(console, f"  warning: {printable(sentence)}")
    return summary
