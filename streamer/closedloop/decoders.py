"""The decoder that a user asked for: one that comes with the package, a file, or the user's own code."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from spikeloop.models.decoders.chance import ChanceDecoder
from spikeloop.models.decoders.decoder import Counts, Decoder, Floats, check_bin, fitted, standards_of
from spikeloop.models.decoders.kalman import KalmanDecoder
from spikeloop.models.decoders.population_vector import PopulationVectorDecoder
from spikeloop.models.decoders.ridge import WIENER_PENALTIES, RidgeDecoder
from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.streamer.closedloop.onnx_decoder import OnnxDecoder, RecurrentDecoder
from spikeloop.streamer.source import seeded

__all__ = ["BUILT_IN", "GROUP", "KINDS", "Checked", "RegressorDecoder", "open_decoder"]

GROUP = "spikeloop.decoders"  # of entry points, under which packages register decoders by name
CHANCE = 103  # purpose of random numbers
HISTORY_BINS, LONGEST_HISTORY = 10, 1000
SKLEARN_SEEDS = 2**32  # what NumPy's older generators take

BUILT_IN: dict[str, Callable[[float, int], Decoder]] = {  # bin size in s, seed
    "kalman": lambda bin_size_s, seed: KalmanDecoder(),
    "ridge": lambda bin_size_s, seed: RidgeDecoder(),
    "wiener": lambda bin_size_s, seed: RidgeDecoder(penalties=WIENER_PENALTIES),
    "population_vector": lambda bin_size_s, seed: PopulationVectorDecoder(),
    "chance": lambda bin_size_s, seed: ChanceDecoder(seeded(seed, CHANCE)),
    "recurrent": lambda bin_size_s, seed: RecurrentDecoder(bin_size_s, seed),
}
OF_HISTORY: dict[str, Callable[[int], Decoder]] = {  # bins
    "ridge": RidgeDecoder,
    "wiener": lambda bins: RidgeDecoder(bins, WIENER_PENALTIES),
    "population_vector": PopulationVectorDecoder,
}
KINDS = (
    f"expected {', '.join(BUILT_IN)}, {', '.join(f'{name}:BINS' for name in OF_HISTORY)} (of history), onnx:FILE,"
    " python:FILE.py:NAME, python:MODULE:NAME, sklearn:ESTIMATOR (such as sklearn:linear_model.Ridge), lsl:STREAM,"
    " oracle"
)


def open_decoder(text: str, *, units: int, bin_size_s: float, seed: int) -> Decoder:
    """A fresh decoder of the kind that a user asked for; `lsl:STREAM` and `oracle` are the session's own to open.

    Parameters
    ----------
    text : `kalman`, `ridge`, `wiener`, `population_vector`, `chance` or `recurrent`; `ridge:BINS`, `wiener:BINS` or
        `population_vector:BINS`, which look at so many bins in place of 10; `onnx:FILE`, in the format of
        `exporters.decoder_graph`; `python:FILE.py:NAME` or `python:MODULE:NAME`, a class or function that, called
        without arguments, gives an object with `fit` and `step`; `sklearn:ESTIMATOR`, a regressor of scikit-learn with
        its defaults; or a name that an installed package registers under the entry points `spikeloop.decoders`
    units, bin_size_s : of the stream
    seed : of what is drawn by chance

    Raises
    ------
    BadInputError
        If it is none of these, or doesn't suit the stream.
    FailureError
        If the user's own code fails, or a package that it takes is not installed.
    """
    if text in BUILT_IN:
        return BUILT_IN[text](bin_size_s, seed)
    kind, _, rest = text.partition(":")
    if kind in OF_HISTORY and rest:
        return OF_HISTORY[kind](_history_bins(text, rest))
    if kind == "onnx" and rest:
        return OnnxDecoder(Path(rest), units, bin_size_s)
    if kind == "python" and rest:
        return _from_python(text, rest)
    if kind == "sklearn" and rest:
        return Checked(text, RegressorDecoder(_regressor(text, rest, seed)))
    installed = {each.name: each for each in entry_points(group=GROUP)}
    if text in installed:
        with _own_code(text):
            make = installed[text].load()
        return _made(text, make)
    named = f", or of installed packages {', '.join(sorted(installed))}" if installed else ""
    raise BadInputError(f"--decoder: {KINDS}{named}; found {text!r:.80}")


def _history_bins(text: str, bins: str) -> int:
    if not (bins.isascii() and bins.isdecimal() and 1 <= len(bins) <= 4 and 1 <= int(bins) <= LONGEST_HISTORY):
        raise BadInputError(f"--decoder: expected a history of 1 to {LONGEST_HISTORY} bins, found {text!r:.80}")
    return int(bins)


class Checked:
    """A decoder of the user's own, whose failures are told in one line and whose output is looked at.

    It is given copies, as float64: differences of bytes would wrap around.

    Parameters
    ----------
    name : for messages
    decoder : an object with `fit` and `step`
    """

    def __init__(self, name: str, decoder: Decoder) -> None:
        self.name, self.decoder = name, decoder
        self._columns = 2  # of a velocity, should it need no fit

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Have it learn.

        Raises
        ------
        FailureError
            If it fails.
        """
        self._columns = kinematics.shape[1]
        with _own_code(self.name):
            self.decoder.fit(counts.astype(np.float64), kinematics.astype(np.float64))

    def step(self, counts: Counts) -> Floats:
        """Velocity (columns,) of the next bin.

        Raises
        ------
        FailureError
            If it fails, or gives another shape, NaN or infinity.
        """
        with _own_code(self.name):
            velocity = np.array(self.decoder.step(counts.astype(np.float64)), np.float64)
        if velocity.shape != (self._columns,) or not np.isfinite(velocity).all():
            raise FailureError(
                f"--decoder {self.name}: expected step to give finite numbers of shape ({self._columns},), found"
                f" {velocity.tolist()!r:.80} of shape {velocity.shape}"
            )
        return velocity


