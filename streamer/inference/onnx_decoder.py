"""Decoders on ONNX Runtime: a file in the format of `exporters.graphs.decoder`, and the recurrent one."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.decoder import Counts, Floats, check_bin, check_training, fitted
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.scalars import same_bin_size
from spikeloop.streamer.inference.runtime import first_line, open_graph

if TYPE_CHECKING:
    from spikeloop.models.training.recurrent_decoder import RecurrentConfig

__all__ = ["OnnxDecoder", "RecurrentDecoder", "read_decoder_file"]

COUNTS, VELOCITY, NEXT, BIN_SIZE = "counts", "velocity", "next_", "bin_size_s"
FLOAT = "tensor(float)"
LARGEST_FILE = 2**28  # bytes; what decodes within a bin is far smaller
TRAINING_PACKAGES = ("torch", "onnx")


class OnnxDecoder:
    """A trained decoder from an ONNX file.

    Parameters
    ----------
    file : Path or bytes
        The file, or its content.
    units : int
        Of the stream.
    bin_size_s : float > 0, s
        Of the stream.
    columns : int, default 2
        That it decodes; 2 of a velocity.
    name : str, default None
        For messages.

    Attributes
    ----------
    states : dict of int by name
        Sizes of the state tensors.

    Raises
    ------
    BadInputError
        If there is no such file, or it isn't a decoder of these units and bins.
    FailureError
        If ONNX Runtime is not installed, or the decoder fails on a bin without spikes.
    """

    def __init__(
        self, file: Path | bytes, units: int, bin_size_s: float, columns: int = 2, name: str | None = None
    ) -> None:
        self.name = name or ("onnx" if isinstance(file, bytes) else f"onnx:{file}")
        content = file if isinstance(file, bytes) else read_decoder_file(file)
        self._session = open_graph(self.name, "it", content, "cpu").session
        self._units, self._columns = units, columns
        self.states = self._checked_states()
        self._check_bin_size(bin_size_s)
        self._returned = [VELOCITY, *(NEXT + state for state in self.states)]
        self._begin()
        self.step(np.zeros(units))
        self._begin()

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Begin anew; there is nothing to learn, as the file holds a decoder already trained.

        Raises
        ------
        BadInputError
            If the data are of other units or columns than the decoder.
        """
        check_training(counts, kinematics)
        if counts.shape[1] != self._units or kinematics.shape[1] != self._columns:
            raise BadInputError(
                f"{self.name}: expected data of {self._units} units and {self._columns} columns of kinematics, found"
                f" {counts.shape[1]} and {kinematics.shape[1]}; choose a decoder trained on such data"
            )
        self._begin()

    def step(self, counts: Counts) -> Floats:
        """Velocity (columns,) of the next bin.

        Raises
        ------
        BadInputError
            If these aren't the decoder's units.
        FailureError
            If the decoder fails, or gives another shape, NaN or infinity.
        """
        check_bin(counts, self._units)
        given = {COUNTS: counts[np.newaxis].astype(np.float32), **self._state}
        try:
            found = self._session.run(self._returned, given)
        except Exception as error:  # ONNX Runtime's own exceptions share no base
            raise FailureError(f"{self.name}: the decoder failed ({first_line(error)})") from error
        shapes = [(1, self._columns), *(value.shape for value in self._state.values())]
        for name, value, shape in zip(self._returned, found, shapes, strict=True):
            if value.shape != shape:
                raise FailureError(f"{self.name}: expected {name} of shape {shape}, the decoder gave {value.shape}")
            if not np.isfinite(value).all():
                raise FailureError(
                    f"{self.name}: expected finite numbers, the decoder gave {name} with NaN or infinity; train or"
                    " export it anew"
                )
        self._state = dict(zip(self._state, found[1:], strict=True))
        return found[0][0].astype(np.float64)

    def _begin(self) -> None:
        self._state = {name: np.zeros((1, size), np.float32) for name, size in self.states.items()}

    def _checked_states(self) -> dict[str, int]:
        """The states by name, with their sizes, of a graph that is a decoder's."""
        inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        self._checked_size("input", COUNTS, inputs, self._units)
        self._checked_size("output", VELOCITY, outputs, self._columns)
        states = {name: self._checked_size("input", name, inputs) for name in inputs if name != COUNTS}
        for name, size in states.items():
            self._checked_size("output", NEXT + name, outputs, size)
        return states

    def _checked_size(self, side: str, name: str, tensors: Mapping[str, Any], size: int | None = None) -> int:
        """Of a tensor that must be float32 (1, size); any fixed size where none is given."""
        shape = tensors[name].shape if name in tensors and tensors[name].type == FLOAT else []
        if len(shape) == 2 and _is_one_or_free(shape[0]) and isinstance(shape[1], int) and size in (None, shape[1]):
            return shape[1]
        found = ", ".join(f"{tensor.name} {tensor.type} {tensor.shape}" for tensor in tensors.values()) or "none"
        raise BadInputError(
            f"{self.name}: expected an {side} {name}, float32 of shape (1, {size or 'a fixed size'}), found {found};"
            f" give a decoder of {self._units} units in the format that spikeloop.exporters.graphs.decoder describes"
        )

    def _check_bin_size(self, bin_size_s: float) -> None:
        stated = self._session.get_modelmeta().custom_metadata_map.get(BIN_SIZE)
        if stated is None:
            return
        try:
            fits = same_bin_size(float(stated), bin_size_s)
        except ValueError:
            fits = False
        if not fits:
            raise BadInputError(
                f"{self.name}: expected a decoder of bins of {bin_size_s:g} s, found {BIN_SIZE} {stated!r:.80} in its"
                " metadata; choose one trained on such bins, or stream in its own"
            )


