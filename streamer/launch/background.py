"""`spikeloop.stream`: a stream in a thread with an event loop of its own, beside a program or a notebook."""

from functools import partial
from pathlib import Path
from typing import Any

from spikeloop.exporters.bundle import Bundle
from spikeloop.streamer.launch.async_stream import make_options
from spikeloop.streamer.launch.lifetimes import BackgroundLifetime
from spikeloop.streamer.launch.options import StreamOptions
from spikeloop.streamer.launch.running import RunningStream
from spikeloop.streamer.launch.stream import PreparedStream

__all__ = ["BackgroundStream", "stream"]


def stream(bundle: str | Path | Bundle, name: str = "spikeloop", **options: Any) -> "BackgroundStream":
    """Stream a population's spikes over LSL in the background, also of a Jupyter notebook.

    As a context it streams while its block runs::

        with spikeloop.stream("retina", name="lab") as stream:
            ...
        print(stream.report)

    Parameters
    ----------
    bundle : str, Path or Bundle
        A shipped bundle's name (`spikeloop models` lists them), the path of a folder or a `.zip`, or a loaded bundle.
    name : str, default "spikeloop"
        The LSL stream's name.
    **options
        As of `StreamOptions`; `controls` is True by default.

    Returns
    -------
    BackgroundStream
        Streams from entering to leaving its context, or from `start` to `stop`.

    Raises
    ------
    BadInputError, FailureError
        On entering, if the bundle or an option can't be used, or something that the stream needs is missing. On leaving
        and in `wait`, if the stream failed.
    """
    return BackgroundStream(bundle, make_options(name, options))


class BackgroundStream(BackgroundLifetime[PreparedStream], RunningStream):
    """A stream in a thread of its own, from entering to leaving the context.

    Parameters
    ----------
    bundle : str, Path or Bundle
    options : StreamOptions
    """

    def __init__(self, bundle: str | Path | Bundle, options: StreamOptions) -> None:
        super().__init__(partial(PreparedStream, bundle, options), "spikeloop.stream")
