"""A decoder of the FALCON challenge in the loop, as its file has it: `falcon:FILE.py:CLASS`."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.decoder import Counts, Floats, check_bin, check_training
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.falcon.task_config import default_tag, hydra_or_stand_in, task_config, task_of
from spikeloop.streamer.inference.own_code import foreign_code, named_factory, velocity_from

__all__ = ["FalconDecoder", "open_falcon"]

OBSERVED_S = 1.0  # of a calibration, its end, that fills histories before the first prediction
MOST_SPIKES = 255  # of a unit in a bin, as the challenge's counts are bytes
METHODS = ("predict", "reset", "observe", "on_done")


@dataclass(frozen=True)
class _Options:
    """What follows a `?`: the file of a session, and the name of a task."""

    tag: str | None = None
    task: str | None = None


class FalconDecoder:
    """A decoder with the methods of `falcon_challenge.interface.BCIDecoder` 1.0.2, as one of the loop.

    It learned elsewhere: `fit` begins anew, with `reset` and the last second of the data in `observe`. Each bin is a
    `predict` of a batch of 1, before which `on_done` says that no trial has ended. Of the methods, `predict` alone must
    be there.

    Parameters
    ----------
    name : str
        For messages.
    make : callable (task_config) -> decoder
    units : int
        Of the stream.
    bin_size_s : float > 0, s
        Of the stream.
    tag : str, optional
        The session's file, by which decoders choose what they learned of it; by default the task's first.
    task : str, optional
        `h1`, `m1` or `m2`; by default that of as many channels and outputs, else `m2`.

    Attributes
    ----------
    decoder : object
        The challenge's own.

    Raises
    ------
    BadInputError
        If there is no such task, or the decoder lacks `predict`.
    FailureError
        If it can't be made, or fails to begin.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Any], Any],
        units: int,
        bin_size_s: float,
        tag: str | None = None,
        task: str | None = None,
    ) -> None:
        self.name, self._make, self._units, self._bin_size_s = name, make, units, bin_size_s
        self._tag, self._task = tag, task
        self._open(2)

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Begin anew; made again where the number of columns is another.

        Raises
        ------
        FailureError
            If the decoder fails.
        """
        check_training(counts, kinematics)
        check_bin(counts[0], self._units)
        if kinematics.shape[1] != self._columns:
            self._open(kinematics.shape[1])
        else:
            self._reset()
        for bin_counts in counts[-round(OBSERVED_S / self._bin_size_s) :]:
            self._tell("observe", _batch(bin_counts))

    def step(self, counts: Counts) -> Floats:
        """Predict the kinematics (columns,) of the next bin.

        Raises
        ------
        BadInputError
            If these aren't the stream's units.
        FailureError
            If the decoder fails, or gives anything but finite numbers of shape (1, columns) or (columns,).
        """
        check_bin(counts, self._units)
        self._tell("on_done", np.zeros(1, bool))
        return velocity_from("--decoder", self.name, "predict", self._columns, self._predict, _batch(counts))

    def _predict(self, counts: Counts) -> Any:
        found = np.asarray(self.decoder.predict(counts))
        return found[0] if found.shape == (1, self._columns) else found

    def _open(self, columns: int) -> None:
        task = self._task or task_of(self._units, columns)
        config = task_config(task, self._units, columns, self._bin_size_s)
        self._columns, self._session = columns, Path(self._tag) if self._tag else default_tag(task)
        with foreign_code(self.name):
            self.decoder = self._make(config)
        if not callable(getattr(self.decoder, "predict", None)):
            raise BadInputError(
                f"--decoder {self.name}: expected a decoder with predict(neural_observations), found"
                f" {type(self.decoder).__name__} without it"
            )
        self._has = {method for method in METHODS if callable(getattr(self.decoder, method, None))}
        self._reset()

    def _reset(self) -> None:
        self._tell("reset", [self._session])

    def _tell(self, method: str, given: Any) -> None:
        """Call a method whose answer doesn't matter, unless it is missing, or the interface's own that only raises."""
        if method in self._has:
            with foreign_code(self.name):
                try:
                    getattr(self.decoder, method)(given)
                except NotImplementedError:
                    self._has.discard(method)


def open_falcon(name: str, argument: str, units: int, bin_size_s: float) -> FalconDecoder:
    """Open a decoder of the challenge.

    Parameters
    ----------
    name : str
        For messages.
    argument : str
        `FILE.py:CLASS` or `MODULE:CLASS`, with what the class takes besides the task's configuration and the batch's
        size, such as `(model_path='m2.pkl')`, and with `?tag=SESSION&task=TASK`.
    units : int
        Of the stream.
    bin_size_s : float > 0, s
        Of the stream.

    Raises
    ------
    BadInputError
        If there is no such file, class, option or task, or it makes no decoder of the challenge.
    FailureError
        If its code fails.
    """
    place, options = _parse(argument)
    with hydra_or_stand_in():
        try:
            factory = named_factory(name, place, "falcon")
        except FailureError as error:
            cause = error.__cause__
            if isinstance(cause, ModuleNotFoundError) and f"{cause.name}".startswith("falcon_challenge"):
                raise FailureError(
                    f"--decoder {name}: its file needs falcon-challenge; pip install --no-deps falcon-challenge"
                ) from error
            raise
    return FalconDecoder(name, partial(_made, factory), units, bin_size_s, options.tag, options.task)


def _parse(argument: str) -> tuple[str, _Options]:
    place, question, query = argument.rpartition("?")
    if not question or "=" not in query or ")" in query:
        return argument, _Options()
    given = dict(parse_qsl(query))
    if unknown := set(given) - {"tag", "task"}:
        raise BadInputError(
            f"--decoder: expected ?tag=SESSION or ?task=TASK after falcon:{place:.80}, found {', '.join(unknown)}"
        )
    return place, _Options(**given)


def _made(factory: Callable[..., Any], config: Any) -> Any:
    """Call a class with the configuration before its own arguments, and with the batch's size where it takes that."""
    own: Any = factory if isinstance(factory, partial) else partial(factory)
    parameters = inspect.signature(own.func).parameters
    batch = {"batch_size": 1} if "batch_size" in parameters and "batch_size" not in own.keywords else {}
    return own.func(config, *own.args, **own.keywords, **batch)


def _batch(counts: Counts) -> NDArray[np.uint8]:
    return np.rint(counts).clip(0, MOST_SPIKES).astype(np.uint8)[np.newaxis]
