"""Run a causal generator on ONNX Runtime, any number of bins at a time, and never let invalid counts out."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.arrays import Counts
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.runtime import Device, check_signature, first_line, open_generator

__all__ = ["BinEngine"]

CONDITION, UNIFORM, NORMAL, COUNTS = "condition", "uniform", "normal", "counts"
LARGEST = {"bernoulli": 1.0, "counts": 255.0, "fluorescence": float(np.finfo(np.float32).max)}  # counts are bytes

Floats = NDArray[np.float32]


class BinEngine:
    """A generator that keeps its state from bin to bin.

    Attributes
    ----------
    provider : str
        The ONNX Runtime provider really in use.
    notice : str
        One line for the user where that is not the one asked for; else empty.
    dtype : numpy.dtype
        Of what it gives: uint8, or float32 of fluorescence.
    """

    def __init__(self, bundle: Bundle, device: Device = "auto", copies: int = 1) -> None:
        """Load the generator and run it once.

        Parameters
        ----------
        bundle : Bundle
        device : {"auto", "cpu", "cuda"}
        copies : int >= 1, default 1
            Generators that run beside each other, of the same random numbers, each driven by conditions of its own.

        Raises
        ------
        BadInputError
            If the ONNX file is no such generator, or `cuda` was asked for and is not to be had.
        FailureError
            If ONNX Runtime is not installed, or the generator gives anything but counts.
        """
        self.card = card = bundle.card
        self._session, self.provider, self.notice = open_generator(bundle, device)
        self._first = {name: _first_state(bundle, name).repeat(copies, axis=0) for name in card.state_tensors}
        self.copies = copies
        states = [(name, ("batch", self._first[name].shape[1])) for name in card.state_tensors]
        sizes = ((CONDITION, len(card.conditions)), (UNIFORM, card.uniform_size), (NORMAL, card.normal_size))
        self._inputs = [name for name, size in sizes if size]
        check_signature(
            card.name,
            self._session,
            [*((name, ("bins", "batch", size)) for name, size in sizes if size), *states],
            [(COUNTS, ("bins", "batch", len(card.unit_names))), *((f"next_{name}", shape) for name, shape in states)],
        )
        self._outputs = [COUNTS, *(f"next_{name}" for name in card.state_tensors)]
        self._largest = LARGEST[card.count_distribution]
        self.dtype = np.dtype(np.uint8 if card.signal == "spikes" else np.float32)
        shapes = ((copies, len(card.conditions)), (card.uniform_size,), (card.normal_size,))
        self._nothing = [np.zeros((1, *shape), np.float32) for shape in shapes]
        self._state = self._first
        self.warm_up()

    def run(self, conditions: Floats, uniform: Floats, normal: Floats) -> Counts:
        """Return the next bins of a single copy, the same however they are cut into calls.

        Parameters
        ----------
        conditions, uniform, normal : arrays of shape (bins, channels), (bins, uniform) and (bins, normal), float32
            What drives the bins, and the random numbers that they are made of.

        Returns
        -------
        array of shape (bins, units), of `dtype`

        Raises
        ------
        BadInputError
            If it gives another shape.
        FailureError
            If the model fails, or gives NaN or what is no count.
        """
        return self.run_copies(conditions[:, np.newaxis], uniform, normal)[:, 0]

    def run_copies(self, conditions: Floats, uniform: Floats, normal: Floats) -> Counts:
        """Return the next bins of all copies, (bins, copies, units); conditions are (bins, copies, channels)."""
        expected = (len(uniform), self.copies, len(self.card.unit_names))
        if not len(uniform):
            return np.empty(expected, self.dtype)
        given = {CONDITION: conditions, UNIFORM: uniform, NORMAL: normal}
        series = {name: self._for_all_copies(name, given[name]) for name in self._inputs}
        try:
            emitted, *after = self._session.run(self._outputs, series | self._state)
        except Exception as error:  # ONNX Runtime's own exceptions share no base
            raise FailureError(f"{self.card.name}: the generator failed ({first_line(error)})") from error
        if emitted.shape != expected:
            raise BadInputError(
                f"{self.card.name}: expected an output of shape {expected} (bins, {self.copies}, units), the"
                f" generator gives {emitted.shape}; its card and its ONNX file don't belong together"
            )
        state = dict(zip(self.card.state_tensors, after, strict=True))
        counts = self._checked(emitted, state)
        self._state = state
        return counts

    @property
    def state(self) -> dict[str, Floats]:
        """What it keeps from bin to bin, by name, (copies, size) each; another that is given it goes on from there."""
        return dict(self._state)

    @state.setter
    def state(self, state: Mapping[str, Floats]) -> None:
        self._state = {name: np.ascontiguousarray(state[name], np.float32) for name in self._first}

    def warm_up(self) -> None:
        """Run a bin without effect, which brings weights and code back into the caches of a core that slept."""
        before = self._state
        self.run_copies(*self._nothing)
        self._state = before

    def _for_all_copies(self, name: str, values: Floats) -> Floats:
        """Return conditions as they are, and random numbers, (bins, size), for each copy, (bins, copies, size)."""
        shared = values if name == CONDITION else values[:, np.newaxis].repeat(self.copies, axis=1)
        return np.ascontiguousarray(shared)

    def _checked(self, emitted: Floats, state: Mapping[str, Floats]) -> Counts:
        """Return what was emitted as counts, if counts it is and the state is finite."""
        sound = emitted.min() >= 0 and emitted.max() <= self._largest
        counts = emitted.astype(self.dtype, copy=False) if sound else emitted
        sound = sound and (counts is emitted or bool((counts == emitted).all()))
        bad = [name for name, tensor in state.items() if not math.isfinite(tensor.sum())]
        if sound and not bad:
            return counts
        found = f"NaN or infinity in its state {bad[0]!r}" if sound else f"{emitted.min()} to {emitted.max()}"
        wanted = "values" if self.dtype == np.float32 else "whole counts"
        raise FailureError(
            f"{self.card.name}: expected {wanted} from 0 to {self._largest:g}, the generator gave {found}; nothing"
            " of it was emitted: train or export it anew"
        )


def _first_state(bundle: Bundle, name: str) -> Floats:
    tensor = bundle.parameters.get(name)
    if tensor is None or tensor.ndim != 2 or len(tensor) != 1 or not np.isfinite(tensor).all():
        found = "none" if tensor is None else f"one of shape {tensor.shape}"
        raise BadInputError(
            f"{bundle.card.name}: expected the first state {name!r}, finite, of shape (1, size), found {found};"
            " get the bundle again"
        )
    return np.ascontiguousarray(tensor, np.float32)