class RegressorDecoder:
    """A scikit-learn regressor of kinematics on the standardised counts of a bin and those before it.

    Parameters
    ----------
    estimator : takes histories (bins, features) and kinematics (bins, columns)
    history_bins : int >= 1; bins before the first are taken to hold the mean count
    """

    def __init__(self, estimator: Any, history_bins: int = HISTORY_BINS) -> None:
        self.estimator, self.history_bins = estimator, history_bins
        self._recent: Floats | None = None  # (units, history_bins), oldest bin first

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Fit the estimator."""
        standards = standards_of(counts, kinematics)
        self._mean, self._scale = standards.mean, standards.scale
        padded = np.pad((counts - self._mean) / self._scale, ((self.history_bins - 1, 0), (0, 0)))
        histories = sliding_window_view(padded, self.history_bins, axis=0)  # (bins, units, history_bins)
        self.estimator.fit(histories.reshape(len(counts), -1), kinematics)
        self._recent = np.zeros(histories.shape[1:])

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        recent = fitted(self._recent)
        check_bin(counts, len(recent))
        recent[:, :-1] = recent[:, 1:]
        recent[:, -1] = (counts - self._mean) / self._scale
        return self.estimator.predict(recent.reshape(1, -1))[0]


def _from_python(text: str, rest: str) -> Checked:
    place, _, name = rest.rpartition(":")
    if not place or not name:
        raise BadInputError(f"--decoder: expected python:FILE.py:NAME or python:MODULE:NAME, found {text!r:.80}")
    module = _module_of_file(text, Path(place)) if place.endswith(".py") else _module(text, place)
    if not hasattr(module, name):
        raise BadInputError(f"--decoder {text}: {place} has no {name}; check its spelling")
    return _made(text, getattr(module, name))


def _module_of_file(text: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise BadInputError(f"--decoder {text}: expected a file {path}, found none; check the path")
    name = f"spikeloop_decoder_{sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look for their module
    with _own_code(text):
        spec.loader.exec_module(module)
    return module


def _module(text: str, name: str) -> ModuleType:
    with _own_code(text):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):  # what is missing is something that it imports
                raise
            raise BadInputError(
                f"--decoder {text}: no module {name} is installed; for a file, give python:FILE.py:NAME"
            ) from error


def _made(text: str, make: Any) -> Checked:
    if not callable(make):
        raise BadInputError(f"--decoder {text}: expected a class or a function, found {make!r:.80}")
    with _own_code(text):
        decoder: Any = make()
    missing = [name for name in ("fit", "step") if not callable(getattr(decoder, name, None))]
    if missing:
        raise BadInputError(
            f"--decoder {text}: expected an object with fit(counts, kinematics) and step(counts), found"
            f" {type(decoder).__name__} without {' and '.join(missing)}"
        )
    return Checked(text, decoder)


def _regressor(text: str, name: str, seed: int) -> Any:
    """A regressor of scikit-learn with its defaults, for any number of columns."""
    try:
        with hold_interrupts():
            from sklearn.base import RegressorMixin
            from sklearn.multioutput import MultiOutputRegressor
            from sklearn.utils import get_tags
    except ImportError as error:
        raise FailureError(
            f"--decoder {text}: needs scikit-learn 1.6 or later ({error}); pip install 'spikeloop[evaluate]'"
        ) from error
    path, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(f"sklearn.{path}"), attribute)
    except (ImportError, AttributeError):
        found = None
    if not (isinstance(found, type) and issubclass(found, RegressorMixin)):
        raise BadInputError(
            f"--decoder {text}: expected a regressor of scikit-learn, such as sklearn:linear_model.Ridge; found"
            f" {'none of that name' if found is None else repr(found)}"
        )
    try:
        estimator: Any = found()
    except TypeError as error:
        raise BadInputError(
            f"--decoder {text}: can't be made without arguments ({error}); make it in a function of your own, with"
            " python:FILE.py:NAME"
        ) from error
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed % SKLEARN_SEEDS)
    return estimator if get_tags(estimator).target_tags.multi_output else MultiOutputRegressor(estimator)


@contextmanager
def _own_code(name: str) -> Iterator[None]:
    """Tell what code that isn't this package's raises in one line, with its place; what it prints goes to stderr.

    Raises
    ------
    FailureError
        If it raises anything but this package's own errors and Ctrl-C.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (SpikeloopError, KeyboardInterrupt):
        raise
    except BaseException as error:  # such as asyncio's CancelledError
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise FailureError(f"--decoder {name} failed: {told:.200}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """The last line reached in the file that was called, if any."""
    frames = [
        each for each in traceback.extract_tb(error.__traceback__)
        if each.filename != __file__ and "importlib" not in each.filename
    ]  # fmt: skip
    own = [each for each in frames if each.filename == frames[0].filename]
    return f", in {own[-1].name} ({own[-1].filename}, line {own[-1].lineno})" if own else ""
