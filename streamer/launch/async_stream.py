"""`spikeloop.open_stream`: a stream in the caller's own event loop."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError
from spikeloop.streamer.launch.lifetimes import AsyncLifetime
from spikeloop.streamer.launch.options import StreamOptions
from spikeloop.streamer.launch.running import RunningStream
from spikeloop.streamer.launch.stream import PreparedStream

__all__ = ["AsyncStream", "open_stream"]


def open_stream(bundle: str | Path | Bundle, name: str = "spikeloop", **options: Any) -> "AsyncStream":
    """Stream a population's spikes over LSL in the running event loop.

    As a context it streams while its block runs::

        async with spikeloop.open_stream("retina", name="lab") as stream:
            ...
        print(stream.report)

    Up to 2 ms before each step, the last stretch to its deadline is slept in the event loop's thread; where other work
    in the loop takes longer than a few milliseconds at a time, `spikeloop.stream` is more punctual.

    Parameters
    ----------
    bundle, name, **options
        As of `spikeloop.stream`.

    Returns
    -------
    AsyncStream
        Streams from entering to leaving its async context.

    Raises
    ------
    BadInputError, FailureError
        As of `spikeloop.stream`.
    """
    return AsyncStream(bundle, make_options(name, options))


def make_options(name: str, options: dict[str, Any]) -> StreamOptions:
    """Return the options of a program's stream, which has controls unless it says otherwise."""
    known = {field.name for field in dataclasses.fields(StreamOptions)} - {"name"}
    if unknown := sorted(set(options) - known):
        raise BadInputError(f"expected options of {', '.join(sorted(known))}; found {unknown[0]!r:.80}")
    chosen: dict[str, Any] = {"controls": True} | options
    return StreamOptions(name, **chosen)


class AsyncStream(AsyncLifetime[PreparedStream], RunningStream):
    """A stream in the running event loop, from entering to leaving the async context.

    Parameters
    ----------
    bundle : str, Path or Bundle
    options : StreamOptions
    """

    def __init__(self, bundle: str | Path | Bundle, options: StreamOptions) -> None:
        super().__init__(partial(PreparedStream, bundle, options), "spikeloop.open_stream")
