"""Spikes on demand: any number of bins at a time, always the same bins for the same seed."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.card import Card
from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError
from spikeloop.models.families.registry import BASELINES, load_baseline
from spikeloop.models.random_streams import Purpose, random_stream, restore_state, skip_floats, state_of
from spikeloop.models.recordings.condition import rest_of
from spikeloop.streamer.inference.bin_engine import BinEngine
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.inference.window_engine import Engine

__all__ = [
    "CHUNK_COUNTS",
    "ProvidedSource",
    "SamplerSource",
    "Source",
    "SourceState",
    "SpikeSource",
    "StreamSource",
    "WindowSource",
    "open_source",
]

CHUNK_COUNTS = 2**20  # bins times units that are generated at once where nobody waits: a second or so of work
WINDOWS_PER_RUN = 8  # fixed, as float sums (and so, rarely, a spike) depend on the batch they are computed in


class SpikeSource(Protocol):
    """An endless population.

    Attributes
    ----------
    unit_names : tuple of str
    bin_size_s : float > 0, s
    run_bins : int >= 1
        Bins that are generated together, so that asking for fewer saves no time.
    dtype : numpy.dtype
        Of the counts.
    """

    @property
    def unit_names(self) -> tuple[str, ...]: ...

    @property
    def bin_size_s(self) -> float: ...

    @property
    def run_bins(self) -> int: ...

    @property
    def dtype(self) -> np.dtype: ...

    def warm_up(self) -> None:
        """Prepare to be quick in a moment; the next bins stay the same."""
        ...

    def next(self, bins: int, conditions: NDArray[np.float32] | None = None) -> Counts:
        """Return the next bins, the same however they are cut into calls.

        Parameters
        ----------
        bins : int >= 0
        conditions : array of shape (bins, channels), float32, or None
            What drives them, of a model with conditions; by default rest.

        Returns
        -------
        array of shape (bins, units), of `dtype`
        """
        ...


class ProvidedSource(SpikeSource, Protocol):
    """A source that says what its model runs on."""

    @property
    def provider(self) -> str: ...


@dataclass(frozen=True, eq=False)
class SourceState:
    """Where a source is: another of the same bundle that is given it goes on with the same bins.

    Attributes
    ----------
    randoms : tuple of str
        Where its random numbers are, as of `state_of`.
    tensors : mapping of str to array
        What the model keeps from bin to bin, by name; or bins that were generated and not asked for yet.
    """

    randoms: tuple[str, ...]
    tensors: Mapping[str, NDArray[Any]]


class _RunSource(ABC):
    """Hands out any number of bins from runs of a fixed number; nothing drives them."""

    dtype = np.dtype(np.uint8)

    def __init__(self, card: Card, run_bins: int, on_inference: Callable[[float], None]) -> None:
        self.unit_names, self.bin_size_s, self.run_bins = card.unit_names, card.bin_size_s, run_bins
        self._on_inference = on_inference
        self._ready: Counts = np.empty((0, len(card.unit_names)), np.uint8)

    def warm_up(self) -> None:  # noqa: B027
        """Do nothing: there is nothing to prepare."""

    def next(self, bins: int, conditions: NDArray[np.float32] | None = None) -> Counts:  # noqa: ARG002
        """Return the next bins, (bins, units), uint8."""
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
        """Return the next `run_bins` bins, (bins, units), and the seconds that the model needed."""


class WindowSource(_RunSource):
    """Windows of a generator, one after the other.

    Parameters
    ----------
    engine : Engine
        Runs the generator.
    seed : int >= 0
        All spikes follow from it.
    on_inference : callable
        Called with the duration of each run of the generator, s.
    """

    def __init__(self, engine: Engine, seed: int, on_inference: Callable[[float], None] = lambda seconds: None) -> None:
        super().__init__(engine.card, WINDOWS_PER_RUN * engine.card.window_bins, on_inference)
        self.engine = engine
        self.provider, self.notice = engine.provider, engine.notice
        self._latent = random_stream(seed, Purpose.LATENTS)
        self._uniform = random_stream(seed, Purpose.SPIKES)

    @property
    def state(self) -> SourceState:
        """Where it is."""
        return SourceState((state_of(self._latent), state_of(self._uniform)), {"ready": self._ready})

    @state.setter
    def state(self, state: SourceState) -> None:
        restore_state(self._latent, state.randoms[0])
        restore_state(self._uniform, state.randoms[1])
        self._ready = state.tensors["ready"]

    def skip_runs(self, runs: int) -> None:
        """Leave out the next runs of `run_bins` bins, without running the generator; only where a run begins."""
        for _ in range(runs):
            self._latent.standard_normal((WINDOWS_PER_RUN, self.engine.card.latent_size), np.float32)
        skip_floats(self._uniform, runs * self.run_bins * len(self.unit_names))

    def _run(self) -> tuple[Counts, float]:
        latent = self._latent.standard_normal((WINDOWS_PER_RUN, self.engine.card.latent_size), np.float32)
        probability = self.engine.run(latent)
        spikes = self._uniform.random(probability.shape, np.float32) < probability
        return spikes.view(np.uint8).reshape(-1, probability.shape[2]), self.engine.inference_s


class StreamSource:
    """A causal generator, bin by bin; what drives a bin is given with it.

    Parameters
    ----------
    engine : BinEngine
        Runs the generator, for this source alone.
    seed : int >= 0
        All spikes follow from it and from the conditions.
    on_inference : callable
        Called with the duration of each run of the generator, s.
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
        self.dtype = engine.dtype
        self._uniform = random_stream(seed, Purpose.SPIKES)
        self._normal = random_stream(seed, Purpose.LATENTS)

    @property
    def state(self) -> SourceState:
        """Where it is."""
        return SourceState((state_of(self._uniform), state_of(self._normal)), self._engine.state)

    @state.setter
    def state(self, state: SourceState) -> None:
        restore_state(self._uniform, state.randoms[0])
        restore_state(self._normal, state.randoms[1])
        self._engine.state = state.tensors

    def warm_up(self) -> None:
        """Run the model once without effect, so that it is quick in a moment."""
        self._engine.warm_up()

    def next(self, bins: int, conditions: NDArray[np.float32] | None = None) -> Counts:
        """Return the next bins, (bins, units), driven by conditions, (bins, channels); by default at rest."""
        if conditions is None:
            conditions = np.broadcast_to(self._rest, (bins, len(self._rest)))
        return self.next_copies(conditions[:, np.newaxis])[:, 0]

    def next_copies(self, conditions: NDArray[np.float32]) -> Counts:
        """Return the next bins of the engine's copies, (bins, copies, units), driven by (bins, copies, channels)."""
        bins, (uniform_size, normal_size) = len(conditions), self._sizes
        began = time.perf_counter()
        uniform = self._uniform.random((bins, uniform_size), np.float32)
        normal = self._normal.standard_normal((bins, normal_size), np.float32)
        counts = self._engine.run_copies(conditions, uniform, normal)
        self._on_inference(time.perf_counter() - began)
        return counts


