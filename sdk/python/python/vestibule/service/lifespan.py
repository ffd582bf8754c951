"""From start to end of a service: what must hold before it is ready, and that everything is closed in the end."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio
from fastapi import FastAPI

from vestibule.service.drain import Drain
from vestibule.service.state import ServiceState

logger = logging.getLogger("vestibule.service")

StartupValidator = Callable[[], Awaitable[object] | object]
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]

CLOSE_TIMEOUT: Final = 10.0
"""Seconds that closing one thing may take before the next is closed anyway."""


@dataclass(slots=True)
class AppLifecycle:
    """What an app holds and does besides answering.

    Attributes:
        auth_deps: From `build_auth_deps`; closed in the end.
        db_engine: From `create_db_engine` or `create_async_db_engine`; disposed of in the end.
        startup_validators: Called in this order before anything else; an exception aborts the start. Plain or coroutine
            functions.
        configure: Called with the finished app, for what can only be added to it.
        lifespan_extras: A context manager around the time in which the app serves, called with the app. What it
            yields, if it is a mapping, is the state of requests.
    """

    auth_deps: Any = None
    db_engine: Any = None
    startup_validators: Sequence[StartupValidator] | None = None
    configure: Callable[[FastAPI], object] | None = None
    lifespan_extras: Lifespan | Callable[[Any], AsyncIterator[Any]] | None = None


def service_lifespan(lifecycle: AppLifecycle, *, checks: Sequence[StartupValidator] = ()) -> Lifespan:
    """The lifespan that validates, enters the extras, serves, and closes what `lifecycle` holds.

    Everything is closed, in the reverse order of its start, even if the start fails, an error is thrown in, or
    closing one thing fails or hangs; the last error is raised in the end, with the others as its context.

    Args:
        lifecycle: What is held.
        checks: Validators that go before those of `lifecycle`.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        async with AsyncExitStack() as stack:
            if lifecycle.db_engine is not None:
                stack.push_async_callback(_close, "the database engine", lifecycle.db_engine.dispose)
            if lifecycle.auth_deps is not None:
                stack.push_async_callback(_close, "the identity client", lifecycle.auth_deps.close)
                # Keys and feed are on their way while the rest starts. Not before: a server may fork until now.
                if hasattr(lifecycle.auth_deps, "start"):
                    lifecycle.auth_deps.start()
            for validate in (*checks, *(lifecycle.startup_validators or ())):
                answer = validate()
                if inspect.isawaitable(answer):
                    await answer
            state = None
            if lifecycle.lifespan_extras is not None:
                state = await stack.enter_async_context(_as_context(lifecycle.lifespan_extras)(app))
            yield state if isinstance(state, Mapping) else None

    return lifespan


def ready_lifespan(inner: Lifespan, state: ServiceState, *, drain_seconds: float = 0.0) -> Lifespan:
    """Marks the time within `inner` in which the service is ready; it is the first to end.

    Args:
        inner: Everything that has to have started.
        state: Where readiness is noted; `app.state.service_ready` and `ready_since` follow it.
        drain_seconds: How long the service goes on serving after it was told to stop; see `Drain`.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        drain = Drain(state, drain_seconds)
        async with inner(app) as given:
            state.start()
            app.state.service_ready, app.state.ready_since = True, state.ready_since
            drain.watch()
            try:
                yield given
            finally:
                app.state.service_ready = False
                await drain.finish()

    return lifespan


def _as_context(extras: Callable[[Any], Any]) -> Lifespan:
    """`@asynccontextmanager` may be left out."""
    return asynccontextmanager(extras) if inspect.isasyncgenfunction(extras) else extras


async def _close(name: str, close: Callable[[], Awaitable[object] | object]) -> None:
    try:
        with anyio.fail_after(CLOSE_TIMEOUT):
            answer = close()
            if inspect.isawaitable(answer):
                await answer
    except Exception as error:
        logger.error("closing %s failed: %s", name, error or type(error).__name__)
        raise
