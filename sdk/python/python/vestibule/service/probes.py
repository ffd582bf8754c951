"""The paths at which others ask how the service is: health, `/livez`, `/readyz`, `/metrics`."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import anyio
import anyio.to_thread
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vestibule import __version__
from vestibule.service.health import HealthCheck, HealthConfig, HealthReport, HealthRunner, HealthStatus, authorized
from vestibule.service.marks import guard, public
from vestibule.service.metrics import Metrics
from vestibule.service.options import AppOptions
from vestibule.service.state import ServiceState

METRICS_PATH = "/metrics"


def probe_paths(options: AppOptions) -> frozenset[str]:
    """The paths that answer under any host name: probes and scrapers call by address."""
    return frozenset({"/livez", "/readyz", METRICS_PATH, f"{options.prefix}/livez", f"{options.prefix}/readyz"})


class Probes:
    """Answers questions about health.

    Args:
        checks: What is asked.
        config: How, and who sees how much.
        options: Names, prefix and the credential for details.
        state: Whether the service is ready.
    """

    def __init__(
        self, checks: Sequence[HealthCheck], config: HealthConfig, options: AppOptions, state: ServiceState
    ) -> None:
        self._config = config
        self._options = options
        self._state = state
        self.runner = HealthRunner(checks, config)

    def add_to(self, app: FastAPI) -> None:
        """Adds the routes; they are in no OpenAPI document."""
        prefix = self._options.prefix
        add = app.router.add_route
        add(f"{prefix}/health/", public(self.health), include_in_schema=False)
        for at in dict.fromkeys(("", prefix)):
            add(f"{at}/livez", public(self.livez), include_in_schema=False)
            add(f"{at}/readyz", public(self.readyz), include_in_schema=False)

    async def health(self, request: Request) -> Response:
        """The sum of all checks; what each found for those who may see it. 503 when the sum is `fail`."""
        if self._state.ready_since is None:
            return _said({"status": "initializing", "ready": False}, 503)
        trusted = await self._may_see_details(request)
        report = await self.runner.report(trusted=trusted)
        body: dict[str, object] = {"status": report.status.value}
        if trusted or self._config.detail_public:
            body |= self._details(report)
        return _said(body, report.http_status)

    async def livez(self, request: Request) -> Response:
        """The process answers. No check is run: a restart mends no database."""
        return _said({"status": "ok"}, 200)

    async def readyz(self, request: Request) -> Response:
        """Whether requests should be sent here: started, not told to stop, and no check failed."""
        if self._state.draining:
            return _said({"status": "draining"}, 503)
        if not self._state.ready:
            return _said({"status": "initializing"}, 503)
        report = await self.runner.report()
        return _said({"status": report.status.value}, report.http_status)

    async def _may_see_details(self, request: Request) -> bool:
        if self._config.detail_authorizer is not None:
            return await authorized(self._config.detail_authorizer, request)
        return has_credential(request, self._options.detail_credential)

    def _details(self, report: HealthReport) -> dict[str, object]:
        return {
            "checks": [result.shown() for result in report.results],
            "service": self._options.title,
            "version": self._options.version,
            "vestibule": __version__,
        }


def has_credential(request: Request, credential: bytes | None) -> bool:
    """Whether the request shows `credential`, in `X-Internal-Token` or as a Bearer token; compared in constant time.

    Without a credential nobody has it. Header values are compared as the bytes they are, so strange ones are merely
    wrong.
    """
    if not credential:
        return False
    right = False
    for name, value in request.scope["headers"]:
        if name == b"x-internal-token":
            right |= hmac.compare_digest(value, credential)
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            right |= hmac.compare_digest(value[7:], credential)
    return right


def add_metrics(app: FastAPI, metrics: Metrics, credential: bytes | None) -> None:
    """Adds `/metrics`, for everybody or for those with the credential."""

    # A place of its own: when all threads of the service hang, this is how one finds out.
    limiter = anyio.CapacityLimiter(2)

    async def scrape(request: Request) -> Response:
        if credential is not None and not has_credential(request, credential):
            return JSONResponse(
                {"detail": "Not authenticated"}, 401, headers={"www-authenticate": 'Bearer realm="metrics"'}
            )
        # Putting it into words takes milliseconds, which are not the event loop's.
        accept = request.headers.get("accept", "")
        text, content_type = await anyio.to_thread.run_sync(metrics.render, accept, limiter=limiter)
        return Response(text, headers={"content-type": content_type, "cache-control": "no-store"})

    marked = public(scrape) if credential is None else guard("scrape credential")(scrape)
    app.router.add_route(METRICS_PATH, marked, include_in_schema=False)


def _said(body: dict[str, object], status: int) -> Response:
    return JSONResponse(body, status, headers={"cache-control": "no-store"})


__all__ = ["METRICS_PATH", "HealthStatus", "Probes", "add_metrics", "has_credential", "probe_paths"]
