"""Code of the caller's own: what it raises becomes one line, and what it gives is checked. Decoders that run it."""

import importlib
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.documents import printable
from spikeloop.models.arrays import Counts, Floats
from spikeloop.models.decoders.call_text import parse_call
from spikeloop.models.decoders.decoder import DecoderStatus, DecoderWrapper
from spikeloop.models.decoders.spec import missing_methods
from spikeloop.models.decoders.step_spikes import DrawnSpikes, StepSpikes
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.models.scalars import is_number
from spikeloop.streamer.inference.own_modules import load_file

__all__ = [
    "CheckedDecoder",
    "decoder_from_factory",
    "decoder_from_python",
    "foreign_code",
    "named_factory",
    "velocity_from",
]

# FILE.py:NAME or MODULE:NAME, with arguments or without
NAMED = re.compile(r"(?P<place>.+?\.py|[^:(]+):(?P<call>[^:(]+(\(.*\))?)", re.DOTALL)
OWN = Path(__file__).parents[2]


class CheckedDecoder(DecoderWrapper):
    """A decoder of the user's own, whose errors become one line and whose output is checked.

    It receives copies, as float64, because differences of bytes would wrap around.

    Parameters
    ----------
    name : str
        For messages.
    decoder : object with `fit`, and `step` or `step_events`
    drawn : DrawnSpikes, optional
        Times for the spikes of one without `step` that gets counts.
    """

    def __init__(self, name: str, decoder: Any, drawn: DrawnSpikes | None = None) -> None:
        super().__init__(decoder)
        self.name, self._drawn = name, drawn
        with foreign_code(name):
            self._takes = {method for method in ("step", "step_events") if callable(getattr(decoder, method, None))}
        self._columns = 2  # of a velocity, should it need no fit

    @property
    def status(self) -> DecoderStatus:
        """That of the decoder inside, and whether it takes the times of spikes."""
        return replace(super().status, events="step_events" in self._takes)

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit the decoder inside.

        Raises
        ------
        FailureError
            If it fails.
        """
        self._columns = kinematics.shape[1]
        with foreign_code(self.name):
            self.decoder.fit(counts.astype(np.float64), kinematics.astype(np.float64))

    def step(self, counts: Counts) -> Floats:
        """Decode the velocity (columns,) of the next bin.

        Raises
        ------
        FailureError
            If it fails, or gives anything but finite, real numbers of that shape.
        """
        if self._drawn is not None and "step" not in self._takes:
            return self.step_spikes(self._drawn.next(counts))
        return velocity_from(
            "--decoder", self.name, "step", self._columns, self.decoder.step, counts.astype(np.float64)
        )

    def step_spikes(self, spikes: StepSpikes) -> Floats:
        """Decode the velocity (columns,) of the next bin, by `step_events(units, times_s, until_s)`.

        Raises
        ------
        FailureError
            As of `step`.
        """
        own: Any = self.decoder

        def call(given: StepSpikes) -> Any:
            return own.step_events(given.units, given.times_s, given.until_s)

        copied = replace(spikes, units=spikes.units.copy(), times_s=spikes.times_s.copy())
        return velocity_from("--decoder", self.name, "step_events", self._columns, call, copied)


def velocity_from(option: str, name: str, method: str, columns: int, call: Callable[[Any], Any], given: Any) -> Floats:
    """Call a method of the caller's own, and check the velocity that it gives.

    Parameters
    ----------
    option, name, method : str
        For messages: what is run, such as "--decoder", its name, and that of the method.
    columns : int
        Of the velocity.
    call : callable
    given : object
        Its argument.

    Returns
    -------
    array of shape (columns,)
        A copy.

    Raises
    ------
    FailureError
        If it fails, or gives anything but finite, real numbers of that shape.
    """
    with foreign_code(name, option):
        found = call(given)
        velocity = np.array(found)
        real = velocity.dtype.kind in "buif" or (velocity.dtype.kind == "O" and all(map(is_number, velocity.flat)))
        real = real and not np.ma.is_masked(found)
        velocity = velocity.astype(np.float64) if real else velocity
        if real and velocity.shape == (columns,) and np.isfinite(velocity).all():
            return velocity
        found = f"{(found if np.ma.is_masked(found) else velocity.tolist())!r:.80} of shape {velocity.shape}"
    raise FailureError(
        f"{option} {name}: expected {method} to give finite numbers of shape ({columns},), found {found}"
    )


def decoder_from_python(name: str, argument: str, drawn: DrawnSpikes | None = None) -> CheckedDecoder:
    """Make a decoder by the class or function that `FILE.py:NAME` or `MODULE:NAME` names, with arguments or without.

    Raises
    ------
    BadInputError
        If there is no such file, module or name, or it makes no decoder.
    FailureError
        If the code fails.
    """
    return decoder_from_factory(name, named_factory(name, argument, "python"), drawn)


def named_factory(name: str, argument: str, kind: str, option: str = "--decoder") -> Callable[..., Any]:
    """Return what `FILE.py:NAME` or `MODULE:NAME` names, with its arguments bound, such as `FILE.py:NAME(gain=2)`.

    Parameters
    ----------
    name : str
        Of the decoder or whatever is made, for messages.
    argument : str
    kind : str
        What stands before the colon, for messages.
    option : str, default "--decoder"
        That it was given to, for messages.

    Raises
    ------
    BadInputError
        If there is no such file, module or name, or it can't be called.
    FailureError
        If the code fails.
    """
    found = NAMED.fullmatch(argument)
    if found is None:
        raise BadInputError(f"{option}: expected {kind}:FILE.py:NAME or {kind}:MODULE:NAME, found {name!r:.80}")
    place, call = found["place"], parse_call(found["call"], f"{option} {name}")
    module = _module_of_file(name, Path(place), option) if place.endswith(".py") else _module(name, place, option)
    if not hasattr(module, call.name):
        raise BadInputError(f"{option} {name}: {place} has no {call.name}; check its spelling")
    factory = getattr(module, call.name)
    if not callable(factory):
        raise BadInputError(f"{option} {name}: expected a class or a function, found {factory!r:.80}")
    return partial(factory, *call.args, **call.kwargs) if call.args or call.kwargs else factory


def decoder_from_factory(name: str, factory: Callable[[], Any], drawn: DrawnSpikes | None = None) -> CheckedDecoder:
    """Make a decoder by a class or a function that takes no arguments.

    Parameters
    ----------
    name : str
        For messages.
    factory : callable
    drawn : DrawnSpikes, optional
        As of `CheckedDecoder`.

    Raises
    ------
    BadInputError
        If it can't be called, or gives an object without `fit`, or with neither `step` nor `step_events`.
    FailureError
        If it fails.
    """
    if not callable(factory):
        raise BadInputError(f"--decoder {name}: expected a class or a function, found {factory!r:.80}")
    with foreign_code(name):
        decoder: Any = factory()
        missing = missing_methods(decoder)
    if missing:
        raise BadInputError(
            f"--decoder {name}: expected an object with fit(counts, kinematics) and step(counts), found"
            f" {type(decoder).__name__} without {' and '.join(missing)}"
        )
    return CheckedDecoder(name, decoder, drawn)


def _module_of_file(label: str, path: Path, option: str) -> ModuleType:
    if not path.is_file():
        raise BadInputError(f"{option} {label}: expected a file {path}, found none; check the path")
    with foreign_code(label, option):
        return load_file(path)


def _module(label: str, name: str, option: str) -> ModuleType:
    with foreign_code(label, option):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):  # what is missing is something that it imports
                raise
            raise BadInputError(
                f"{option} {label}: no module {name} is installed; for a file, give python:FILE.py:NAME"
            ) from error


@contextmanager
def foreign_code(name: str, option: str = "--decoder") -> Iterator[None]:
    """Turn what the caller's own code raises into one line that names the place.

    Raises
    ------
    FailureError
        If it raises anything but this package's own errors and Ctrl-C.
    """
    try:
        yield
    except (SpikeloopError, KeyboardInterrupt):
        raise
    except BaseException as error:  # such as asyncio's CancelledError
        raise FailureError(f"{option} {name} failed: {_said(error):.200}{_place(error)}") from error


def _said(error: BaseException) -> str:
    """Type and message in one line; the type alone where the message fails in its turn."""
    try:
        message = f"{type(error).__name__}: {error}"
    except BaseException:  # of its own `__str__`, anything
        message = type(error).__name__
    return printable(" ".join(message.split()))


def _place(error: BaseException) -> str:
    """The last line reached in the file that was called, if any."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if not Path(frame.filename).is_relative_to(OWN) and "importlib" not in frame.filename
    ]  # fmt: skip
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f", in {own[-1].name} ({own[-1].filename}, line {own[-1].lineno})" if own else ""
