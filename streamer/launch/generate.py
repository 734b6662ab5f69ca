"""`spikeloop.generate`: the spikes of a stream, as fast as the machine allows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.random_streams import Purpose, random_stream
from spikeloop.models.recordings.provenance import Provenance
from spikeloop.models.recordings.recording import Recording
from spikeloop.models.recordings.timed_spikes import SpikeTimes
from spikeloop.models.scalars import checked_choice
from spikeloop.streamer.conditions.feeds import ConditionFeed
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch.checks import bins_of, check_seed, open_bundle
from spikeloop.streamer.launch.drive import open_offline_drive
from spikeloop.streamer.stream.source import CHUNK_COUNTS, ProvidedSource, open_source
from spikeloop.streamer.stream.step import timed_spikes

__all__ = ["Chunk", "Generation", "generate"]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some bins in a row: counts, (bins, units), what drove them, (bins, channels), and when each spike came."""

    counts: NDArray[np.uint8]
    conditions: NDArray[np.float32]
    times: SpikeTimes


@dataclass(frozen=True, eq=False)
class Generation:
    """Spikes that are about to be generated, once.

    Attributes
    ----------
    bundle : Bundle
    source : ProvidedSource
    feed : ConditionFeed
        Drives the source.
    bins : int >= 1
        Of the whole, or of each window.
    windows : int >= 1, or None
        That follow each other without a gap; None for one continuous recording.
    provenance : Provenance
    """

    bundle: Bundle
    source: ProvidedSource
    feed: ConditionFeed
    bins: int
    windows: int | None
    provenance: Provenance

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        bins: int,
        seed: int,
        condition: str | ArrayLike | None = None,
        device: Device = "auto",
        windows: int | None = None,
        source: ProvidedSource | None = None,
    ) -> "Generation":
        """Open the source, unless one is given, and what drives it; raises the errors of `generate`."""
        card = bundle.card
        feed = open_offline_drive(condition, card.channels)
        source = open_source(bundle, seed, device) if source is None else source
        made_by = Provenance(
            card.name, bundle.sha256, seed, card.bin_size_s, 1, 0.0, feed.asked, card.latency_bins, card.signal
        )
        return cls(bundle, source, feed, bins, windows, made_by)

    @property
    def repeats(self) -> int:
        """Repeats of the recording."""
        return 1 if self.windows is None else self.windows

    @property
    def all_bins(self) -> int:
        """Bins of all repeats together."""
        return self.bins * self.repeats

    @property
    def starts_s(self) -> tuple[float, ...]:
        """When each repeat begins, s."""
        return tuple(repeat * self.bins * self.bundle.card.bin_size_s for repeat in range(self.repeats))

    def chunks(self) -> Iterator[Chunk]:
        """Generate all bins, chunk by chunk of a second or so of work."""
        random, size = random_stream(self.provenance.seed, Purpose.EVENT_TIMES), self.bundle.card.bin_size_s
        chunk_bins = max(1, CHUNK_COUNTS // len(self.source.unit_names))
        for first in range(0, self.all_bins, chunk_bins):
            conditions = self.feed.next(min(chunk_bins, self.all_bins - first))
            counts = self.source.next(len(conditions), conditions)
            yield Chunk(counts, conditions, timed_spikes(counts, first, 0.0, size, random))

    def recording(self, advance: Callable[[int], None] = lambda bins: None) -> Recording:
        """Generate all bins into memory.

        Parameters
        ----------
        advance : callable
            Called with the number of bins after each chunk.
        """
        card, made_by = self.bundle.card, self.provenance
        chunks: list[Chunk] = []
        for chunk in self.chunks():
            chunks.append(chunk)
            advance(len(chunk.counts))
        shape = (self.repeats, self.bins, -1)
        conditions = np.concatenate([chunk.conditions for chunk in chunks]).reshape(*shape[:2], len(card.channels))
        times = SpikeTimes(
            np.concatenate([chunk.times.units for chunk in chunks]),
            np.concatenate([chunk.times.times_s for chunk in chunks]),
        )
        return Recording(
            np.concatenate([chunk.counts for chunk in chunks]).reshape(shape),
            card.bin_size_s,
            card.unit_names,
            name=card.name,
            origin=self.origin,
            signal=card.signal,
            channels=card.channels,
            driven_by=conditions if card.channels else None,
            starts_s=self.starts_s,
            provenance=made_by,
            spike_times=times if card.signal == "spikes" else None,
        )

    @property
    def origin(self) -> str:
        """Where the spikes come from, in words."""
        made_by = self.provenance
        return f"generated by {made_by.bundle} ({made_by.sha256[:12]}), seed {made_by.seed}"


def generate(
    bundle: str | Path | Bundle,
    duration_s: float = 60.0,
    seed: int = 0,
    condition: str | ArrayLike | None = None,
    device: Device = "auto",
) -> Recording:
    """Generate the spikes that a stream of this seed and these conditions would send, bit for bit.

        recording = spikeloop.generate("m1-sim", duration_s=10, condition=[20.0, 0.0])
        recording.counts[0]  # (bins, units)

    Parameters
    ----------
    bundle : str, Path or Bundle
        A shipped bundle's name (`spikeloop models` lists them), the path of a folder or a `.zip`, or a loaded bundle.
    duration_s : float > 0, s
        How much to generate.
    seed : int >= 0, default 0
        The same seed gives the same spikes.
    condition : str, array of shape (channels,) or (bins, channels), or None
        What drives the population: words as of the option `--condition`, one value a channel for every bin, or a row of
        values a bin, after whose end the channels rest. By default the phase where the model has one, else rest.
    device : {"auto", "cpu", "cuda"}
        Where the generator runs.

    Returns
    -------
    Recording
        One repeat: counts, (1, bins, units), and what drove them, (1, bins, channels); `spike_times`, when each spike
        comes, as NAME-Events of the stream says, counted from its start; and `provenance`, from which `verify` makes
        them again.

    Raises
    ------
    BadInputError
        If the bundle or an argument can't be used.
    FailureError
        If ONNX Runtime is needed and not installed, or the generator fails.
    """
    loaded = open_bundle(bundle)
    seed = check_seed(seed)
    checked_choice("--device", device, get_args(Device))
    bins = bins_of(duration_s, loaded.card.bin_size_s)
    return Generation.of(loaded, bins, seed, condition, device).recording()
