"""The web server, in a thread with an event loop of its own."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from spikeloop.models.errors import FailureError, in_one_line
from spikeloop.models.listening import listen
from spikeloop.models.packages import install_command
from spikeloop.streamer.dashboard.hub import Hub

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["WebServer", "bind", "import_web"]

BACKLOG = 256
SEND_BUFFER_BYTES = 2**15  # of a connection, which the system would let grow to megabytes: a slow page lags by those
REQUEST_BYTES = 2**16
ENDS_WITHIN_S = 5.0


def import_web() -> None:
    """Raise FailureError where what the page needs is not installed."""
    try:
        import starlette as starlette
        import uvicorn as uvicorn
        import websockets as websockets
    except ImportError as error:
        raise FailureError(f"{error.name} is not installed, which the page needs; {install_command('web')}") from error


def bind(host: str, port: int) -> socket.socket:
    """Open the socket to listen on.

    Raises
    ------
    BadInputError
        If the host is none of this machine.
    FailureError
        If the port is taken.
    """
    listening = listen(host, port, "--port", "--host", BACKLOG)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # connections inherit it
    return listening


class WebServer:
    """Serves an application on a socket, from entering to leaving the context.

    Parameters
    ----------
    listening : socket.socket
        Closed at the end.
    make_app : callable
        Makes the application.
    hub : Hub, optional
        Whose frames go out in this server's event loop.

    Raises
    ------
    FailureError
        On entering, if the server can't start.
    """

    def __init__(self, listening: socket.socket, make_app: "Callable[[], ASGIApp]", hub: Hub | None = None) -> None:
        self._socket, self._hub, self._make_app = listening, hub, make_app
        self._started = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="spikeloop-web", daemon=True)

    def __enter__(self) -> Self:
        import uvicorn

        config = uvicorn.Config(
            self._make_app(), log_config=None, access_log=False, lifespan="off", http="h11", ws="websockets-sansio",
            loop="asyncio", ws_max_size=REQUEST_BYTES, ws_max_queue=8, ws_per_message_deflate=False,
            ws_ping_interval=10.0, ws_ping_timeout=20.0, timeout_graceful_shutdown=1, server_header=False,
            date_header=False, timeout_keep_alive=30, h11_max_incomplete_event_size=REQUEST_BYTES, proxy_headers=False,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._socket.close()
            raise FailureError(f"the page can't be served ({in_one_line(self._failure)})") from self._failure
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join(ENDS_WITHIN_S)
        self._socket.close()

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # of any kind: whoever waits for the start gets the reason
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # connections that break off are no news
        if self._hub is not None:
            self._hub.open(loop)
        self._started.set()
        await self._server.serve(sockets=[self._socket])
