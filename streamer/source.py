"""Spikes on demand: any number of bins at a time, always the same bins for the same seed."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.card import Card
from spikeloop.models.baselines import BASELINES
from spikeloop.models.errors import BadInputError
from spikeloop.models.recordings.condition import rest_of
from spikeloop.streamer.bin_engine import BinEngine
from spikeloop.streamer.engine import Engine
from spikeloop.streamer.session import Device

__all__ = ["SamplerSource", "Source", "SpikeSource", "StreamSource", "WindowSource", "open_source", "seeded"]

Counts = NDArray[Any]  # uint8; of fluorescence, float32

WINDOWS_PER_RUN = 8  # fixed, as float sums (and so, rarely, a spike) depend on the batch they are computed in
LATENT, SPIKES, EVENT_TIMES = range(3)  # what random numbers are for; each purpose has its own


def seeded(seed: int, purpose: int) -> np.random.Generator:
    """The random numbers of one purpose: counter-based, the same however many are drawn at once."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, purpose))))


class SpikeSource(Protocol):
    """An endless population.

    Attributes
    ----------
    unit_names : one per unit
    bin_size_s : float > 0
    run_bins : bins that come into being together, so that taking fewer saves no time
    dtype : of the counts
    """

    @property
    def unit_names(self) -> tuple[str, ...]: ...

    @property
    def bin_size_s(self) -> float: ...

    @property
    def run_bins(self) -> int: ...

    @property
    def dtype(self) -> np.dtype: ...

    def rehearse(self) -> None:
        """Get ready to be quick in a moment; what is taken stays the same."""
        ...

    def take(self, bins: int, conditions: NDArray[np.float32] | None = None) -> Counts:
        """The next bins, array of `dtype` of shape (bins, units), whatever number was taken before.

        Parameters
        ----------
        conditions : what drives them, (bins, channels), where anything does; at rest where none are given
        """
        ...


class _RunSource(ABC):
    """Takes any number of bins from runs of a fixed number; nothing drives them."""

    dtype = np.dtype(np.uint8)

    def __init__(self, card: Card, run_bins: int, on_inference: Callable[[float], None]) -> None:
        self.unit_names, self.bin_size_s, self.run_bins = card.unit_names, card.bin_size_s, run_bins
        self._on_inference = on_inference
        self._ready: Counts = np.empty((0, len(card.unit_names)), np.uint8)

    def rehearse(self) -> None:  # noqa: B027
        """There is nothing to get ready."""

    def take(self, bins: int, conditions: NDArray[np.float32] | None = None) -> Counts:  # noqa: ARG002
        """The next bins, uint8 array of shape (bins, units)."""
        parts, missing = [self._ready[:bins]], bins - len(self._ready[:bins])
        self._ready = self._ready[bins:]
        while missing > 0:
            fresh, inference_s = self._run()
            self._on_inference(inference_s)
            parts.append(fresh[:missing])
            self._ready = fresh[missing:]
            missing -= len(parts[-1])
        return np.concatenate(parts)

    @abstractmethod
    def _run(self) -> tuple[Counts, float]:
        """The next `run_bins` bins, (bins, units), and the seconds that the model took."""


class WindowSource(_RunSource):
    """Windows of a generator, one after the other.

    Parameters
    ----------
    engine : runs the generator
    seed : int >= 0; all spikes follow from it
    on_inference : told how long each run of the generator took, in seconds
    """

    def __init__(self, engine: Engine, seed: int, on_inference: Callable[[float], None] = lambda seconds: None) -> None:
        super().__init__(engine.card, WINDOWS_PER_RUN * engine.card.window_bins, on_inference)
        self.engine = engine
        self.provider, self.notice = engine.provider, engine.notice
        self._latent = seeded(seed, LATENT)
        self._uniform = seeded(seed, SPIKES)

    def _run(self) -> tuple[Counts, float]:
        latent = self._latent.standard_normal((WINDOWS_PER_RUN, self.engine.card.latent_size), np.float32)
        probability = self.engine.run(latent)
        spikes = self._uniform.random(probability.shape, np.float32) < probability
        return spikes.view(np.uint8).reshape(-1, probability.shape[2]), self.engine.inference_s


class StreamSource:
    """A causal generator, bin by bin; what drives a bin is given with it.

    Parameters
    ----------
    engine : runs the generator; only this source may
    seed : int >= 0; all spikes follow from it and from the conditions
    on_inference : told how long each run of the generator took, in seconds
    """

    run_bins = 1

    def __init__(
        self, engine: BinEngine, seed: int, on_inference: Callable[[float], None] = lambda seconds: None
    ) -> None:
        card = engine.card
        self.unit_names, self.bin_size_s = card.unit_names, card.bin_size_s
        self.provider, self.notice = engine.provider, engine.notice
        self._engine, self._sizes, self._on_inference = engine, (card.uniform_size, card.normal_size), on_inference
        self._rest = rest_of(card.channels)
        self.dtype = np.dtype(np.float32 if card.signal == "fluorescence" else np.uint8)
        self._uniform = seeded(seed, SPIKES)
        self._normal = seeded(seed, LATENT)

    def rehearse(self) -> None:
        """Run the model once for nothing, so that it is quick in a moment."""
        self._engine.rehearse()

    def take(self, bins: int, conditions: NDArray[np.float32] | None = None) -> Counts:
        """The next bins, (bins, units), driven by conditions, (bins, channels); at rest where none are given."""
        uniform_size, normal_size = self._sizes
        began = time.perf_counter()
        if conditions is None:
            conditions = np.broadcast_to(self._rest, (bins, len(self._rest)))
        uniform = self._uniform.random((bins, uniform_size), np.float32)
        normal = self._normal.standard_normal((bins, normal_size), np.float32)
        counts = self._engine.run(conditions, uniform, normal)
        self._on_inference(time.perf_counter() - began)
        return counts.astype(self.dtype, copy=False)


class SamplerSource(_RunSource):
    """A baseline's own sampler.

    Raises
    ------
    BadInputError
        If the bundle's parameters are not those of its family, or of as many units as its card names.
    """

    provider, notice = "NumPy", ""

    def __init__(self, bundle: Bundle, seed: int, on_inference: Callable[[float], None] = lambda seconds: None) -> None:
        try:
            model = BASELINES[bundle.card.family].from_arrays(bundle.parameters)
        except BadInputError as error:
            raise BadInputError(f"{bundle.card.name}: {error}; get the bundle again") from error
        if model.units != len(bundle.card.unit_names):
            raise BadInputError(
                f"{bundle.card.name}: expected parameters of {len(bundle.card.unit_names)} units, found {model.units}"
            )
        super().__init__(bundle.card, model.run_bins, on_inference)
        self._sample = model.sampler(seeded(seed, SPIKES))

    def _run(self) -> tuple[Counts, float]:
        began = time.perf_counter()
        return self._sample(), time.perf_counter() - began


Source = WindowSource | StreamSource | SamplerSource


def open_source(
    bundle: Bundle, seed: int, device: Device = "auto", on_inference: Callable[[float], None] = lambda seconds: None
) -> Source:
    """The source of a bundle's spikes, whatever its family.

    Raises
    ------
    BadInputError
        If the bundle can't be run, or `cuda` was asked for and is not to be had.
    FailureError
        If ONNX Runtime is needed and not installed, or the generator gives anything but probabilities or counts.
    """
    if bundle.card.family in BASELINES:
        return SamplerSource(bundle, seed, on_inference)
    if bundle.card.kind == "stream":
        return StreamSource(BinEngine(bundle, device), seed, on_inference)
    return WindowSource(Engine(bundle, device), seed, on_inference)
