"""Open a model on ONNX Runtime: on a GPU where there is one and it works, on one core of the CPU else."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal, NamedTuple

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.packages import install_command
from spikeloop.streamer.inference.session import Session

__all__ = [
    "CPU",
    "CUDA",
    "Device",
    "Opened",
    "Wanted",
    "check_signature",
    "first_line",
    "import_onnxruntime",
    "open_generator",
    "open_graph",
]

Device = Literal["auto", "cpu", "cuda"]
Wanted = Sequence[tuple[str, tuple[int | str, ...]]]  # names and shapes that are expected; a word for a free axis
NONE_BESIDE: Mapping[str, bytes] = MappingProxyType({})
PLACE = re.compile(r"\S+\.(cc|h):\d+ .*?\) (?=[A-Z])")  # of ONNX Runtime's source, and the function there
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class Opened(NamedTuple):
    """A model that is ready to run.

    Attributes
    ----------
    session : Session
    provider : str
        The ONNX Runtime provider really in use.
    notice : str
        One line for the user where that is not the one asked for; else empty.
    """

    session: Session
    provider: str
    notice: str


def open_generator(bundle: Bundle, device: Device) -> Opened:
    """Load a bundle's generator.

    Parameters
    ----------
    bundle : Bundle
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    BadInputError
        If the ONNX file can't be loaded, or `cuda` was asked for and is not to be had.
    FailureError
        If ONNX Runtime is not installed.
    """
    return open_graph(bundle.card.name, "generator.onnx", bundle.generator, device)


def open_graph(
    name: str, file: str, content: bytes, device: Device, weights: Mapping[str, bytes] = NONE_BESIDE
) -> Opened:
    """Load an ONNX file, as of a bundle.

    Parameters
    ----------
    name, file : str
        The bundle's and the file's, for messages.
    content : bytes
    device : {"auto", "cpu", "cuda"}
    weights : dict of bytes, optional
        The content of each file beside it, by the relative path that it has for it; no other is read.

    Raises
    ------
    BadInputError
        If the ONNX file can't be loaded, or `cuda` was asked for and is not to be had.
    FailureError
        If ONNX Runtime is not installed.
    """
    runtime = import_onnxruntime()
    session = _open_session(runtime, name, file, content, _wanted_providers(runtime, device), weights)
    provider = session.get_providers()[0]
    return Opened(Session(runtime, session), provider, _notice(provider, runtime.get_available_providers(), device))


def check_signature(
    name: str, session: Session, inputs: Wanted, outputs: Wanted, what: str = "generator", whole: Sequence[str] = ()
) -> None:
    """Make sure that a model has float32 inputs and outputs of these names and shapes, in any order.

    Parameters
    ----------
    name : str
        The bundle's, for the message.
    session : Session
    inputs, outputs : sequence of (name, shape)
        In a shape, a word stands for a free axis.
    what : str
        What kind of model it is, for the message.
    whole : sequence of str
        Names of inputs that are int64 instead.

    Raises
    ------
    BadInputError
        If it has others.
    """
    for side, found, wanted in (
        ("inputs", session.get_inputs(), dict(inputs)), ("outputs", session.get_outputs(), dict(outputs))
    ):  # fmt: skip
        fits = {tensor.name for tensor in found} == set(wanted) and all(
            tensor.type == _kind(tensor.name, whole) and _shape_fits(tensor.shape, wanted[tensor.name])
            for tensor in found
        )
        if not fits:
            described = ", ".join(f"{tensor.name} {tensor.type} {tensor.shape}" for tensor in found)
            expected = ", ".join(f"{key} {_kind(key, whole)} {list(shape)}" for key, shape in wanted.items())
            raise BadInputError(
                f"{name}: expected {what} {side} {expected}, found {described}; its card and its ONNX file don't"
                " belong together"
            )


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
            f"ONNX Runtime is missing ({error}); {install_command('cpu')}, or with an NVIDIA GPU"
            f" {install_command('gpu')}"
        ) from error
    return onnxruntime


def _wanted_providers(runtime: ModuleType, device: Device) -> list[str]:
    available = runtime.get_available_providers()
    if device == "cuda" and CUDA not in available:
        raise BadInputError(
            f"--device cuda: this ONNX Runtime has only {', '.join(available)}; pip uninstall onnxruntime, then"
            f" {install_command('gpu')}, or use --device auto"
        )
    return [CUDA, CPU] if device != "cpu" and CUDA in available else [CPU]


def _open_session(
    runtime: ModuleType, name: str, file: str, content: bytes, providers: Sequence[str], weights: Mapping[str, bytes]
):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # failures are raised, or become a notice
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        # where weights outside the file are looked for; a file that is still mapped can't be deleted everywhere
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as beside:
            for path, weight in weights.items():
                Path(beside, path).parent.mkdir(parents=True, exist_ok=True)
                Path(beside, path).write_bytes(weight)
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", beside)
            return _try_providers(runtime, content, options, providers)
    except Exception as error:
        raise BadInputError(f"{name}: {file} is no model that ONNX Runtime can load ({first_line(error)})") from error


def _try_providers(runtime: ModuleType, model: bytes, options: Any, providers: Sequence[str]):
    """Return a session on the providers, or on the CPU alone; ONNX Runtime's own fallback would print to stdout."""
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


def _kind(name: str, whole: Sequence[str]) -> str:
    return "tensor(int64)" if name in whole else "tensor(float)"


def _shape_fits(found: Sequence[int | str | None], expected: tuple[int | str, ...]) -> bool:
    """Return whether a declared shape allows the expected one; an axis that is a word must be free."""
    if len(found) != len(expected) or any(
        isinstance(f, int) and isinstance(e, str) for f, e in zip(found, expected, strict=True)
    ):
        return False
    return all(f == e for f, e in zip(found, expected, strict=True) if isinstance(f, int))


def first_line(error: Exception) -> str:
    """Return the first line of one of ONNX Runtime's long messages, without the place in its own source."""
    return PLACE.sub("", str(error).strip().split("\n")[0])[:200]
