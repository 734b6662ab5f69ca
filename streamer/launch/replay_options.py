"""What may be asked of a replay, and of the voltage of a recording that is replayed."""

from dataclasses import dataclass
from typing import Self

from spikeloop.streamer.capture.replay.options import ReplayOptions
from spikeloop.streamer.launch.sent_voltage import SentVoltageOptions

__all__ = ["VoltageReplayOptions"]


@dataclass(frozen=True, eq=False)
class VoltageReplayOptions(ReplayOptions, SentVoltageOptions):
    """The options of `ReplayOptions` and, of a recording's counts, those of `SentVoltageOptions`."""

    def checked(self) -> Self:
        """Check the options, and return them as types of Python's own.

        Raises
        ------
        BadInputError
            For the first that is out of range; the message names it.
        """
        self.check_sent()
        return super().checked()
