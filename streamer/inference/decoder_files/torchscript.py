"""TorchScript (`torch.jit.save`), which doesn't state the shapes of its inputs: what it takes is tried."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.inference.decoder_files.exported_program import flat_arrays
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.model import Array, Tensor

__all__ = ["ScriptModel"]

TRIED_BINS = 4  # of history, to find out whether earlier bins matter


class ScriptModel:
    """A TorchScript module, as a model.

    Parameters
    ----------
    content : bytes
        Of its file.
    torch : module
    name : str
        Of the decoder, for messages.
    units : int
        Of the stream.
    options : FileOptions
        The user's.

    Raises
    ------
    BadInputError
        If it takes states, counts of none of the usual shapes, or a number of bins that can't be known.
    """

    def __init__(self, content: bytes, torch: ModuleType, name: str, units: int, options: FileOptions) -> None:
        self._content, self._torch = content, torch
        self.begin()
        given, *states = _required(self._module)
        if states:
            raise BadInputError(
                f"{name}: expected one input of a TorchScript file, as it doesn't state shapes of states, found also"
                f" {', '.join(states)}; export it with torch.onnx.export or torch.export.save"
            )
        self._dtype = next((str(weight.dtype) for weight in self._module.parameters()), "float32").rpartition(".")[2]
        self.inputs = [Tensor(given, self._shape(name, units, options.history), np.dtype(self._dtype))]
        self.begin()
        found = self._call(np.zeros(tuple(size or 1 for size in self.inputs[0].shape)))
        self.output_names = tuple(f"output_{place}" for place in range(len(found)))

    def begin(self) -> None:
        """Open it anew, as it may keep something in its buffers."""
        with warnings.catch_warnings():  # of torch, about itself
            warnings.simplefilter("ignore")
            self._module = self._torch.jit.load(io.BytesIO(self._content), map_location="cpu").eval()

    def run(self, given: Mapping[str, Array]) -> Sequence[Array]:
        return self._call(given[self.inputs[0].name])

    def _call(self, counts: Array) -> list[Array]:
        torch = self._torch
        with torch.inference_mode():
            return flat_arrays(self._module(torch.from_numpy(np.array(counts, self._dtype))))

    def _afresh(self, counts: Array) -> Array | None:
        """The first output from a fresh start; None where it fails."""
        self.begin()
        try:
            return self._call(counts)[0]
        except (RuntimeError, IndexError):
            return None

    def _shape(self, name: str, units: int, history: int | None) -> tuple[int, ...]:
        """Of the counts: the first of the usual ones that it takes."""
        for shape in _usual_shapes(units, history):
            if self._afresh(np.zeros(shape)) is not None:
                if history is None and self._looks_back(units):
                    raise BadInputError(
                        f"{name}: its output depends on bins before the present one, and TorchScript doesn't state how"
                        " many it takes; say so with ?history=BINS"
                    )
                return shape
        tried = ", ".join(map(str, _usual_shapes(units, history)))
        raise BadInputError(
            f"{name}: expected a module that takes counts of {units} units, found one that takes none of {tried}; give"
            " its bins with ?history=BINS, or a decoder of these units"
        )

    def _looks_back(self, units: int) -> bool:
        """Whether the last bin's output, of several bins at once, is another than that of the last bin alone."""
        bins = np.arange(TRIED_BINS * units, dtype=np.float64).reshape(1, TRIED_BINS, units) % 3
        together, alone = self._afresh(bins), self._afresh(bins[:, -1:])
        if together is None or alone is None:
            return False
        if together.shape[1:2] == (TRIED_BINS,):
            together = together[:, -1]
        return together.size != alone.size or not np.allclose(together.ravel(), alone.ravel(), rtol=1e-3, atol=1e-5)


def _usual_shapes(units: int, history: int | None) -> Iterator[tuple[int, ...]]:
    if history is None:
        yield from ((1, units), (1, 1, units), (units,))
    else:
        yield from ((1, history, units), (1, units, history), (history, units), (1, history * units))


def _required(module: Any) -> list[str]:
    """Names of the inputs without defaults."""
    arguments = module.forward.schema.arguments[1:]
    return [argument.name for argument in arguments if not argument.has_default_value()] or ["input"]
