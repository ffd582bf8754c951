"""The one layer around an app: request id, host, CORS, security headers, errors nobody handled, counting.

It is a single ASGI layer, since each layer that wraps `send` or reads headers again costs every request. What needs
no work is not touched: WebSockets get an id and a look at their host, answers stream through as they come,
background tasks run on after the answer was counted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from time import perf_counter

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vestibule.service import request_ids
from vestibule.service.cross_origin import CrossOrigin, is_preflight
from vestibule.service.headers import HeaderSet, RawHeader
from vestibule.service.hosts import TrustedHosts
from vestibule.service.metrics import Metrics
from vestibule.service.state import ServiceState

logger = logging.getLogger("vestibule.service")


class Envelope:
    """The layer.

    Args:
        app: What is inside.
        state: Counts requests in flight.
        headers: Security headers.
        hosts: Which hosts are answered; None: any.
        cross_origin: What pages of other origins are told; None: nothing.
        metrics: What counts; None: nothing does.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        state: ServiceState,
        headers: Sequence[RawHeader] = (),
        hosts: TrustedHosts | None = None,
        cross_origin: CrossOrigin | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.app = app
        self._state = state
        self._headers = HeaderSet(headers)
        self._hosts = hosts
        self._cross_origin = cross_origin
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        hosts: list[bytes] = []
        origin: bytes | None = None
        sent_id: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name == b"origin":
                origin = value
            elif name == request_ids.HEADER:
                sent_id = value
        id_ = request_ids.accept(sent_id)
        text = id_.decode()
        scope.setdefault("state", {})["request_id"] = text
        token = request_ids.current.set(text)
        self._state.in_flight += 1
        try:
            trusted = self._hosts is None or self._hosts.allow(hosts, scope["path"], scope.get("root_path", ""))
            app = self.app if trusted else _wrong_host
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            more: tuple[RawHeader, ...] = ((request_ids.HEADER, id_),)
            if trusted and self._cross_origin is not None:
                if origin is not None and is_preflight(scope):
                    app = self._cross_origin.preflight
                else:
                    more += self._cross_origin.headers(origin)
            await self._answer(app, scope, receive, send, text, more)
        finally:
            self._state.in_flight -= 1
            request_ids.current.reset(token)

    async def _answer(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, id_: str, more: tuple[RawHeader, ...]
    ) -> None:
        came = perf_counter()
        status = 0
        ended = False
        left = False

        async def dressed(message: Message) -> None:
            nonlocal status, ended, left
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
                # A new message: the app may keep its own and send it again.
                message = {**message, "headers": self._headers.dress(message.get("headers", ()), more)}
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
                logger.debug("%s %s: the client went away (request %s)", scope["method"], _path(scope), id_)
                return
            if status and not ended:
                # Nobody can be told any more but by breaking off, which is for the server to do; it logs the traceback.
                logger.error("%s %s: the answer broke off (request %s)", scope["method"], _path(scope), id_)
                if self._metrics is not None:
                    self._metrics.broke_off(scope)
                raise
            logger.error("%s %s: unhandled error (request %s)", scope["method"], _path(scope), id_, exc_info=error)
            if not status:
                await _failure(scope, receive, dressed)
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
