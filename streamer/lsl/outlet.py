"""Opening an LSL outlet, described."""

import platform
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from spikeloop.models.errors import FailureError
from spikeloop.models.recordings.provenance import Provenance, Replayed
from spikeloop.streamer.lsl.description import Entries, write_description
from spikeloop.streamer.lsl.library import check_names_are_free, import_pylsl

if TYPE_CHECKING:
    import pylsl

__all__ = ["OutletFormat", "open_described", "open_outlet"]

OutletFormat = Literal["float32", "int32", "int16", "int8", "string"]

BACKLOG = 360  # LSL's default
BACKLOG_BYTES = 2**28


def open_outlet(
    name: str,
    kind: str,
    channels: Iterable[Entries],
    rate_hz: float = 0.0,
    form: OutletFormat = "float32",
    *,
    provenance: Provenance | Replayed | None = None,
    backlog: int = BACKLOG,
    chunk: int = 0,
    check_name: bool = True,
    **more: Any,
) -> "pylsl.StreamOutlet":
    """Open an LSL stream; it closes when nothing refers to it.

    Parameters
    ----------
    name, kind : str
        LSL's name and type.
    channels : iterable of mappings
        One for each channel, as of `description.channel`.
    rate_hz : float >= 0, Hz
        0 for an irregular stream.
    form : str
        LSL's channel format.
    provenance : Provenance or Replayed, optional
        What made it.
    backlog : int >= 1, s
        Samples kept for a consumer that stalls, of a regular stream at most 256 MB; of an irregular one, in hundreds
        of samples.
    chunk : int >= 0
        Samples that LSL sends at once; 0 for as many as are pushed.
    check_name : bool
        Whether to look for a stream of this name first, for half a second.
    **more
        Entries beside those of the provenance.

    Raises
    ------
    BadInputError
        If the name is on the network already.
    FailureError
        If pylsl or liblsl is missing, or LSL can't open the stream.
    """
    lsl, listed = import_pylsl(), list(channels)
    if check_name:
        check_names_are_free(name)
    info = lsl.StreamInfo(name, kind, len(listed), rate_hz, form, f"spikeloop-{platform.node()}-{name}")
    write_description(info, listed, provenance, **more)
    return open_described(info, np.dtype(form).itemsize * len(listed) if form != "string" else 0, backlog, chunk)


def open_described(
    info: "pylsl.StreamInfo", sample_bytes: int, backlog: int = BACKLOG, chunk: int = 0
) -> "pylsl.StreamOutlet":
    """Open the outlet of a stream that is described already.

    Parameters
    ----------
    info : pylsl.StreamInfo
    sample_bytes : int >= 0
        Of one sample, so that the backlog of a regular stream stays within 256 MB.
    backlog : int >= 1, s
        As of `open_outlet`.
    chunk : int >= 0
        As of `open_outlet`.

    Raises
    ------
    FailureError
        If LSL can't open the stream.
    """
    bytes_a_s = sample_bytes * info.nominal_srate()
    if bytes_a_s > 0:
        backlog = max(1, min(backlog, int(BACKLOG_BYTES / bytes_a_s)))
    try:
        return import_pylsl().StreamOutlet(info, chunk_size=chunk, max_buffered=backlog)
    except RuntimeError as error:
        raise FailureError(
            f"LSL could not open {info.name()!r} ({error}); other programs may hold all of LSL's ports (16572 to"
            " 16604): stop some, or widen PortRange in lsl_api.cfg"
        ) from error
