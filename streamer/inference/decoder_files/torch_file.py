"""Programs of PyTorch in files: TorchScript (`torch.jit.save`) and exported programs (`torch.export.save`).

Both are zip archives, and are distinguished by what is in them, whatever the file is called. What holds pickles, as
`torch.save` writes them, is refused: loading it would run what it says.
"""

from pathlib import Path
from types import ModuleType

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.packages import install_command
from spikeloop.streamer.inference.decoder_files.content import entries_of, read_content
from spikeloop.streamer.inference.decoder_files.exported_program import ExportedModel
from spikeloop.streamer.inference.decoder_files.file_decoder import AS_STORED, FileDecoder
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions
from spikeloop.streamer.inference.decoder_files.program_archive import plain_archive
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
    try:
        names = [f"/{entry}" for entry in entries_of(content)]
    except BadInputError as error:
        raise BadInputError(f"{name}: {error}; {EXPORT}") from error
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
        raise FailureError(f"{name}: needs PyTorch ({error}); {install_command('train')}") from error
    return FileDecoder(name, _model(name, content, scripted, torch, units, options), units, options)


def _model(
    name: str, content: bytes, scripted: bool, torch: ModuleType, units: int, options: FileOptions
) -> ScriptModel | ExportedModel:
    try:
        if scripted:
            return ScriptModel(content, torch, name, units, options)
        try:
            content = plain_archive(content, torch)
        except BadInputError as error:
            raise BadInputError(f"{name}: {error}; {EXPORT}") from error
        return ExportedModel(content, torch)
    except BadInputError:
        raise
    except Exception as error:  # of a damaged file, anything
        raise BadInputError(
            f"{name}: expected a program that torch {torch.__version__} can load, found one that it can't"
            f" ({first_line(error)}); {EXPORT}"
        ) from error
