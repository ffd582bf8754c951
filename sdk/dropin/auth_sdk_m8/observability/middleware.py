"""Counting requests."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth_sdk_m8.observability import metrics

_UUID_RE = re.compile(r"/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_INT_ID_RE = re.compile(r"/\d+")
# Paths that lead nowhere, and methods that nobody knows, are made up by whoever scans.
_NOWHERE = "{unmatched}"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def _endpoint_label(path: str) -> str:
    return _INT_ID_RE.sub("/{id}", _UUID_RE.sub("/{id}", path))


def _label(scope: Mapping[str, Any], path: str, root_path: str) -> str:
    """What a request is counted under: its path without what was filled in. There are only as many as routes."""
    if "endpoint" not in scope:
        return _NOWHERE
    mounted = scope.get("root_path", "")
    if mounted != root_path:
        return _endpoint_label(mounted.removeprefix(root_path)) + "/{path}"
    for value in scope.get("path_params", {}).values():
        before, found, after = path.rpartition(f"/{value}")
        if found:
            path = f"{before}/{{id}}{after}"
    return _endpoint_label(path)


class MetricsMiddleware:
    """Counts each request by method, path and status, also one that failed; nothing unless metrics are set up."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes requests through."""
        if scope["type"] != "http" or metrics.get() is None:
            await self.app(scope, receive, send)
            return
        path, root_path = scope["path"], scope.get("root_path", "")
        status = 500
        began = time.perf_counter()

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        finally:
            _count(scope["method"], _label(scope, path, root_path), status, time.perf_counter() - began)

    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        """Counts one request that something else passes on."""
        if metrics.get() is None:
            return await call_next(request)
        began = time.perf_counter()
        response = await call_next(request)
        label = _endpoint_label(request.url.path)
        _count(request.method, label, response.status_code, time.perf_counter() - began)
        return response


def _count(method: str, endpoint: str, status: int, seconds: float) -> None:
    counted = metrics.get()
    if counted is None:
        return
    if method not in _METHODS:
        method = "OTHER"
    if counted.requests_total is not None:
        counted.requests_total.labels(method=method, endpoint=endpoint, status_code=str(status)).inc()
    if counted.request_duration_seconds is not None:
        counted.request_duration_seconds.labels(method=method, endpoint=endpoint).observe(seconds)
    if counted.errors_total is not None and status >= 400:
        counted.errors_total.labels(method=method, endpoint=endpoint, status_class=f"{status // 100}xx").inc()
    if counted.status_total is not None:
        counted.status_total.labels(status_code=str(status)).inc()
