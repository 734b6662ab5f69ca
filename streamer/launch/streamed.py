"""What a stream sends: the population of a bundle, or something else that has a card."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.card import Card
from spikeloop.models.recordings.provenance import Provenance, Replayed
from spikeloop.streamer.conditions.drive import Drive
from spikeloop.streamer.launch.checks import open_bundle
from spikeloop.streamer.launch.drive import open_drive
from spikeloop.streamer.launch.options import Schedule, StreamOptions
from spikeloop.streamer.stream.source import SpikeSource, open_source
from spikeloop.streamer.stream.steering import Steering
from spikeloop.streamer.stream.step import SpikeSink, Transform

__all__ = ["ProvidedSource", "Streamed", "StreamedBundle", "streamed_of"]


@runtime_checkable
class ProvidedSource(SpikeSource, Protocol):
    """A source that says what runs it, and what the user should know of that."""

    @property
    def provider(self) -> str: ...

    @property
    def notice(self) -> str: ...


class Streamed(ABC):
    """What a stream sends.

    Attributes
    ----------
    card : Card
        Its units, bins and conditions.
    sha256 : str
        Of what it was made from.
    """

    card: Card
    sha256: str

    @abstractmethod
    def drive(self, options: StreamOptions) -> Drive:
        """Open what drives it; BadInputError where the options can't be meant."""

    @abstractmethod
    def source(self, options: StreamOptions, on_inference: Callable[[float], None]) -> ProvidedSource:
        """Open its spikes."""

    @abstractmethod
    def made_by(self, seed: int, step_bins: int, start_s: float, asked: str) -> Provenance | Replayed:
        """Return what its streams state of their spikes, whose bin 0 begins at `start_s`; `asked` is of the drive."""

    def next_length(self, schedule: Schedule) -> Callable[[int], int] | None:  # noqa: ARG002
        """Return how long each step is, as `loop.stream` asks for it; None as scheduled."""
        return None

    def joined(self, steering: Steering | None) -> tuple[tuple[Transform, ...], tuple[SpikeSink, ...]]:  # noqa: ARG002
        """Return what changes its steps before any other does, and what gets them in the end."""
        return (), ()

    def seek(self) -> Callable[[float], None] | None:
        """Return what goes to another time, s; None where there is no such thing."""
        return None


class StreamedBundle(Streamed):
    """The population of a bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle, self.card, self.sha256 = bundle, bundle.card, bundle.sha256

    def drive(self, options: StreamOptions) -> Drive:
        hold_s, decay_s = options.condition_hold_s, options.condition_decay_s
        return open_drive(options.condition, self.card.channels, hold_s, decay_s)

    def source(self, options: StreamOptions, on_inference: Callable[[float], None]) -> ProvidedSource:
        return open_source(self.bundle, options.seed, options.device, on_inference=on_inference)

    def made_by(self, seed: int, step_bins: int, start_s: float, asked: str) -> Provenance | Replayed:
        card = self.card
        return Provenance(
            card.name, self.sha256, seed, card.bin_size_s, step_bins, start_s, asked, card.latency_bins, card.signal
        )


def streamed_of(bundle: str | Path | Bundle | Streamed) -> Streamed:
    """Return what is streamed, opened where it is a bundle; BadInputError where it is neither."""
    return bundle if isinstance(bundle, Streamed) else StreamedBundle(open_bundle(bundle))
