"""What may be asked of a stream, checked in one place for every caller."""

from dataclasses import dataclass, replace
from typing import get_args

from numpy.typing import ArrayLike

from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_choice, checked_number, checked_text, is_whole, shown
from spikeloop.streamer.conditions.steered import STEERED
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import bins_of, check_seed
from spikeloop.streamer.launch.sent_voltage import SentVoltageOptions
from spikeloop.streamer.lsl.sink import CountFormat
from spikeloop.streamer.mqtt.condition import MQTT

__all__ = ["Schedule", "StreamOptions"]

STEP_S = 0.02  # default length of a step
LONGEST_STEP_S = 10.0
WAITS = (  # field, option, and the longest, s
    ("start_delay_s", "--start-delay", 3600.0),
    ("condition_hold_s", "--condition-hold", 3600.0),
    ("condition_decay_s", "--condition-decay", 3600.0),
)


@dataclass(frozen=True)
class Schedule:
    """The steps of a stream.

    Attributes
    ----------
    step_bins : int >= 1
        Bins of a step.
    bins : int or None
        Bins of the whole stream; None for a stream without end.
    """

    step_bins: int
    bins: int | None


@dataclass(frozen=True, eq=False)
class StreamOptions(SentVoltageOptions):
    """What may be asked of a stream, beside its bundle; the command line's options of `spikeloop stream`.

    The options of the voltage are those of `SentVoltageOptions`.

    Attributes
    ----------
    name : str, default "spikeloop"
        The LSL stream's name.
    seed : int >= 0, default 0
        The same seed gives the same spikes.
    step_bins : int >= 1 or None
        Bins that are pushed together; by default the number nearest to 20 ms.
    duration_s : float > 0, s, or None
        How long to stream; by default until it is stopped.
    device : {"auto", "cpu", "cuda"}
        Where the generator runs.
    count_format : {"float32", "int16", "int8"}
        LSL format of the counts; int8 sends counts above 127 as 127.
    start_delay_s : float from 0 to 3600, s
        Further time between announcing the streams and the first bin, for consumers to connect.
    condition : str, array of shape (channels,) or (bins, channels), or None
        What drives the population: words as of the option `--condition`, or values; by default the phase where the
        model has one, else rest. `steered` is the same until a program sets other values.
    condition_hold_s, condition_decay_s : float from 0 to 3600, s
        Of a live condition: how long the last value holds, and in how long it then falls to rest.
    mqtt : str or None
        URL of a broker for devices.
    monitor : bool
        Whether to start `spikeloop monitor` in a process of its own.
    controls : bool
        Whether gain, pause and stimulation can be changed while it runs, which adds NAME-Markers and a channel
        `stimulus` to NAME-Condition; with `mqtt` they can in any case.
    """

    name: str = "spikeloop"
    seed: int = 0
    step_bins: int | None = None
    duration_s: float | None = None
    device: Device = "auto"
    count_format: CountFormat = "float32"
    start_delay_s: float = 0.0
    condition: str | ArrayLike | None = None
    condition_hold_s: float = 0.5
    condition_decay_s: float = 0.5
    mqtt: str | None = None
    monitor: bool = False
    controls: bool = False

    def checked(self, card: Card) -> "StreamOptions":
        """Check the options against a bundle, and return them as types of Python's own, with the length of a step.

        Raises
        ------
        BadInputError
            For the first option that is out of range or does not suit the bundle; the message names it.
        """
        seconds = {name: checked_number(option, getattr(self, name), 0, most, "s") for name, option, most in WAITS}
        checked_choice("--device", self.device, get_args(Device))
        checked_choice("--format", self.count_format, get_args(CountFormat))
        checked_text("--name", self.name)
        if self.mqtt is not None:
            checked_text("--mqtt", self.mqtt)
        self.check_sent()
        if card.signal == "fluorescence" and self.count_format != "float32":
            raise BadInputError(f"--format: fluorescence is float32, found {self.count_format}; leave --format out")
        if isinstance(self.condition, str) and self.condition == MQTT and self.mqtt is None:
            raise BadInputError(f"--condition {MQTT}: expected a broker that brings it, found none; add --mqtt URL")
        if isinstance(self.condition, str) and self.condition == STEERED and not self.controls and self.mqtt is None:
            raise BadInputError(
                f"--condition {STEERED}: expected a program that steers; stream it with spikeloop.stream"
            )
        return replace(self, seed=check_seed(self.seed), step_bins=self._checked_step_bins(card.bin_size_s), **seconds)

    def _checked_step_bins(self, bin_size_s: float) -> int:
        longest = max(1, round(LONGEST_STEP_S / bin_size_s))
        step_bins = max(1, round(STEP_S / bin_size_s)) if self.step_bins is None else self.step_bins
        if not (is_whole(step_bins) and 1 <= int(step_bins) <= longest):
            raise BadInputError(
                f"--step-bins: expected 1 to {longest} bins ({LONGEST_STEP_S:g} s), found {shown(step_bins)}"
            )
        return int(step_bins)

    def schedule(self, card: Card) -> Schedule:
        """Plan the steps of a bundle's stream; BadInputError where the options can't be used."""
        options = self.checked(card)
        assert options.step_bins is not None
        bins = None if options.duration_s is None else bins_of(options.duration_s, card.bin_size_s)
        return Schedule(options.step_bins, bins)
