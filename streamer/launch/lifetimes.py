"""How long what streams is open: in the running event loop, or in a thread with an event loop of its own."""

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, suppress
from typing import Generic, Protocol, Self, TypeVar

from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.launch.timeouts import checked_timeout

__all__ = ["AsyncLifetime", "BackgroundLifetime", "Prepared"]

ENDS_WITHIN_S = 30.0  # at the interpreter's exit


class Prepared(Protocol):
    """What streams once it is entered and open, such as `PreparedStream`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def open(self) -> AbstractAsyncContextManager[Callable[[], Awaitable[None]]]: ...


P = TypeVar("P", bound=Prepared)


class AsyncLifetime(Generic[P]):
    """Streams in the running event loop, from entering to leaving the async context.

    Parameters
    ----------
    prepare : callable
        Makes what streams; called in a thread, as it takes a while.
    maker : str
        What makes another one, for messages.

    Attributes
    ----------
    prepared : Prepared or None
        What streams; None before it is open.
    """

    prepared: P | None = None

    def __init__(self, prepare: Callable[[], P], maker: str) -> None:
        self._prepare, self._maker = prepare, maker
        self._task: asyncio.Task[None] | None = None
        self._stoppable, self._raised = True, False

    @property
    def running(self) -> bool:
        """Whether it streams, or is about to."""
        return self._task is not None and not self._task.done()

    async def __aenter__(self) -> Self:
        if self._task is not None:
            raise BadInputError(f"the stream was started before; make another one with {self._maker}")
        opened = asyncio.Event()
        self._task = asyncio.create_task(self._live(opened), name="spikeloop-stream")
        begins = asyncio.create_task(opened.wait())
        try:
            await asyncio.wait([self._task, begins], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self._end(self._task)
            raise
        finally:
            begins.cancel()
        if self._task.cancelled():
            raise FailureError("the stream was stopped before it began")
        if self._task.done() and not opened.is_set():
            self._task.result()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        assert self._task is not None
        await self._end(self._task)
        if kind is None and not self._raised and not self._task.cancelled():
            self._task.result()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the stream has ended, as its duration is over or it was stopped.

        Parameters
        ----------
        timeout_s : float, s, or None
            How long to wait at most.

        Returns
        -------
        bool
            Whether it has ended.

        Raises
        ------
        BadInputError
            If the timeout is neither a number nor None.
        SpikeloopError
            If the stream failed.
        """
        timeout_s = checked_timeout(timeout_s)
        task = self._task
        if task is None:
            return False
        done, _ = await asyncio.wait([task], timeout=timeout_s)
        if done and not task.cancelled():
            self._raised = task.exception() is not None
            task.result()
        return bool(done)

    def stop(self) -> None:
        """End the stream; `wait` returns when everything is closed."""
        if self._task is not None and self._stoppable:
            self._stoppable = False
            self._task.cancel()

    async def _end(self, task: asyncio.Task[None]) -> None:
        self.stop()
        await asyncio.wait([task])

    async def _live(self, opened: asyncio.Event) -> None:
        prepared = await asyncio.to_thread(self._prepare)
        entering = asyncio.ensure_future(asyncio.to_thread(prepared.__enter__))
        try:
            await asyncio.shield(entering)
            self.prepared = prepared
            async with prepared.open() as run:
                opened.set()
                await run()
                self._stoppable = False  # what follows closes the stream
        finally:
            await asyncio.wait([entering])
            if entering.exception() is None:
                await asyncio.to_thread(prepared.__exit__)


class BackgroundLifetime(Generic[P]):
    """Streams in a thread of its own, from entering to leaving the context.

    Parameters and attributes are those of `AsyncLifetime`.
    """

    prepared: P | None = None

    def __init__(self, prepare: Callable[[], P], maker: str) -> None:
        self._maker = maker
        self._stream = AsyncLifetime(prepare, maker)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._opened: Future[None] = Future()
        self._ended = threading.Event()  # the thread's last act; an interrupted `Thread.join` says that it has ended
        self._failure: BaseException | None = None
        self._stopping = self._raised = False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._end()
        if kind is None and not self._raised:
            self._raise_failure()

    @property
    def running(self) -> bool:
        """Whether it streams, or is about to."""
        return self._thread is not None and not self._ended.is_set()

    def start(self) -> Self:
        """Begin to stream; returns when the LSL streams are open.

        Raises
        ------
        BadInputError, FailureError
            As on entering the context.
        """
        if self._thread is not None:
            raise BadInputError(f"the stream was started before; make another one with {self._maker}")
        thread = threading.Thread(target=self._work, name="spikeloop-stream", daemon=True)
        thread.start()
        self._thread = thread
        atexit.register(self._end, ENDS_WITHIN_S)
        try:
            self._opened.result()
        except BaseException:
            self._end()
            raise
        return self

    def stop(self) -> None:
        """End the stream, and wait until everything is closed.

        Raises
        ------
        SpikeloopError
            If the stream failed.
        """
        self._end()
        self._raise_failure()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the stream has ended, as its duration is over; arguments and errors as of `AsyncLifetime.wait`."""
        timeout_s = checked_timeout(timeout_s)
        if self._thread is None:
            return False
        if ended := self._ended.wait(timeout_s):
            self._raise_failure()
        return ended

    def _end(self, within_s: float | None = None) -> None:
        atexit.unregister(self._end)
        self._stopping = True
        if self._thread is not None:
            with suppress(RuntimeError):  # the loop is closed
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._stream.stop)
            if self._ended.wait(within_s):
                self._thread.join()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            self._raised = True
            raise self._failure

    def _work(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as error:  # raised again where the program waits for it
            self._failure = error
            if not self._opened.done():
                self._opened.set_exception(error)
        finally:
            self._ended.set()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._stopping:
            raise FailureError("the stream was stopped before it began")
        async with self._stream as stream:
            self.prepared = stream.prepared
            self._opened.set_result(None)
            await stream.wait()
