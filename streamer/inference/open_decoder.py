"""A fresh decoder of the kind that a user asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

from spikeloop.models.decoders.decoder import Decoder
from spikeloop.models.decoders.history import HISTORY_S, with_history
from spikeloop.models.decoders.spec import GROUP, KINDS, DecoderSpec
from spikeloop.models.decoders.step_spikes import DrawnSpikes
from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.streamer.inference.decoder_files.registry import FORMATS, open_file
from spikeloop.streamer.inference.falcon.falcon_decoder import open_falcon
from spikeloop.streamer.inference.own_code import (
    CheckedDecoder,
    decoder_from_factory,
    decoder_from_python,
    foreign_code,
)
from spikeloop.streamer.inference.recurrent_decoder import RecurrentDecoder
from spikeloop.streamer.inference.regressor_decoder import open_regressor

__all__ = ["open_decoder"]


@dataclass(frozen=True)
class _Stream:
    units: int
    bin_size_s: float
    seed: int


def open_decoder(spec: DecoderSpec, *, units: int, bin_size_s: float, seed: int) -> Decoder:
    """Make a decoder, not yet fitted, for a stream.

    Parameters
    ----------
    spec : DecoderSpec
        Of a kind that runs anywhere; the session itself opens `lsl:STREAM` and `oracle`. Where it looks back and says
        not how far, it gets the default history.
    units : int
        Of the stream.
    bin_size_s : float > 0, s
        Of the stream.
    seed : int
        Of what is drawn by chance.

    Returns
    -------
    Decoder

    Raises
    ------
    BadInputError
        If it needs a session, or doesn't suit the stream.
    FailureError
        If the user's own code fails, or a package that it needs is not installed.
    """
    if spec.runs_in != "any":
        raise BadInputError(f"--decoder: {spec.name} needs a session; try it with `spikeloop closedloop`")
    spec, kind = with_history(spec, HISTORY_S, bin_size_s), KINDS.get(spec.kind)
    if kind is not None and kind.make is not None:
        return kind.make(spec, seed)
    if spec.kind in FORMATS:
        return open_file(spec.kind, spec.argument, units, bin_size_s)
    return _OPENERS[spec.kind](spec, _Stream(units, bin_size_s, seed))


def _installed(spec: DecoderSpec, stream: _Stream) -> Decoder:
    (entry,) = [entry for entry in entry_points(group=GROUP) if entry.name == spec.text][:1]
    with foreign_code(spec.name):
        factory = entry.load()
    return decoder_from_factory(spec.name, factory, _drawn(stream))


def _regressor(spec: DecoderSpec, seed: int) -> Decoder:
    assert spec.history_bins is not None
    return CheckedDecoder(spec.name, open_regressor(spec.name, spec.argument, seed, spec.history_bins))


def _of_object(spec: DecoderSpec, stream: _Stream) -> Decoder:
    assert spec.factory is not None
    return decoder_from_factory(spec.name, spec.factory, _drawn(stream))


def _drawn(stream: _Stream) -> DrawnSpikes:
    return DrawnSpikes(stream.bin_size_s, random_stream(stream.seed, Purpose.DECODER_EVENT_TIMES))


# Kinds that need a runtime or the user's own code, by `DecoderSpec.kind`.
_OPENERS: dict[str, Callable[[DecoderSpec, _Stream], Decoder]] = {
    "recurrent": lambda spec, stream: RecurrentDecoder(stream.bin_size_s, stream.seed),
    "python": lambda spec, stream: decoder_from_python(spec.name, spec.argument, _drawn(stream)),
    "falcon": lambda spec, stream: open_falcon(spec.name, spec.argument, stream.units, stream.bin_size_s),
    "sklearn": lambda spec, stream: _regressor(spec, stream.seed),
    "installed": _installed,
    "object": _of_object,
}
