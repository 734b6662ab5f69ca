"""Where a recording goes: an XDF file that grows, or one from which a file of another format is made at the end."""

from pathlib import Path

from spikeloop.exporters.formats.storage.file_lock import is_being_written
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.exporters.sessions.stored import StoredSession
from spikeloop.models.errors import BadInputError
from spikeloop.models.packages import require_packages
from spikeloop.models.scalars import checked_path
from spikeloop.streamer.capture.record.report import FinishedRecording

__all__ = ["checked_output", "finish_recording", "size_of", "spool_of"]

SUFFIXES = (".xdf", ".nwb", ".zarr")


def checked_output(out: str | Path, overwrite: bool) -> Path:
    """Return the path of a file to record to; BadInputError where it is none, or is there and not to be replaced.

    Raises
    ------
    FailureError
        If no file can be written there, or a package is missing that is needed at the end.
    """
    path = checked_path("--out", out)
    if path.suffix.lower() not in SUFFIXES:
        raise BadInputError(f"--out: expected a file ending in {', '.join(SUFFIXES)}, found {path}")
    if path.exists() and not overwrite:
        raise BadInputError(f"--out: expected no file, found {path}; choose another, or add --overwrite")
    spool = spool_of(path)
    for file in {path, spool}:
        check_writable(file)
    _refuse_busy("--out", spool)
    if spool != path:
        _require(path)
        if spool.exists():
            raise BadInputError(
                f"--out: expected no {spool}, which an earlier recording left; finish it with `spikeloop record"
                f" --finish {spool}`, or remove it"
            )
    return path


def spool_of(out: Path) -> Path:
    """Return where samples are written while they come: the file itself, or an XDF file beside it."""
    return out if out.suffix.lower() == ".xdf" else out.with_name(f"{out.name}.xdf")


def finish_recording(
    spool: str | Path, out: str | Path | None = None, *, overwrite: bool = False, key: str | None = None
) -> FinishedRecording:
    """Make an NWB file or a Zarr folder of an XDF file: of a recording that was cut off, or of any other.

    Parameters
    ----------
    spool : str or pathlib.Path
        XDF file, which stays. A recording to session.nwb that was killed leaves session.nwb.xdf.
    out : str or pathlib.Path, optional
        File ending in .nwb or .zarr; by default that for which the XDF file was written.
    overwrite : bool
        Replace a file that is there.
    key : str, optional
        Name of the stream whose counts become units and trials, or NAME#NUMBER of several of one name; by default the
        first of type Spikes that holds counts. All others are kept as they are.

    Returns
    -------
    FinishedRecording
        The file, and what is in it.

    Raises
    ------
    BadInputError
        If the XDF file can't be read, has no such stream, or the other can't be written there.
    FailureError
        If the disk refuses, or a package is missing.
    """
    source = checked_path("--finish", spool)
    target = source.with_suffix("") if out is None else checked_path("--out", out)
    if source.suffix.lower() not in (".xdf", ".xdfz") or target.suffix.lower() not in (".nwb", ".zarr"):
        raise BadInputError(
            f"--finish: expected an XDF file and a file to make of it, ending in .nwb or .zarr (--out), found {source},"
            f" {target}"
        )
    if target.exists() and not overwrite:
        raise BadInputError(f"--out: expected no file, found {target}; choose another, or add --overwrite")
    check_writable(target)
    _refuse_busy("--finish", source)
    _require(target)
    stored = _write(source, target, key)
    return FinishedRecording(target, size_of(target), source, stored.streams, stored.notes)


def _refuse_busy(option: str, spool: Path) -> None:
    if is_being_written(spool):
        raise BadInputError(f"{option}: another program is recording to {spool}; choose another file, or wait for it")


def _write(spool: Path, out: Path, key: str | None) -> StoredSession:
    """Write a file of what was recorded; see `finish_recording`."""
    if out.suffix.lower() == ".nwb":
        from spikeloop.exporters.sessions.nwb import write_recorded_nwb

        return write_recorded_nwb(spool, out, key)
    from spikeloop.exporters.sessions.zarr import write_recorded_zarr

    return write_recorded_zarr(spool, out, key)


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return sum(part.stat().st_size for part in (path.rglob("*") if path.is_dir() else [path]) if part.is_file())


def _require(out: Path) -> None:
    package, extra, what = {
        ".nwb": ("pynwb", "nwb", "writing NWB files"),
        ".zarr": ("zarr", "zarr", "writing Zarr folders"),
    }[out.suffix.lower()]
    require_packages(package, extra=extra, what=what)
    require_packages("pyxdf", extra="xdf", what="reading XDF files")
