"""An HTTP server for /metrics that neither slow nor malformed requests hold up, and that prints nothing."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

__all__ = ["serve_metrics"]

MOST_CONNECTIONS = 32  # at a time
LONGEST_S = 10.0  # that one may last; Prometheus itself waits as long

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def serve_metrics(host: str, port: int, app: App) -> tuple[WSGIServer, threading.Thread]:
    """Serve an application in a thread.

    Parameters
    ----------
    host : str
    port : int
        0 for any that is free.
    app : callable
        By the Web Server Gateway Interface (PEP 3333).

    Returns
    -------
    server : wsgiref.simple_server.WSGIServer
    thread : threading.Thread

    Raises
    ------
    OSError
        If the port is taken.
    """
    server = make_server(host, port, _answered(app), _Server, _Handler)
    thread = threading.Thread(target=server.serve_forever, name="spikeloop-metrics", daemon=True)
    thread.start()
    return server, thread


def _answered(app: App) -> App:
    """Answer a request that the application fails on, as on a malformed header."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return app(environ, start_response)
        except Exception as error:
            start_response("400 Bad Request", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"the request can't be answered ({type(error).__name__}: {error})\n".encode()]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    """Gives each connection a thread and ten seconds; what comes while many are open is closed at once."""

    daemon_threads = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._open: dict[Any, float] = {}  # when each connection came

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Refuse a connection where too many are open."""
        if len(self._open) >= MOST_CONNECTIONS:
            return False
        self._open[request] = time.monotonic()
        return True

    def service_actions(self) -> None:
        """End connections that last too long; called twice a second."""
        for request, came_s in list(self._open.items()):
            if time.monotonic() - came_s > LONGEST_S:
                self._end(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        super().shutdown_request(request)
        self._open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: whoever asked has gone, or was too slow."""

    @staticmethod
    def _end(request: Any) -> None:
        """Have the thread that reads find the connection closed."""
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError:  # it ended meanwhile
            return


class _Handler(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def get_stderr(self) -> Any:
        """Where an application's errors go: nowhere, as the answer holds them."""
        return io.StringIO()
