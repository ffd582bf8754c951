"""The one layer around an app: request id, host, CORS, security headers, errors nobody handled, counting.

It is a single ASGI layer, since each layer that wraps `send` or reads headers again costs every request. What needs
no work is not touched: WebSockets get an id and a look at their host, answers stream through as they come,
background tasks run on after the answer was counted.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Sequence
from time import perf_counter
from typing import Any, Final

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vestibule.service import request_ids
from vestibule.service.headers import HeaderSet, RawHeader
from vestibule.service.metrics import Metrics
from vestibule.service.state import ServiceState

logger = logging.getLogger("vestibule.service")

_VARY_ORIGIN: Final[RawHeader] = (b"vary", b"Origin")
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_HOSTS_KEPT: Final = 256


class TrustedHosts:
    """Which hosts a service answers to.

    Args:
        hosts: Host names; `*.example.com` stands for all names below `example.com`, `*` for any.
        exempt: Paths that answer under any host: probes and scrapers call by address, and get nothing made of the host.
    """

    def __init__(self, hosts: Sequence[str], exempt: Collection[str] = ()) -> None:
        lowered = [host.lower().encode("idna" if not host.startswith(("*", "[")) else "ascii") for host in hosts]
        self._exact = frozenset(lowered)
        self._below = tuple(host[1:] for host in lowered if host.startswith(b"*."))
        self._any = b"*" in self._exact
        self._exempt = frozenset(exempt)
        # Whole header values that were right, so that the next one is a look-up. Wildcards match without end: bounded.
        self._known: set[bytes] = set()

    def allow(self, hosts: list[bytes], path: str) -> bool:
        """Whether a request with these values of `Host` may pass. More than one is wrong (RFC 9112 section 3.2)."""
        if path in self._exempt:
            return True
        if len(hosts) != 1:
            return False
        sent = hosts[0]
        if sent in self._known:
            return True
        match = _HOST.fullmatch(sent)
        if match is None:
            return False
        host = match[1].lower()
        if not (self._any or host in self._exact or host.endswith(self._below)):
            return False
        if len(self._known) < _HOSTS_KEPT:
            self._known.add(sent)
        return True


class Envelope:
    """The layer.

    Args:
        app: What is inside.
        state: Counts requests in flight.
        headers: Security headers.
        hosts: Which hosts are answered; None: any.
        cors: Arguments of Starlette's `CORSMiddleware`; None: no browser of another origin is answered to.
        metrics: What counts; None: nothing does.
        replace_headers: Whether security headers go before what an answer says itself.
        request_ids: Whether answers tell the request's id.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        state: ServiceState | None = None,
        headers: Sequence[RawHeader] = (),
        hosts: TrustedHosts | None = None,
        cors: dict[str, Any] | None = None,
        metrics: Metrics | None = None,
        replace_headers: bool = False,
        request_ids: bool = True,
    ) -> None:
        self.app = app
        self._state = state or ServiceState()
        self._headers = HeaderSet(headers, replace=replace_headers)
        # Caches must know that the answer to a browser elsewhere differs (Fetch section 3.2.5).
        self._vary: tuple[RawHeader, ...] = () if cors is None else (_VARY_ORIGIN,)
        self._hosts = hosts
        self._cors: ASGIApp = app if cors is None else CORSMiddleware(app, **cors)
        self._failure: ASGIApp = _failure if cors is None else CORSMiddleware(_failure, **cors)
        self._metrics = metrics
        self._request_ids = request_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        hosts: list[bytes] = []
        origin = False
        sent_id: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin":
                origin = True
            elif name == request_ids.HEADER:
                sent_id = value
        id_ = request_ids.accept(sent_id)
        text = id_.decode()
        scope.setdefault("state", {})["request_id"] = text
        token = request_ids.current.set(text)
        self._state.in_flight += 1
        try:
            if self._hosts is not None and not self._hosts.allow(hosts, scope["path"]):
                app: ASGIApp = _wrong_host
            else:
                app = self._cors if origin else self.app
            if scope["type"] == "http":
                await self._answer(app, scope, receive, send, id_, origin)
            else:
                await app(scope, receive, send)
        finally:
            self._state.in_flight -= 1
            request_ids.current.reset(token)

    async def _answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, id_: bytes, origin: bool) -> None:
        came = perf_counter()
        status = 0
        ended = False
        left = False
        more = () if origin else self._vary
        if self._request_ids:
            more = (*more, (request_ids.HEADER, id_))

        async def dressed(message: Message) -> None:
            nonlocal status, ended, left
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
                # A new message: the app may keep its own and send it again.
                message = {**message, "headers": self._headers.dress(message.get("headers", ()), *more)}
            elif not ended and (
                (kind == "http.response.body" and not message.get("more_body", False))
                or kind == "http.response.pathsend"
            ):
                # Counted before it is sent, and not when the app returns: background tasks are no part of the answer.
                ended = True
                if self._metrics is not None:
                    self._metrics.answered(scope, status, perf_counter() - came)
            try:
                await send(message)
            except OSError:
                left = True  # servers say so that the client went away (ASGI 2.4)
                raise

        try:
            await app(scope, receive, dressed)
        except Exception as error:
            if left or isinstance(error, ClientDisconnect) or isinstance(error.__cause__, ClientDisconnect):
                logger.debug("%s %s: the client went away (request %s)", scope["method"], _path(scope), id_.decode())
                return
            if status and not ended:
                # Nobody can be told any more but by breaking off, which is for the server to do; it logs the traceback.
                logger.error("%s %s: the answer broke off (request %s)", scope["method"], _path(scope), id_.decode())
                if self._metrics is not None:
                    self._metrics.broke_off(scope)
                raise
            logger.error(
                "%s %s: unhandled error (request %s)", scope["method"], _path(scope), id_.decode(), exc_info=error
            )
            if not status:
                await (self._failure if origin else _failure)(scope, receive, dressed)
        finally:
            if status and not ended and self._metrics is not None:
                self._metrics.answered(scope, status, perf_counter() - came)


async def unhandled(request: Request, error: Exception) -> Response:
    """Answers an error that nobody handled (as an exception handler of Starlette): 500, with the request's id."""
    return Response(_failure_body(request.scope), 500, media_type="application/json")


async def gone(request: Request, error: Exception) -> Response:
    """Ends a request whose client went away: nobody hears the 499, but it is counted as no failure of ours."""
    return Response(status_code=499)


def _failure_body(scope: Scope) -> bytes:
    body = {"detail": "Internal Server Error", "request_id": scope.get("state", {}).get("request_id")}
    return json.dumps(body, separators=(",", ":")).encode()


async def _failure(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(_failure_body(scope), 500, media_type="application/json")(scope, receive, send)


async def _wrong_host(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await PlainTextResponse("Invalid host header", 400)(scope, receive, send)


def _path(scope: Scope) -> str:
    # In the log a path is one line, whatever was sent.
    return ascii(scope["path"])[1:-1]
