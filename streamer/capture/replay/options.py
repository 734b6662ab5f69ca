"""What may be asked of a replay, checked in one place for every caller."""

from dataclasses import dataclass, replace
from math import inf
from typing import Self

from spikeloop.exporters.formats.choices import Choices
from spikeloop.models.errors import BadInputError
from spikeloop.models.scalars import checked_number, checked_text, is_number, shown

__all__ = ["AS_STORED", "ReplayOptions"]

AS_STORED = Choices()
SLOWEST, FASTEST = 0.01, 1000.0
LONGEST_DELAY_S = 3600.0


@dataclass(frozen=True)
class ReplayOptions:
    """What may be asked of a replay, beside its file; the command line's options of `spikeloop replay`.

    Attributes
    ----------
    streams : tuple of str
        Names of an XDF file's streams, each with those beside it (NAME-Events and others), or types; without any, all
        of them.
    source_id, host : str
        Of an XDF file's streams, where several have one name; empty for any.
    counts : bool, default False
        Whether to replay the counts of an XDF file as those of another recording, and not its streams as they are.
    speed : float from 0.01 to 1000, default 1
        Times faster than recorded.
    loop : bool, default False
        Whether to begin anew after the end, with stamps that go on.
    start_s, stop_s : float >= 0, s, or None
        The part to replay, since the file's first sample; by default all of it.
    name : str or None
        Of the streams, where it is to be another than the recorded one.
    start_delay_s : float from 0 to 3600, s, default 0
        Further time between announcing the streams and the first sample, for consumers to connect.
    mqtt : str or None
        URL of a broker for devices. Streams of an XDF file only obey `control`; counts go out as spikes, too.
    reading : Choices
        How a recording is read from a file: its trials, bin size, conditions and others.
    seed : int >= 0, default 0
        Of spikes' times inside their bins, where the file has none, of what stimuli do, and of the voltage.
    """

    streams: tuple[str, ...] = ()
    source_id: str = ""
    host: str = ""
    counts: bool = False
    speed: float = 1.0
    loop: bool = False
    start_s: float | None = None
    stop_s: float | None = None
    name: str | None = None
    start_delay_s: float = 0.0
    mqtt: str | None = None
    reading: Choices = AS_STORED
    seed: int = 0

    def checked(self) -> Self:
        """Check the options, and return them as types of Python's own.

        Raises
        ------
        BadInputError
            For the first that is out of range; the message names it.
        """
        if not (is_number(self.speed) and SLOWEST <= self.speed <= FASTEST):
            found = f"{self.speed:g}" if is_number(self.speed) else shown(self.speed)
            raise BadInputError(f"--speed: expected {SLOWEST:g} to {FASTEST:g}, found {found}")
        start_s = None if self.start_s is None else checked_number("--from", self.start_s, 0, inf, "s")
        stop_s = None if self.stop_s is None else checked_number("--to", self.stop_s, 0, inf, "s")
        if stop_s is not None and stop_s <= (start_s or 0.0):
            raise BadInputError(f"--to: expected a time after --from ({start_s or 0.0:g} s), found {stop_s:g} s")
        for option, text in (
            ("--name", self.name), ("--mqtt", self.mqtt), ("--source-id", self.source_id), ("--host", self.host),
        ):  # fmt: skip
            if text is not None:
                checked_text(option, text)
        delay_s = checked_number("--start-delay", self.start_delay_s, 0, LONGEST_DELAY_S, "s")
        return replace(self, speed=float(self.speed), start_s=start_s, stop_s=stop_s, start_delay_s=delay_s)
