"""An open connection to an LSL stream, and the samples that come over it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from spikeloop.models.arrays import Floats
from spikeloop.streamer.lsl.clock_offset import ClockOffset
from spikeloop.streamer.lsl.description import StreamDescription, describe
from spikeloop.streamer.lsl.library import buffer_seconds, import_pylsl
from spikeloop.streamer.lsl.stream_query import describe_origin

if TYPE_CHECKING:
    import pylsl

__all__ = ["Chunk", "Connection", "connect"]

CONNECT_S = 2.0  # comparing clocks alone takes 0.64 s


@dataclass(eq=False)
class Connection:
    """An open inlet and what its stream says about itself.

    The inlet gives stamps on the sender's clock, so that a jump in the comparison of clocks makes no gap.

    Attributes
    ----------
    inlet : pylsl.StreamInlet
    description : StreamDescription
    most_samples : int
        Samples that one pull hands out.
    clock : ClockOffset
        Of its sender.
    correction_s : float, s
        From the sender's clock to this machine's.
    origin : str
        Host and source id of the sender.
    received : int
        Samples that were pulled.
    """

    inlet: "pylsl.StreamInlet"
    description: StreamDescription
    most_samples: int
    clock: ClockOffset
    correction_s: float
    origin: str = ""
    received: int = 0

    def compare_clocks(self) -> None:
        """Update `correction_s`; mostly at once, see `ClockOffset`."""
        with suppress(RuntimeError):  # the stream ended, which the next pull reports
            self.correction_s = self.clock.measure(CONNECT_S)


class Chunk(NamedTuple):
    """Samples that arrived.

    Attributes
    ----------
    connection : Connection
        Where they come from.
    values : array of shape (samples, channels)
        In the format of the stream.
    stamps_s : array of shape (samples,), float64, s
        On the sender's clock; NaN where it sent what can be no time.
    """

    connection: Connection
    values: NDArray[Any]
    stamps_s: Floats

    @property
    def local_s(self) -> Floats:
        """The stamps on this machine's LSL clock."""
        return self.stamps_s + self.connection.correction_s


def connect(info: "pylsl.StreamInfo", buffer_s: int, most_samples: int) -> Connection:
    """Open an inlet, read the description, and compare clocks now, as the first pull would wait for it.

    Parameters
    ----------
    info : pylsl.StreamInfo
    buffer_s : int, s
        Samples that LSL keeps until they are pulled, of a slow stream more; for an irregular one, hundreds of samples.
    most_samples : int
        As of `Connection`.

    Raises
    ------
    BadInputError
        If its declared rate is none that samples can come at.
    RuntimeError
        If the stream can't be reached.
    """
    kept_s = buffer_seconds(buffer_s, info.nominal_srate())
    inlet = import_pylsl().StreamInlet(info, max_buflen=kept_s, recover=False)
    inlet.open_stream(CONNECT_S)
    description, clock = describe(inlet.info(CONNECT_S)), ClockOffset(info)
    return Connection(inlet, description, most_samples, clock, clock.measure(CONNECT_S), describe_origin(info))
