"""The loop that a visitor closes: an intended velocity drives the population, and its spikes move the cursor."""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import rest_of
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.scalars import checked_whole
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.closedloop.real_time.lsl_log import made_by_of
from spikeloop.streamer.dashboard.play.bin_log import BinLog
from spikeloop.streamer.dashboard.play.cursor import DecodedCursor
from spikeloop.streamer.dashboard.play.setup import fields_of, parse_velocity
from spikeloop.streamer.dashboard.play.ties import Ties
from spikeloop.streamer.dashboard.play.timing import Timing
from spikeloop.streamer.lsl.description import StreamDescription

__all__ = ["VisitorLoop"]

FASTEST_CM_S = 60.0


class VisitorLoop:
    """What a visitor's aims go to, and what comes back.

    Parameters
    ----------
    bundle : Bundle
    ties : Ties
    timing : Timing

    Attributes
    ----------
    encoding : VelocityEncoding
    cursor : DecodedCursor
    log : BinLog
        Of this run of the stream.
    made_by : Provenance or None
        Of this run; None where the stream does not say.

    Raises
    ------
    BadInputError
        If no velocity drives the bundle.
    """

    def __init__(self, bundle: Bundle, ties: Ties, timing: Timing) -> None:
        self._card, self._ties, self._timing = bundle.card, ties, timing
        self.encoding = VelocityEncoding(bundle)
        self.cursor = DecodedCursor(len(bundle.card.unit_names), bundle.card.bin_size_s)
        self.log = self._new_log()
        self.made_by: Provenance | None = None

    def begin_run(self, description: StreamDescription) -> None:
        """Begin with a run of the stream."""
        self.log = self._new_log()
        self.made_by = made_by_of(description, self._card.bin_size_s)
        self._timing.begin_run()

    def aim(self, payload: bytes, number: int, allowed: bool) -> None:
        """Drive the population by the velocity that a page asks for, where that is allowed to it."""
        asked = fields_of(payload, "velocity_cm_s")
        velocity = np.array(parse_velocity(asked["velocity_cm_s"]))
        if not allowed:
            return
        speed = float(np.hypot(*velocity))
        velocity *= min(1.0, FASTEST_CM_S / speed) if speed else 0.0
        conditions = self.encoding.conditions(velocity, self.cursor.position_cm)
        self._timing.aimed(asked.get("number"), number, conditions)
        self.cursor.aimed()
        self._ties.drive(conditions.astype(np.float64))
        self._ties.hurry()

    def let_go(self) -> None:
        """Let the population rest."""
        with suppress(BadInputError):  # the stream has ended
            self._ties.drive(None)

    def hide(self, payload: bytes) -> None:
        """Keep the spikes of some units from the decoder."""
        units = checked_whole("units", fields_of(payload, "units")["units"], 0, len(self.cursor.gets))
        self._ties.mark("hidden units", units=self.cursor.hide(units))

    def driven(self, first_bin: int, ends_s: Floats, values: NDArray[np.float32]) -> None:
        """Note what drove bins, and by whose aims."""
        self.log.add_conditions(first_bin, values)
        self._timing.drove(first_bin, ends_s, values[:, : len(self._card.channels)])

    def intended_of(self, bins: NDArray[np.integer]) -> Floats:
        """Return the velocity, (bins, 2), cm/s, that drove these bins; NaN where that is not known."""
        return self.encoding.velocity(self.log.conditions_of(bins))

    def _new_log(self) -> BinLog:
        return BinLog(len(self._card.unit_names), rest_of(self._card.channels).astype(np.float32))
