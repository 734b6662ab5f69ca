"""Run a bundle's generator on ONNX Runtime, and never let an invalid probability out."""

import tempfile
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.exporters.card import Card
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts

__all__ = ["CPU", "CUDA", "Device", "Engine", "import_onnxruntime"]

Device = Literal["auto", "cpu", "cuda"]
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
LATENT, PROBABILITY = "latent", "probability"


class Engine:
    """A generator ready to run.

    Attributes
    ----------
    provider : the ONNX Runtime provider really in use
    notice : one line for the user where that is not the one wanted, else empty
    inference_s : how long the latest run took
    """

    def __init__(self, bundle: Bundle, device: Device = "auto") -> None:
        """Load the generator and run it once.

        Raises
        ------
        BadInputError
            If the ONNX file is no such generator, or `cuda` was asked for and is not to be had.
        FailureError
            If ONNX Runtime is not installed, or the generator gives anything but probabilities.
        """
        runtime = import_onnxruntime()
        self.card = bundle.card
        self.inference_s = 0.0
        self._session = _open_session(runtime, bundle, _wanted_providers(runtime, device))
        self.provider: str = self._session.get_providers()[0]
        self.notice = _notice(self.provider, runtime.get_available_providers(), device)
        self._binding = self._session.io_binding()
        _check_signature(self._session, bundle.card)
        self.run(np.zeros((1, bundle.card.latent_size), np.float32))

    def run(self, latent: NDArray[np.float32]) -> NDArray[np.float32]:
        """Spike probabilities of windows.

        Parameters
        ----------
        latent : float32 array of shape (windows, latent)

        Returns
        -------
        float32 array of shape (windows, bins, units)

        Raises
        ------
        FailureError
            If the model gives NaN, anything outside 0 to 1, or another shape.
        """
        began = time.perf_counter()
        self._binding.bind_cpu_input(LATENT, np.ascontiguousarray(latent))
        self._binding.bind_output(PROBABILITY, "cpu")
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # ONNX Runtime's own exceptions share no base
            raise FailureError(f"{self.card.name}: the generator failed ({_first_line(error)})") from error
        probability = self._binding.copy_outputs_to_cpu()[0]
        self.inference_s = time.perf_counter() - began
        expected = (len(latent), self.card.window_bins, len(self.card.unit_names))
        if probability.shape != expected:
            raise BadInputError(
                f"{self.card.name}: expected an output of shape {expected} (windows, bins, units), the generator"
                f" gives {probability.shape}; its card and its ONNX file don't belong together"
            )
        if not (probability.min() >= 0 and probability.max() <= 1):
            raise FailureError(
                f"{self.card.name}: expected spike probabilities from 0 to 1, the generator gave"
                f" {probability.min()} to {probability.max()}; nothing of it was emitted: train or export it anew"
            )
        return probability


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime late, as it is slow to load.

    Raises
    ------
    FailureError
        If it is not installed; says what to install.
    """
    try:
        with hold_interrupts():
            import onnxruntime
    except ImportError as error:
        raise FailureError(
            f"ONNX Runtime is missing ({error}); pip install 'spikeloop[cpu]', or 'spikeloop[gpu]' with an NVIDIA GPU"
        ) from error
    return onnxruntime


def _wanted_providers(runtime: ModuleType, device: Device) -> list[str]:
    available = runtime.get_available_providers()
    if device == "cuda" and CUDA not in available:
        raise BadInputError(
            f"--device cuda: this ONNX Runtime has only {', '.join(available)}; pip install 'spikeloop[gpu]'"
            " in place of 'spikeloop[cpu]', or take --device auto"
        )
    return [CUDA, CPU] if device != "cpu" and CUDA in available else [CPU]


def _open_session(runtime: ModuleType, bundle: Bundle, providers: Sequence[str]):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised or noticed here
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        with tempfile.TemporaryDirectory() as nothing:  # where weights outside the bundle would be looked for
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", nothing)
            return _try_providers(runtime, bundle.generator, options, providers)
    except Exception as error:
        raise BadInputError(
            f"{bundle.card.name}: generator.onnx is no model that ONNX Runtime can load ({_first_line(error)})"
        ) from error


def _try_providers(runtime: ModuleType, model: bytes, options: Any, providers: Sequence[str]):
    """A session on the providers, or on the CPU alone; ONNX Runtime's own fallback would print to stdout."""
    try:
        return runtime.InferenceSession(model, options, providers=list(providers), enable_fallback=0)
    except Exception:
        if list(providers) == [CPU]:
            raise
        return runtime.InferenceSession(model, options, providers=[CPU], enable_fallback=0)


def _notice(provider: str, available: Sequence[str], device: Device) -> str:
    if provider == CUDA or device == "cpu":
        return ""
    if device == "cuda":
        raise BadInputError("--device cuda: CUDA could not be started; check the driver with nvidia-smi, or use cpu")
    if CUDA in available:
        return "CUDA could not be started (driver or libraries are missing): running on the CPU"
    return ""


def _check_signature(session, card: Card) -> None:
    units = len(card.unit_names)
    wanted = {
        "inputs": (session.get_inputs(), LATENT, (None, card.latent_size)),
        "outputs": (session.get_outputs(), PROBABILITY, (None, card.window_bins, units)),
    }
    for side, (found, name, shape) in wanted.items():
        fits = len(found) == 1 and found[0].name == name and found[0].type == "tensor(float)"
        if not fits or not _shape_fits(found[0].shape, shape):
            described = ", ".join(f"{each.name} {each.type} {each.shape}" for each in found)
            expected = ["windows", *shape[1:]]
            raise BadInputError(
                f"{card.name}: expected generator {side} {name} tensor(float) {expected}, found {described};"
                " its card and its ONNX file don't belong together"
            )


def _shape_fits(found: Sequence[int | str | None], expected: tuple[int | None, ...]) -> bool:
    """Whether a declared shape allows the expected one; the first axis must be free."""
    if len(found) != len(expected) or isinstance(found[0], int):
        return False
    return all(not isinstance(f, int) or f == e for f, e in zip(found[1:], expected[1:], strict=True))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