class RecurrentDecoder:
    """A gated recurrent unit, trained by `models.training.recurrent_decoder` at every fit and then run as an ONNX file.

    Parameters
    ----------
    bin_size_s : float > 0, s
        For the file.
    seed : int, default 0
        Of training.
    config : RecurrentConfig, default None
        Of the network; None for a suitable one.

    Attributes
    ----------
    exported : bytes
        The file, in the format of `exporters.graphs.decoder`; empty before the first fit.

    Raises
    ------
    FailureError
        If torch or onnx are not installed, rather than at a fit, after a long calibration.
    """

    def __init__(self, bin_size_s: float, seed: int = 0, config: "RecurrentConfig | None" = None) -> None:
        if missing := [package for package in TRAINING_PACKAGES if find_spec(package) is None]:
            raise FailureError(
                f"the recurrent decoder learns with torch and onnx (no {' and no '.join(missing)}); pip install"
                " 'spikeloop[train]'"
            )
        self.exported = b""
        self._bin_size_s, self._seed, self._config = bin_size_s, seed, config
        self._decoder: OnnxDecoder | None = None

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Train, which takes 5 to 30 s for 9000 bins of 96 units, and begin anew.

        Raises
        ------
        BadInputError
            If shapes don't fit, kinematics aren't finite, or there are too few bins.
        FailureError
            If training diverges, or torch or ONNX Runtime are not installed.
        """
        try:
            with hold_interrupts():
                from spikeloop.exporters.graphs.decoder import decoder_to_onnx
                from spikeloop.models.training.recurrent_decoder import fit_recurrent
        except ImportError as error:
            raise FailureError(
                f"the recurrent decoder learns with torch and onnx ({error}); pip install 'spikeloop[train]'"
            ) from error
        network = fit_recurrent(counts, kinematics, seed=self._seed, config=self._config)
        self.exported = decoder_to_onnx(network, self._bin_size_s)
        self._decoder = OnnxDecoder(self.exported, counts.shape[1], self._bin_size_s, kinematics.shape[1], "recurrent")

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        return fitted(self._decoder).step(counts)


def read_decoder_file(path: Path) -> bytes:
    """The content of a decoder file.

    Raises
    ------
    BadInputError
        If it is missing, no file, unreadable or too large.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: {'expected a file, found a folder' if path.is_dir() else 'no such file'}")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInputError(f"{path}: expected a file that can be read, found {error.strerror}; allow it") from error
    if len(content) > LARGEST_FILE:
        raise BadInputError(
            f"{path}: expected at most {LARGEST_FILE >> 20} MiB, found more; what decodes within a bin is smaller"
        )
    return content


def _is_one_or_free(axis: int | str | None) -> bool:
    return axis == 1 or not isinstance(axis, int)
