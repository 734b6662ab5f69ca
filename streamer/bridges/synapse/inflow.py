"""A thread that acts on the currents that clients send."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.bridges.synapse.messages import read_waveforms
from spikeloop.streamer.bridges.synapse.pulses import Pulse, pulses_in
from spikeloop.streamer.bridges.synapse.signal_chain import StimulationNode
from spikeloop.streamer.bridges.synapse.taps import Consumer

__all__ = ["Inflow"]

logger = logging.getLogger(__name__)


class Inflow:
    """Listens from entering to leaving the context.

    Parameters
    ----------
    context : zmq.Context
    host : str
        Address at which the tap listens.
    stimulate : callable of sequence of Pulse
        Raises BadInputError where it refuses.

    Attributes
    ----------
    tap : Consumer
    node : StimulationNode or None
        Says what messages mean; None where they are refused.
    pulses, refused : int
        Acted on; messages that could not be understood or acted on.
    """

    def __init__(self, context: Any, host: str, stimulate: Callable[[Sequence[Pulse]], None]) -> None:
        self._context, self._host, self._stimulate = context, host, stimulate
        self.node: StimulationNode | None = None
        self.pulses = self.refused = 0
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        self.tap = Consumer(self._context, self._host)
        self._thread = threading.Thread(target=self._work, name="spikeloop-synapse-inflow", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._ending.is_set():
                if (message := self.tap.next()) is not None:
                    self._take(message)
        finally:
            self.tap.close()

    def _take(self, message: bytes) -> None:
        try:
            if (node := self.node) is None:
                raise BadInputError("expected a device that runs with a node electrical_stimulation; start it first")
            pulses = pulses_in(read_waveforms(message, node), node)
            self._stimulate(pulses)
            self.pulses += len(pulses)
        except BadInputError as error:
            self.refused += 1
            logger.warning("Synapse: a stimulation was refused: %s", error)
