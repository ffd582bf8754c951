"""Services for tests of the kit, and ways to talk to them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI
from settings_help import MINIMAL

from vestibule.service import AppLifecycle, HealthConfig, ServiceSettings, create_app

ORIGIN = "https://app.example.com"
PRODUCTION: dict[str, Any] = {
    **MINIMAL,
    "ENVIRONMENT": "production",
    "TOKEN_ISSUER": "https://id.example.com",
    "FRONTEND_HOST": ORIGIN,
    "ALLOWED_HOSTS": ["items.example.com"],
    "DRAIN_SECONDS": 0,
}
LOCAL: dict[str, Any] = {
    **MINIMAL,
    "API_PREFIX": "/items/v1",
    "BACKEND_CORS_ORIGINS": [ORIGIN],
    "PROJECT_NAME": "items",
}


def settings(**values: Any) -> ServiceSettings:
    """Settings of a service on a developer's machine."""
    return ServiceSettings(**{**LOCAL, **values})


def service(router: APIRouter | None = None, /, **given: Any) -> FastAPI:
    """A service; lower-case arguments are those of `create_app`, others are settings."""
    arguments = {name: value for name, value in given.items() if name.islower()}
    values = {name: value for name, value in given.items() if not name.islower()}
    return create_app(settings(**values), router or APIRouter(), **arguments)


def with_checks(*checks: Any, **config: Any) -> FastAPI:
    """A service with these health checks and nothing else."""
    return service(health=HealthConfig(checks=list(checks), **config))


@asynccontextmanager
async def serving(app: FastAPI, host: str = "testserver") -> AsyncIterator[httpx.AsyncClient]:
    """Starts the service, gives a client, and stops the service."""
    async with app.router.lifespan_context(app), calling(app, host) as client:
        yield client


def calling(app: Any, host: str = "testserver") -> httpx.AsyncClient:
    """A client of an app that nobody starts."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}")


@contextmanager
def log_of(name: str = "vestibule.service") -> Iterator[list[logging.LogRecord]]:
    """What is logged meanwhile."""
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, keeper = logging.getLogger(name), Keeper(logging.DEBUG)
    level = logger.level
    logger.addHandler(keeper)
    logger.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        logger.removeHandler(keeper)
        logger.setLevel(level)


class Held:
    """Something with an end, which notes its name in a list when it is closed."""

    def __init__(self, name: str, ends: list[str], error: Exception | None = None) -> None:
        self.name, self.ends, self.error = name, ends, error

    async def close(self) -> None:
        """Ends it as an identity client does."""
        self.dispose()

    def dispose(self) -> None:
        """Ends it as a database engine does."""
        self.ends.append(self.name)
        if self.error is not None:
            raise self.error


__all__ = ["AppLifecycle", "HealthConfig", "Held", "calling", "log_of", "service", "serving", "settings", "with_checks"]
