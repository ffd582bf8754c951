"""The application of a service: everything around its routes."""

from __future__ import annotations

import hmac
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from vestibule.service import public
from vestibule.service.lifespan import AppLifecycle, service_lifespan

import auth_sdk_m8
from auth_sdk_m8.security.headers import add_security_headers_middleware
from fastapi_m8._compat import _assert_compat
from fastapi_m8._errors import Application, PlainErrors
from fastapi_m8._health import DEFAULT_TIMEOUT, HealthAggregatePolicy, HealthBoard, HealthStatus
from fastapi_m8._version import __version__

if TYPE_CHECKING:
    from fastapi_m8.config import ConsumerServiceSettings

__all__ = ["AppLifecycle", "HealthConfig", "create_app"]

logger = logging.getLogger(__name__)

_CORS_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_CORS_HEADERS = ["Authorization", "Content-Type", "X-Requested-With"]

DetailAuthorizer = Callable[[Request], bool | Awaitable[bool]]


@dataclass
class HealthConfig:
    """What is asked about health, and who sees how much of it.

    Attributes:
        checks: What is asked.
        timeout: Seconds that each check has.
        policy: What something unknown counts for.
        detail_public: Whether everybody sees what each check found.
        detail_authorizer: Decides who else does, instead of the shared secret.
        cache_ttl: Seconds for which results are kept.
    """

    checks: Sequence[Any] | None = None
    timeout: float = DEFAULT_TIMEOUT
    policy: HealthAggregatePolicy = HealthAggregatePolicy.LENIENT
    detail_public: bool = False
    detail_authorizer: DetailAuthorizer | None = None
    cache_ttl: float = 2.0


def create_app(
    settings: ConsumerServiceSettings,
    router: APIRouter,
    *,
    service_name: str | None = None,
    service_version: str | None = None,
    health: HealthConfig | None = None,
    lifecycle: AppLifecycle | None = None,
) -> FastAPI:
    """The application with documentation, CORS, hosts, headers, metrics and health as the settings say.

    Args:
        settings: A `ConsumerServiceSettings`.
        router: The routes of the service; they get no prefix.
        service_name: Its name in the documentation and in the details of health.
        service_version: Its version there.
        health: What is asked about health.
        lifecycle: What is started, closed and configured.

    Raises:
        RuntimeError: `auth_sdk_m8` is of a version that doesn't fit, or metrics are on and their extra is missing.
    """
    _assert_compat()
    lifecycle = lifecycle or AppLifecycle()
    app = Application(
        title=service_name or settings.PROJECT_NAME,
        version=service_version or "0.0.0",
        openapi_url=f"{settings.API_PREFIX}/openapi.json" if settings.effective_set_open_api else None,
        docs_url=f"{settings.API_PREFIX}/docs" if settings.effective_set_docs else None,
        redoc_url=f"{settings.API_PREFIX}/redoc" if settings.effective_set_redoc else None,
        generate_unique_id_function=_operation_id,
        lifespan=_lifespan(lifecycle),
    )
    app.state.service_ready = False
    app.state.ready_since = None
    app.state.health_cache = None
    _add_layers(app, settings)
    _add_health(app, settings, health or HealthConfig(), service_name, service_version)
    app.include_router(router)
    logger.info("service %s %s on the names of fastapi-m8 %s", service_name, service_version, __version__)
    if lifecycle.configure is not None:
        lifecycle.configure(app)
    return app


def _operation_id(route: APIRoute) -> str:
    return f"{route.tags[0] if route.tags else route.name}-{route.name}"


def _lifespan(lifecycle: AppLifecycle) -> Callable[[FastAPI], Any]:
    around = service_lifespan(lifecycle)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with around(app):
            app.state.service_ready = True
            app.state.ready_since = time.monotonic()
            yield

    return lifespan


def _add_layers(app: FastAPI, settings: ConsumerServiceSettings) -> None:
    """Innermost first."""
    app.add_middleware(PlainErrors)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.ALLOWED_ORIGINS,
        allow_credentials=True,
        allow_methods=_CORS_METHODS,
        allow_headers=_CORS_HEADERS,
        max_age=3600,
    )
    if settings.ALLOWED_HOSTS:
        hosts = list(settings.ALLOWED_HOSTS)
        if settings.ENVIRONMENT != "production" and not settings.STRICT_PRODUCTION_MODE:
            # What the test client calls itself.
            hosts.append("testserver")
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    add_security_headers_middleware(app, settings)
    if settings.METRICS_ENABLED:
        try:
            from auth_sdk_m8.observability import metrics, middleware
        except ImportError as error:
            raise RuntimeError("METRICS_ENABLED=true needs pip install 'vestibule-dropin[metrics]'") from error
        metrics.setup(enabled=True, groups_str=settings.METRICS_GROUPS, api_prefix=settings.API_PREFIX)
        app.add_middleware(middleware.MetricsMiddleware)


def _by_secret(settings: ConsumerServiceSettings) -> DetailAuthorizer:
    secret = settings.PRIVATE_API_SECRET.get_secret_value().encode() if settings.PRIVATE_API_SECRET else b""

    def authorize(request: Request) -> bool:
        sent = request.headers.get("X-Internal-Token", "").encode("latin-1")
        return bool(secret) and hmac.compare_digest(sent, secret)

    return authorize


async def _may_see(authorize: DetailAuthorizer, request: Request) -> bool:
    answer = authorize(request)
    return bool(await answer) if inspect.isawaitable(answer) else bool(answer)


def _add_health(
    app: FastAPI,
    settings: ConsumerServiceSettings,
    config: HealthConfig,
    service_name: str | None,
    service_version: str | None,
) -> None:
    board = HealthBoard(config.checks or (), timeout=config.timeout, policy=config.policy, cache_ttl=config.cache_ttl)
    authorize = config.detail_authorizer or _by_secret(settings)

    @app.get(f"{settings.API_PREFIX}/health/", include_in_schema=False)
    @public
    async def health(request: Request) -> JSONResponse:
        if not app.state.service_ready:
            return JSONResponse({"status": "initializing", "ready": False}, 503)
        results, status = await board.ask()
        app.state.health_cache = results
        body: dict[str, Any] = {"status": status.value}
        if config.detail_public or await _may_see(authorize, request):
            body |= {
                "checks": [result.model_dump(mode="json") for result in results],
                "service": service_name,
                "version": service_version,
                "fastapi_m8": __version__,
                "auth_sdk_m8": auth_sdk_m8.__version__,
            }
        return JSONResponse(body, 503 if status is HealthStatus.FAIL else 200)
