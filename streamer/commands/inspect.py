"""`spikeloop inspect`: what is in a recording's file, and what is read from it."""

from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from spikeloop.exporters.formats.inspection import inspect_recording
from spikeloop.exporters.formats.registry import formats_in_words
from spikeloop.exporters.formats.storage.writable import check_writable
from spikeloop.models.packages import require_packages
from spikeloop.models.whole_file import file_path
from spikeloop.streamer.commands.output import print_json
from spikeloop.streamer.commands.reading_options import AS_STORED, ReadingOptions

__all__ = ["inspect"]


def inspect(
    recording: Positional[str],
    *,
    html: Path | None = None,
    reading: OmitArgPrefixes[ReadingOptions] = AS_STORED,
    json: bool = False,
) -> int:
    """Show what is in a recording's file, and what is read from it.

    Everything in the file is listed, with the name by which the options ask for it; then come the recording that is
    read, in one line, with what was done to it and what looks wrong; and a picture: spikes of a few seconds,
    conditions, and rates. Where the file is no recording as it stands, as where it does not say its bin size, the
    command says what to add; its exit code is 0 all the same.

    These formats are read: FORMATS.

    Parameters
    ----------
    recording : str
        path of a file or folder, or name of a recording (retina, m1_jango, rat_m1_ms, calcium_odor, m1-sim)
    html : path, optional
        .html file to write, with the same in larger pictures; needs the extra `evaluate`
    reading : ReadingOptions
        how a recording is read from a file; give `train`, `convert` and the others the same
    json : bool
        print what was found as one JSON document
    """
    if html is not None:
        file_path("--html", html, ".html")
        require_packages("matplotlib", extra="evaluate", what="the page")
        check_writable(html)
    found = inspect_recording(recording, reading.choices())
    if html is not None:
        from spikeloop.exporters.pages.recording import write_recording_page

        write_recording_page(found, html)
    if json:
        print_json(found.to_dict() | {"html": html and str(html)})
        return 0
    from spikeloop.streamer.commands.results.inspect import print_inspection

    print_inspection(found)
    if html is not None:
        print(f"page: {html}")
    return 0


inspect.__doc__ = (inspect.__doc__ or "").replace("FORMATS", formats_in_words())
