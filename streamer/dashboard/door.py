"""Who may come in: the machine itself, or who has the token; and what a browser may do with what it gets."""

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["COOKIE", "Door"]

COOKIE = "spikeloop-token"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://{host}"
    " wss://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Door:
    """Refuses requests for other hosts, WebSockets of other pages, and who has no token where one is needed.

    A page elsewhere can make a browser send requests to this machine: a request names the host that it is meant for,
    and a WebSocket the page that opened it.

    Parameters
    ----------
    app : ASGI application
    token : str or None
        What a visitor must show: `?token=TOKEN` once, and from then on a cookie.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, refusal = headers.get("host", ""), self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if refusal:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": refusal})
                return
            await self._app(scope, receive, send)
            return
        harden = _Hardened(send, host)
        if refusal:
            await PlainTextResponse(refusal, 403)(scope, receive, harden)
        elif self._token is not None and _asked_token(scope):
            answer = RedirectResponse(_without_token(scope), 303)
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            await answer(scope, receive, harden)
        else:
            await self._app(scope, receive, harden)

    def _refusal(self, scope: Scope, headers: Headers) -> str:
        """Why a request is refused; empty where it is not."""
        host = headers.get("host", "")
        if self._token is None and (_hostname(f"//{host}") not in LOOPBACK):
            return "this page is for its own machine alone; open it as http://127.0.0.1"
        origin = headers.get("origin")
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and origin is not None and (not host or _place(origin) != host):
            return "WebSockets and files of other pages are refused"
        if self._token is not None:
            shown = _asked_token(scope) or _kept_token(headers)
            if not hmac.compare_digest(shown.encode(), self._token.encode()):
                return "the token is missing or wrong; open the address that spikeloop web has printed"
        return ""


class _Hardened:
    """Adds to a response what a browser may do with it."""

    def __init__(self, send: Send, host: str) -> None:
        allowed = host if all(character.isalnum() or character in ".:-[]" for character in host) else ""
        self._send = send
        self._headers = {
            "content-security-policy": POLICY.format(host=allowed),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "no-cache",
        }

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            more = [(name.encode(), value.encode("latin-1", "replace")) for name, value in self._headers.items()]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        await self._send(message)


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _without_token(scope: Scope) -> str:
    """Return what was asked for, without the token, which the cookie now has."""
    asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = urlencode([(name, value) for name, value in asked if name != "token"])
    path = "/" + quote(scope["path"].lstrip("/"))  # of this host: two slashes would name another one
    return f"{path}?{query}" if query else path


def _asked_token(scope: Scope) -> str:
    return parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]


def _kept_token(headers: Headers) -> str:
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""
