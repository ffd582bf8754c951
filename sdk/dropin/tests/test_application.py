"""The application around the routes: what is better than in the package whose place this takes, at the same answers."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from conftest import MakeSettings, application
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry

import auth_sdk_m8.observability
from auth_sdk_m8.observability import metrics
from fastapi_m8 import AppLifecycle, HealthCheckResult, HealthConfig, HealthStatus, create_app
from fastapi_m8._health import run_check

pytestmark = pytest.mark.anyio
ORIGIN = {"Origin": "http://localhost:5173"}


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    """Series of this test alone."""
    with pytest.MonkeyPatch.context() as patch:
        fresh = CollectorRegistry()
        patch.setattr(metrics, "REGISTRY", fresh)
        yield fresh
    metrics.setup(enabled=False, groups_str="all", api_prefix="/")


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


async def test_an_unhandled_error_carries_headers_and_is_counted(
    make_settings: MakeSettings, registry: CollectorRegistry
) -> None:
    app, _ = application(make_settings(ENVIRONMENT="production", METRICS_ENABLED=True))
    async with running(app) as http:
        answer = await http.get("/broken", headers=ORIGIN)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert answer.headers["x-frame-options"] == "DENY"
    counted = {"method": "GET", "endpoint": "/broken", "status_code": "500"}
    assert registry.get_sample_value("items_http_requests_total", counted) == 1


def test_an_unhandled_error_reaches_the_server_that_logs_it(make_settings: MakeSettings) -> None:
    app, _ = application(make_settings())
    with pytest.raises(RuntimeError, match="broken"):
        TestClient(app).get("/broken")


@pytest.mark.parametrize("kind", [Exception, 500])
async def test_a_handler_of_the_service_answers_its_errors_once(
    make_settings: MakeSettings, kind: type[Exception] | int
) -> None:
    app, _ = application(make_settings())
    asked: list[str] = []

    async def handle(request: Request, error: Exception) -> JSONResponse:
        asked.append(request.url.path)
        return JSONResponse({"said": str(error)}, 500)

    app.add_exception_handler(kind, handle)
    async with running(app) as http:
        answer = await http.get("/broken", headers=ORIGIN)
    assert (answer.status_code, answer.json()) == (500, {"said": "broken"})
    assert "access-control-allow-origin" in answer.headers
    # Once, though the error goes on to the server.
    assert asked == ["/broken"]


async def test_scanning_makes_one_series_and_not_one_a_path(
    make_settings: MakeSettings, registry: CollectorRegistry
) -> None:
    router = APIRouter()
    router.add_api_route("/things/{name}/{number}", lambda name, number: None)
    app = create_app(make_settings(METRICS_ENABLED=True, METRICS_GROUPS="traffic"), router)
    async with running(app) as http:
        for number in range(50):
            await http.get(f"/nowhere/{number}-x.php")
            await http.request(f"METHOD{number}", "/nowhere")
            await http.get(f"/things/red-{number}/{number}")
    [family] = registry.collect()
    seen = {
        (sample.labels["method"], sample.labels["endpoint"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    unknown = "{unmatched}"
    assert seen == {("GET", unknown): 50, ("OTHER", unknown): 50, ("GET", "/things/{id}/{id}"): 50}


def test_a_second_application_with_the_same_prefix_counts_in_the_same_series(
    make_settings: MakeSettings, registry: CollectorRegistry
) -> None:
    for _ in range(2):
        application(make_settings(METRICS_ENABLED=True))


async def test_all_who_ask_for_health_at_once_cost_one_run(make_settings: MakeSettings) -> None:
    runs = 0

    async def counted() -> HealthCheckResult:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)
        return HealthCheckResult(name="counted", status=HealthStatus.OK)

    app = create_app(make_settings(), APIRouter(), health=HealthConfig(checks=[counted], cache_ttl=0))
    async with running(app) as http:
        answers = await asyncio.gather(*(http.get("/items/health/") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert runs <= 2


async def test_a_check_that_blocks_does_not_outlast_its_time(make_settings: MakeSettings) -> None:
    release = threading.Event()

    def blocking() -> HealthCheckResult:
        release.wait(30)
        return HealthCheckResult(name="blocking", status=HealthStatus.OK)

    began = time.monotonic()
    result = await run_check(blocking, 0.05)
    release.set()
    assert (result.status, result.error) == (HealthStatus.FAIL, "timeout 50ms")
    assert time.monotonic() - began < 20


def test_secrets_are_hidden_at_any_depth() -> None:
    result = HealthCheckResult(
        name="all",
        status=HealthStatus.OK,
        error="redis://:hidden@cache refused",
        meta={"nodes": [{"password": "hidden"}], "url": "redis://:hidden@cache"},
    )
    assert "hidden" not in result.model_dump_json()


async def test_everything_is_closed_even_if_something_fails_at_the_end(make_settings: MakeSettings) -> None:
    closed: list[str] = []

    class Thing:
        def __init__(self, name: str) -> None:
            self.name = name

        def dispose(self) -> None:
            closed.append(self.name)

        async def close(self) -> None:
            closed.append(self.name)
            raise RuntimeError("can't be closed")

    @asynccontextmanager
    async def extras(app: FastAPI) -> AsyncIterator[None]:
        yield
        raise RuntimeError("extras")

    held: dict[str, Any] = {"auth_deps": Thing("auth"), "db_engine": Thing("engine")}
    app = create_app(make_settings(), APIRouter(), lifecycle=AppLifecycle(**held, lifespan_extras=extras))
    with pytest.raises(RuntimeError):
        async with app.router.lifespan_context(app):
            pass
    assert closed == ["auth", "engine"]


async def test_everything_is_closed_when_the_start_fails(make_settings: MakeSettings) -> None:
    closed: list[str] = []

    class Engine:
        def dispose(self) -> None:
            closed.append("engine")

    async def invalid() -> None:
        raise RuntimeError("invalid")

    held: dict[str, Any] = {"db_engine": Engine(), "startup_validators": [invalid]}
    app = create_app(make_settings(), APIRouter(), lifecycle=AppLifecycle(**held))
    with pytest.raises(RuntimeError, match="invalid"):
        async with app.router.lifespan_context(app):
            pass
    assert closed == ["engine"]
    assert app.state.service_ready is False


def test_the_test_client_reaches_a_service_with_hosts_of_its_own(make_settings: MakeSettings) -> None:
    app, _ = application(make_settings(ALLOWED_HOSTS=["api.example.com"]))
    with TestClient(app) as http:
        assert http.get("/items/health/").json() == {"status": "ok"}
        assert http.get("/items/health/", headers={"Host": "evil.example.com"}).status_code == 400


def test_metrics_without_their_extra_say_what_to_install(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("metrics", "middleware"):
        monkeypatch.delitem(sys.modules, f"auth_sdk_m8.observability.{module}", raising=False)
        monkeypatch.delattr(auth_sdk_m8.observability, module, raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(RuntimeError, match="vestibule-dropin\\[metrics\\]"):
        application(make_settings(METRICS_ENABLED=True))
