"""The decoders that a visitor can choose, each fitted when it is first asked for."""

import copy
import threading
from collections.abc import Mapping, Sequence

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.spec import KINDS, DecoderSpec, parse_decoder
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.closedloop.experiment.brain import VelocityEncoding
from spikeloop.streamer.dashboard.play.calibration import Calibration, fitted, imagined

__all__ = ["DecoderShelf", "offered_decoders"]

FIRST = "wiener"  # which keeps up with a hand best


def offered_decoders(more: Sequence[str] = ()) -> dict[str, DecoderSpec]:
    """Return the decoders that need nothing but spikes to learn from, and others that were asked for, by name.

    Raises
    ------
    BadInputError
        If one can't decode in the page's process.
    """
    own = [name for name, kind in KINDS.items() if kind.make is not None and not kind.sees_position]
    own.sort(key=lambda name: name != FIRST)
    offered = {name: parse_decoder(name) for name in (*own, *more)}
    for name, spec in offered.items():
        if spec.runs_in != "any":
            raise BadInputError(f"--decoder {name}: needs a session; try it with `spikeloop closedloop`")
    return offered


class DecoderShelf:
    """Decoders by name, fitted to the latest calibration.

    Parameters
    ----------
    bundle : Bundle
    encoding : VelocityEncoding
    specs : mapping of DecoderSpec by name
    calibration : Calibration, optional
        To begin with; by default, one that the population imagines when it is first needed.

    Attributes
    ----------
    calibration : Calibration or None
        None before the first.
    """

    def __init__(
        self,
        bundle: Bundle,
        encoding: VelocityEncoding,
        specs: Mapping[str, DecoderSpec],
        calibration: Calibration | None = None,
    ) -> None:
        self.specs, self.calibration = specs, calibration
        self._bundle, self._encoding = bundle, encoding
        self._fitted: dict[str, Decoder] = {}
        self._lock = threading.Lock()

    def checked(self, name: object) -> str:
        """Return the name of a decoder; BadInputError where it is none."""
        if not isinstance(name, str) or name not in self.specs:
            raise BadInputError(f"decoder: expected {', '.join(self.specs)}, found {name!r:.60}")
        return name

    def has(self, name: str) -> bool:
        """Whether it is fitted."""
        return name in self._fitted

    def recalibrate(self, calibration: Calibration) -> None:
        """Have all decoders learn anew from this."""
        with self._lock:
            self.calibration = calibration
            self._fitted.clear()

    def get(self, name: str) -> Decoder:
        """Return a decoder, which takes a while where it is not fitted yet; SpikeloopError where it can't be had."""
        with self._lock:
            if self.calibration is None:
                self.calibration = imagined(self._bundle, self._encoding)
            if name not in self._fitted:
                self._fitted[name] = fitted(self.calibration, self.specs[name], self._bundle.card.bin_size_s)
            return self._copied(name)

    def _copied(self, name: str) -> Decoder:
        """Return a copy, whose state is that after the fit; one that can't be copied goes on as it is."""
        try:
            return copy.deepcopy(self._fitted[name])
        except Exception:  # of a user's own
            return self._fitted[name]
