"""Makes the app of a service: one call wires everything around the routes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp

from vestibule.errors import ConfigurationError
from vestibule.service.auth import unresolved_annotations
from vestibule.service.checks import enforce_settings
from vestibule.service.checks_builtin import database_check, identity_check
from vestibule.service.compatibility import check_compatibility
from vestibule.service.cross_origin import CrossOrigin
from vestibule.service.documentation import allow_pages, documentation_urls, duplicate_operations, operation_id
from vestibule.service.envelope import Envelope, gone, unhandled
from vestibule.service.fixed_routes import FixedRoutes
from vestibule.service.headers import security_headers
from vestibule.service.health import HealthCheck, HealthConfig
from vestibule.service.hosts import TrustedHosts
from vestibule.service.lifespan import AppLifecycle, Lifespan, ready_lifespan, service_lifespan
from vestibule.service.metrics import Metrics, metric_groups, metric_prefix
from vestibule.service.options import AppOptions
from vestibule.service.probes import Probes, add_metrics, probe_paths
from vestibule.service.routes import contexts, threaded
from vestibule.service.state import ServiceState

logger = logging.getLogger("vestibule.service")

_REFRESH_SECONDS = 5.0


class Service(FastAPI):
    """A FastAPI app with an envelope around it, outside of everything else, so that no answer escapes it.

    Attributes:
        envelope: Makes the envelope around what FastAPI builds.
    """

    envelope: Any = None

    def build_middleware_stack(self) -> ASGIApp:
        """What FastAPI builds, in its envelope."""
        stack = super().build_middleware_stack()
        return stack if self.envelope is None else self.envelope(stack)


def create_app(
    settings: object,
    router: APIRouter,
    *,
    service_name: str | None = None,
    service_version: str | None = None,
    health: HealthConfig | None = None,
    lifecycle: AppLifecycle | None = None,
) -> FastAPI:
    """Makes the app of a service: your routes, and everything around them.

    Args:
        settings: A `ServiceSettings`, or an object with attributes of the same names.
        router: The routes. They are served as they are, without `API_PREFIX`.
        service_name: What the API is called; `PROJECT_NAME` otherwise.
        service_version: Its version; `SERVICE_VERSION` otherwise, or `0.0.0`.
        health: How health is found out; otherwise by the checks of what `lifecycle` holds.
        lifecycle: What the app holds and does besides answering.

    Raises:
        RuntimeError: FastAPI, Starlette or pydantic are of versions that can't work.
        ConfigurationError: The settings demand what is not installed, or annotations of a route can't be resolved.
    """
    check_compatibility()
    options = AppOptions.read(settings, service_name=service_name, service_version=service_version)
    lifecycle = lifecycle or AppLifecycle()
    health = health or HealthConfig()
    state = ServiceState()

    app = Service(
        title=options.title,
        version=options.version,
        lifespan=service_lifespan(lifecycle, checks=[lambda: enforce_settings(settings, logger)]),
        generate_unique_id_function=operation_id,
        **documentation_urls(settings, options),  # type: ignore[arg-type]
    )
    app.state.service_ready, app.state.ready_since = False, None
    app.state.db_engine = lifecycle.db_engine  # where pre-start looks for it
    app.add_exception_handler(Exception, unhandled)
    app.add_exception_handler(ClientDisconnect, gone)

    checks = builtin_checks(lifecycle) if health.checks is None else health.checks
    Probes(checks, health, options, state).add_to(app)
    metrics = _metrics(options, lifecycle)
    if metrics is not None:
        app.state.metrics = metrics
        add_metrics(app, metrics, options.scrape_credential)
        metrics.watch(app)
    own = [route for route in app.router.routes if isinstance(route, Route)]
    headers = security_headers(settings, options)
    if any(name == b"content-security-policy" for name, _ in headers):
        own = allow_pages(app, own)
    app.router.routes[:] = [FixedRoutes(own)]
    app.include_router(router)
    hosts = TrustedHosts(options.hosts, probe_paths(options)) if options.hosts else None
    cross_origin = CrossOrigin(options.origins, options.extra_headers) if options.origins else None
    app.envelope = lambda inner: Envelope(
        inner, state=state, headers=headers, hosts=hosts, cross_origin=cross_origin, metrics=metrics
    )
    if lifecycle.configure is not None:
        lifecycle.configure(app)
    if unresolved := unresolved_annotations(getattr(at, "original_route", at) for at in contexts(app.routes)):
        raise ConfigurationError("\n".join(unresolved))

    # Included routers have put their lifespans into the app's by now; ready is what comes after all of them.
    inner = app.router.lifespan_context
    if metrics is not None and metrics.shared:
        inner = _refreshing(inner, metrics)
    app.router.lifespan_context = ready_lifespan(inner, state, drain_seconds=options.drain_seconds)
    for id_ in duplicate_operations(app):
        logger.warning("several routes have the operation id %s: generated clients will have only one of them", id_)
    logger.info("%s %s, environment %s, prefix %r", options.title, options.version, options.environment, options.prefix)
    return app


def create_async_app(
    settings: object,
    router: APIRouter,
    *,
    service_name: str | None = None,
    service_version: str | None = None,
    health: HealthConfig | None = None,
    lifecycle: AppLifecycle | None = None,
) -> FastAPI:
    """`create_app` for a service that does everything in the event loop.

    The difference: the database engine is an asynchronous one. If the lifecycle has none and the settings name a
    database, one is made, at `app.state.db_engine`. Routes and dependencies that would run in threads after all (a
    plain `def`) are told in the log, each by its name, since one of them in front of a fast route costs more than
    everything else around it.

    Raises:
        ConfigurationError: The lifecycle holds an engine that blocks; and as `create_app`.
    """
    lifecycle = lifecycle or AppLifecycle()
    engine = lifecycle.db_engine
    if engine is not None and not getattr(engine, "is_async", False):
        raise ConfigurationError(
            "create_async_app was given an engine that blocks the event loop: make it by create_async_db_engine"
        )
    if engine is None and has_database(settings):
        from vestibule.service.engine import create_async_db_engine

        lifecycle = replace(lifecycle, db_engine=create_async_db_engine(settings))
    app = create_app(
        settings,
        router,
        service_name=service_name,
        service_version=service_version,
        health=health,
        lifecycle=lifecycle,
    )
    for path, name in threaded(app):
        logger.warning("%s: %s is a plain def and runs in a thread; make it async def", path, name)
    return app


def has_database(settings: object) -> bool:
    """Whether the settings name a database."""
    return bool(getattr(settings, "SQLALCHEMY_DATABASE_URI", None))


def builtin_checks(lifecycle: AppLifecycle) -> Sequence[HealthCheck]:
    """The checks of what a lifecycle holds."""
    checks = []
    if hasattr(lifecycle.db_engine, "ping"):
        checks.append(database_check(lifecycle.db_engine))
    if hasattr(lifecycle.auth_deps, "statistics"):
        checks.append(identity_check(lifecycle.auth_deps))
    return checks


def _metrics(options: AppOptions, lifecycle: AppLifecycle) -> Metrics | None:
    if not options.metrics:
        return None
    if options.strict and options.scrape_credential is None:
        logger.warning("anybody who reaches /metrics can read it: METRICS_SCRAPE_CREDENTIAL is not set")
    return Metrics(
        prefix=metric_prefix(options.prefix),
        groups=metric_groups(options.metric_groups),
        identity=getattr(lifecycle.auth_deps, "statistics", None),
    )


def _refreshing(inner: Lifespan, metrics: Metrics) -> Lifespan:
    """Where processes share metrics, each writes the numbers of its identity client now and then, not only when
    asked.
    """

    async def refresh() -> None:
        while True:
            metrics.refresh()
            await asyncio.sleep(_REFRESH_SECONDS)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        async with inner(app) as given:
            metrics.join()
            task = asyncio.create_task(refresh())
            try:
                yield given
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                metrics.leave()

    return lifespan