class SamplerSource(_RunSource):
    """A baseline's own sampler, which has no state to go on from.

    Parameters
    ----------
    bundle : Bundle
        Of a baseline.
    seed : int >= 0
        All spikes follow from it.
    on_inference : callable
        Called with the duration of each run of the sampler, s.

    Raises
    ------
    BadInputError
        If the bundle's parameters are not those of its family, or of as many units as its card names.
    """

    provider, notice = "NumPy", ""

    def __init__(self, bundle: Bundle, seed: int, on_inference: Callable[[float], None] = lambda seconds: None) -> None:
        try:
            model = load_baseline(bundle.card.family).from_arrays(bundle.parameters)
        except BadInputError as error:
            raise BadInputError(f"{bundle.card.name}: {error}; get the bundle again") from error
        if model.units != len(bundle.card.unit_names):
            raise BadInputError(
                f"{bundle.card.name}: expected parameters of {len(bundle.card.unit_names)} units, found {model.units}"
            )
        super().__init__(bundle.card, model.run_bins, on_inference)
        self._sample = model.sampler(random_stream(seed, Purpose.SPIKES))

    def _run(self) -> tuple[Counts, float]:
        began = time.perf_counter()
        return self._sample(), time.perf_counter() - began


Source = WindowSource | StreamSource | SamplerSource


def open_source(
    bundle: Bundle, seed: int, device: Device = "auto", on_inference: Callable[[float], None] = lambda seconds: None
) -> Source:
    """Open the source of a bundle's spikes, whatever its family.

    Parameters
    ----------
    bundle : Bundle
    seed : int >= 0
        All spikes follow from it and from the conditions.
    device : {"auto", "cpu", "cuda"}
    on_inference : callable
        Called with the duration of each run of the model, s.

    Returns
    -------
    WindowSource, StreamSource or SamplerSource

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
