"""What may be asked of a voltage that goes out live, over LSL and to acquisition software."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from spikeloop.models.errors import BadInputError
from spikeloop.models.listening import listen
from spikeloop.streamer.bridges.listening_address import ListeningAddress, ipv4_of, parse_listening_address
from spikeloop.streamer.broadband.options import VoltageOptions

__all__ = ["SentVoltageOptions"]


@dataclass(frozen=True, eq=False, kw_only=True)
class SentVoltageOptions(VoltageOptions):
    """What may be asked of a voltage that goes out live.

    The options of `VoltageOptions` shape it; without `broadband` there is none, and each of them is refused.

    Attributes
    ----------
    broadband : bool, default False
        Whether to synthesise the voltage of electrodes near the units, as NAME-Broadband.
    ephys_socket : str, int or None
        [HOST:]PORT on which the plugin "Ephys Socket" of the Open Ephys GUI gets the voltage; with `broadband`.
    synapse : str, int or None
        [HOST:]PORT of a device of the Synapse protocol, whose clients get the voltage and the spikes, and may
        stimulate; with `broadband`.
    """

    broadband: bool = False
    ephys_socket: str | int | None = None
    synapse: str | int | None = None

    def check_sent(self) -> None:
        """Check what is asked of the voltage.

        Raises
        ------
        BadInputError
            For the first option that can't be used, or that needs a voltage where there is none.
        """
        for option, _ in self._bridges():
            if not self.broadband:
                raise BadInputError(f"{option}: expected a voltage to send, found none; add --broadband")
        if self.broadband:
            self.check_voltage()
        else:
            self.check_no_voltage("--broadband")

    def check_ports(self) -> None:
        """Check, before anything is made that takes a while, that every bridge can listen.

        Raises
        ------
        BadInputError
            If a host is none of this machine.
        FailureError
            If a port is taken, or asked for twice.
        """
        with ExitStack() as opened:
            for option, address in self._bridges():
                host = ipv4_of(option, address.host) if option == "--synapse" else address.host
                opened.enter_context(listen(host, address.port, option))

    def _bridges(self) -> Iterator[tuple[str, ListeningAddress]]:
        for option, asked in (("--ephys-socket", self.ephys_socket), ("--synapse", self.synapse)):
            if asked is not None:
                yield option, parse_listening_address(option, asked)
