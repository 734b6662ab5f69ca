"""`spikeloop convert`: a recording from one format to another."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from spikeloop.exporters.formats.registry import formats_in_words
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.exporters.formats.write import write_recording, writing_format
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.commands.output import SideConsole, print_json
from spikeloop.streamer.commands.reading_options import AS_STORED, ReadingOptions, read_and_tell

__all__ = ["convert"]


def convert(
    recording: Positional[str],
    *,
    out: Path,
    overwrite: bool = False,
    reading: OmitArgPrefixes[ReadingOptions] = AS_STORED,
    json: bool = False,
) -> int:
    """Write a recording to a file of another format.

    The file holds what was read, and nothing else of the original: counts, names of units, conditions, times of trials,
    and what was done to the data. The original stays as it is.

    These formats are written: FORMATS.

    Parameters
    ----------
    recording : str
        path of a file or folder, or name of a recording, as in `spikeloop inspect`
    out : path
        file to write; its suffix says the format
    overwrite : bool
        replace the file where there is one already
    reading : ReadingOptions
        how a recording is read from a file; `spikeloop inspect` shows what these options make of it
    json : bool
        print what was read and written as one JSON document
    """
    found = writing_format(out)
    if out.exists() and not overwrite:
        raise BadInputError(f"--out: expected no file, found {out}; choose another, or add --overwrite")
    check_writable(out)
    console = SideConsole()
    with console.status("reading"):
        read, summary = read_and_tell(recording, reading)
    with console.status(f"writing {out}"):
        write_recording(read, out)
    size = _size(out)
    if json:
        print_json({"out": str(out), "format": found.name, "bytes": size, "recording": summary.to_dict()})
    else:
        print(f"{out}: {found.name}, {size / 1e6:.3g} MB; try: spikeloop inspect {out}")
    return 0


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(part.stat().st_size for part in (path.rglob("*") if path.is_dir() else [path]) if part.is_file())


convert.__doc__ = (convert.__doc__ or "").replace("FORMATS", formats_in_words(writable=True))
