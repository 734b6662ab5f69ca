"""A visitor as the user of the loop: an intended velocity drives the population, and a decoder moves the cursor."""

import json
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Floats
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.spec import parse_decoder
from spikeloop.models.errors import BadInputError, SpikeloopError
from spikeloop.models.scalars import checked_whole, is_number
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.dashboard.frames import Kind, conditions_body, document_body
from spikeloop.streamer.dashboard.hub import Hub
from spikeloop.streamer.inference.open_decoder import open_decoder
from spikeloop.streamer.lsl.segments import Segment
from spikeloop.streamer.stream.source import open_source

__all__ = ["DECODERS", "EXTENT_CM", "Play", "calibration_velocity"]

DECODERS = ("kalman", "wiener", "ridge", "population_vector", "chance")
EXTENT_CM = 24.0  # side of the workspace
CALIBRATION_S = 100.0
CALIBRATION_SEED = 2**60  # far from those that users choose
FASTEST_CM_S = 40.0
IDLE_S = 1.0  # without an aim, after which the cursor stands still
SMOOTHING_S = 0.06  # time constant of the decoded velocity
WAVES = ((13.0, 3.1, 0.0), (8.0, 1.3, 1.0), (13.0, 2.3, 2.0), (8.0, 0.9, 4.0))  # cm/s, s, rad; two of x, two of y


class Play:
    """The cursor, and what moves it; `decode` in the feed's thread, the rest from any.

    Parameters
    ----------
    bundle : Bundle
    hub : Hub
        Gets the cursor's positions, and how the game stands.
    drive : callable
        Gets conditions, (channels,), that drive the population from now on.

    Raises
    ------
    BadInputError
        If no velocity drives the bundle.
    """

    def __init__(self, bundle: Bundle, hub: Hub, drive: Callable[[Floats], None]) -> None:
        self._bundle, self._hub, self._drive = bundle, hub, drive
        self._encoding = VelocityEncoding(bundle, EXTENT_CM)
        self._decoder: Decoder | None = None
        self._position_cm, self._velocity_cm_s = np.zeros(2), np.zeros(2)
        self._keeps = math.exp(-bundle.card.bin_size_s / SMOOTHING_S)
        self._gets = np.ones(len(bundle.card.unit_names), bool)  # whose spikes the decoder gets
        self._idle_bins = 0
        self._choosing = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._publish("none")

    def close(self) -> None:
        """End a calibration that is under way."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def choose(self, payload: bytes) -> None:
        """Calibrate a decoder, in a thread, and have it move the cursor; returns at once.

        Raises
        ------
        BadInputError
            If it is none of `DECODERS`, or another one is being calibrated.
        """
        name = _field(payload, "decoder")
        if name not in DECODERS:
            raise BadInputError(f"decoder: expected {', '.join(DECODERS)}, found {name!r:.60}")
        if not self._choosing.acquire(blocking=False):
            raise BadInputError("a decoder is being calibrated; wait until it is ready")
        self._publish("calibrating", name)
        self._thread = threading.Thread(target=self._calibrate, args=(name,), name="spikeloop-calibration", daemon=True)
        self._thread.start()

    def aim(self, payload: bytes) -> None:
        """Drive the population by the velocity that a visitor intends.

        Raises
        ------
        BadInputError
            If that is not two numbers, cm/s.
        """
        asked = _field(payload, "velocity_cm_s")
        self._idle_bins = 0
        if not (isinstance(asked, list) and len(asked) == 2 and all(map(_is_finite, asked))):
            raise BadInputError(f"velocity_cm_s: expected two numbers, found {asked!r:.60}")
        velocity = np.array(asked, float)
        speed = float(np.hypot(*velocity))
        velocity *= min(1.0, FASTEST_CM_S / speed) if speed else 0.0
        self._drive(self._encoding.conditions(velocity, self._position_cm).astype(np.float64))

    def lose(self, payload: bytes) -> list[int]:
        """Keep the spikes of some units from the decoder; returns which, the same for the same number.

        Raises
        ------
        BadInputError
            If their number is not a whole one, from 0 to that of the units.
        """
        units = len(self._bundle.card.unit_names)
        number = checked_whole("units", _field(payload, "units"), 0, units)
        lost = np.argsort(np.sin(1.0 + np.arange(units) * units))[:number]  # scattered over the population
        self._gets = np.isin(np.arange(units), lost, invert=True)
        return sorted(lost.tolist())

    def centre(self) -> None:
        """Put the cursor to the centre."""
        self._position_cm, self._velocity_cm_s = np.zeros(2), np.zeros(2)

    def decode(self, first_bin: int, segment: Segment) -> None:
        """Move the cursor by the counts of bins, and publish where it was at the end of each."""
        decoder = self._decoder
        if decoder is None or not self._hub.viewers:
            return
        bin_size_s, half = self._bundle.card.bin_size_s, EXTENT_CM / 2
        track = np.empty((len(segment.counts), 2), np.float32)
        for place, counts in enumerate(segment.counts * self._gets):
            decoded = decoder.step(counts)
            self._idle_bins += 1
            if self._idle_bins * bin_size_s > IDLE_S:  # nobody aims: noise would take the cursor away
                decoded = np.zeros(2)
            self._velocity_cm_s = self._keeps * self._velocity_cm_s + (1 - self._keeps) * decoded
            moved = self._position_cm + self._velocity_cm_s * bin_size_s
            self._position_cm = np.minimum(np.maximum(moved, -half), half)
            track[place] = self._position_cm
        self._hub.publish(Kind.CURSOR, conditions_body(first_bin, float(segment.ends_s[-1]), track))

    def _calibrate(self, name: str) -> None:
        try:
            decoder = self._fitted(name)
        except SpikeloopError as error:
            self._publish("failed", name, str(error))
        else:
            self._decoder = decoder
            self.centre()
            self._publish("ready", name)
        finally:
            self._choosing.release()

    def _fitted(self, name: str) -> Decoder:
        """Fit a decoder to what the population fires while it imagines to follow a moving cursor."""
        card = self._bundle.card
        velocity = calibration_velocity(round(CALIBRATION_S / card.bin_size_s), card.bin_size_s)
        position = np.cumsum(velocity, axis=0) * card.bin_size_s
        conditions = np.array([self._encoding.conditions(*now) for now in zip(velocity, position, strict=True)])
        counts = open_source(self._bundle, CALIBRATION_SEED, "cpu").next(len(velocity), conditions)
        decoder = open_decoder(parse_decoder(name), units=len(card.unit_names), bin_size_s=card.bin_size_s, seed=0)
        decoder.fit(counts, velocity)
        return decoder

    def _publish(self, state: str, decoder: str = "", why: str = "") -> None:
        game = {"state": state, "decoder": decoder, "why": why, "decoders": DECODERS, "extent_cm": EXTENT_CM}
        body = document_body(game)
        self._hub.keep(Kind.GAME, body)
        self._hub.publish(Kind.GAME, body)


def calibration_velocity(bins: int, bin_size_s: float) -> Floats:
    """Return the velocity, (bins, 2), cm/s, of the cursor that is followed: waves that never repeat together."""
    time_s = np.arange(bins) * bin_size_s
    waves = [speed * np.sin(2 * np.pi * time_s / period_s + phase) for speed, period_s, phase in WAVES]
    return np.stack([waves[0] + waves[1], waves[2] + waves[3]], axis=1)


def _field(payload: bytes, name: str) -> Any:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or name not in document:
        raise BadInputError(f"expected JSON with {name}, found {payload[:60]!r}")
    return document[name]


def _is_finite(value: Any) -> bool:
    return is_number(value) and math.isfinite(value)
