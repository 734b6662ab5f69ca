"""Programs of PyTorch in files: TorchScript (`torch.jit.save`) and exported programs (`torch.export.save`).

Both are zip archives, and are told apart by what is in them, whatever the file is called. What holds pickles, as
`torch.save` writes them, is refused: loading it would run what it says.
"""

import io
import json
import zipfile
from pathlib import Path
from types import ModuleType

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.streamer.inference.decoder_files.content import read_content
from spikeloop.streamer.inference.decoder_files.exported_program import ExportedModel
from spikeloop.streamer.inference.decoder_files.file_decoder import AS_STORED, FileDecoder
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.torchscript import ScriptModel
from spikeloop.streamer.inference.runtime import first_line

__all__ = ["open_torch"]

EXPORT = "export it with torch.onnx.export, torch.export.save or torch.jit.save"


def open_torch(file: Path, units: int, options: FileOptions = AS_STORED) -> FileDecoder:
    """Open a trained decoder in a file of PyTorch.

    Parameters
    ----------
    file : Path
    units : int
        Of the stream.
    options : FileOptions, optional

    Raises
    ------
    BadInputError
        If it is no such file, holds pickles, or isn't a decoder of so many units.
    FailureError
        If torch is not installed, or the decoder fails on a bin without spikes.
    """
    content, name = read_content(file), f"torch:{file}"
    names = _names(content)
    scripted = any("/code/" in entry for entry in names)
    exported = any("/models/" in entry and entry.endswith(".json") for entry in names)
    if not scripted and not exported:
        found = "weights without a program, as torch.save writes them" if names else "none"
        raise BadInputError(f"{name}: expected a program of PyTorch, found {found}; {EXPORT}")
    try:
        with hold_interrupts():
            import torch
            import torch.export
    except ImportError as error:
        raise FailureError(f"{name}: needs PyTorch ({error}); pip install 'spikeloop[train]'") from error
    if exported:
        _refuse_pickles(name, content, torch)
    try:
        model = ScriptModel(content, torch, name, units, options) if scripted else ExportedModel(content, torch)
    except BadInputError:
        raise
    except Exception as error:  # of a damaged file, anything
        raise BadInputError(
            f"{name}: expected a program that torch {torch.__version__} can load, found one that it can't"
            f" ({first_line(error)}); {EXPORT}"
        ) from error
    return FileDecoder(name, model, units, options)


def _names(content: bytes) -> list[str]:
    """Of the entries of an archive; none of something else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [f"/{entry}" for entry in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError):
        return []


def _refuse_pickles(name: str, content: bytes, torch: ModuleType) -> None:
    """Refuse an exported program of which torch would unpickle a part, or load machine code.

    Raises
    ------
    BadInputError
        If it holds any.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.namelist():
            if "/aotinductor/" in f"/{entry}" or _is_pickled(entry, archive, torch):
                raise BadInputError(
                    f"{name}: expected weights as plain numbers, found {entry.rpartition('/')[2]:.60}, which would run"
                    f" what it says; {EXPORT}"
                )


def _is_pickled(entry: str, archive: zipfile.ZipFile, torch: ModuleType) -> bool:
    if entry.endswith(".pt"):  # examples of inputs
        try:
            torch.load(io.BytesIO(archive.read(entry)), weights_only=True)
        except Exception:
            return True
    elif entry.endswith("_config.json"):
        payloads = json.loads(archive.read(entry)).get("config", {}).values()
        return any(payload.get("use_pickle") or "obj" in payload.get("path_name", "") for payload in payloads)
    return False
