"""Answers to errors that nobody handled, from within the layers that dress answers."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Where a request keeps what it was answered.
_ANSWERED = "vestibule.answered"


class Application(FastAPI):
    """An application whose handler of errors is asked once, though the framework would ask it again further out."""

    def build_middleware_stack(self) -> ASGIApp:
        """The layers of the framework."""
        stack: Any = super().build_middleware_stack()
        if getattr(stack, "handler", None) is not None:
            stack.handler = _asked_once(stack.handler)
        layers: ASGIApp = stack
        return layers


def _asked_once(handler: Any) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        answered: Response | None = request.scope.get(_ANSWERED)
        return await _ask(handler, request, error) if answered is None else answered

    return answer


async def _ask(handler: Any, request: Request, error: Exception) -> Response:
    waits = inspect.iscoroutinefunction(handler)
    called = handler(request, error) if waits else run_in_threadpool(handler, request, error)
    response: Response = await called
    return response


class PlainErrors:
    """Answers 500, as the framework would, but where the answer still gets its headers and is counted. The error goes
    on to the server, which logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes requests through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = False

        async def send_and_see(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        except Exception as error:
            application = scope.get("app")
            # The page for developers stands further out.
            if not began and not getattr(application, "debug", False):
                response = await _answer(application, Request(scope), error)
                scope[_ANSWERED] = response
                await response(scope, receive, send)
            raise


async def _answer(application: Any, request: Request, error: Exception) -> Response:
    handlers = getattr(application, "exception_handlers", {})
    handler = handlers.get(500) or handlers.get(Exception)
    if handler is None:
        return PlainTextResponse("Internal Server Error", 500)
    return await _ask(handler, request, error)
