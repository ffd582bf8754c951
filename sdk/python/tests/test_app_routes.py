"""Routes of the kit beside those of the service: neither in the way of the other."""

from __future__ import annotations

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from kit_help import AppLifecycle, service, serving
from starlette.routing import Match, NoMatchFound, Route

from vestibule.service.fixed_routes import FixedRoutes

pytestmark = pytest.mark.anyio
OWN = ("/livez", "/readyz", "/items/v1/livez", "/items/v1/readyz", "/items/v1/health/", "/items/v1/docs", "/metrics")


def catching_all() -> APIRouter:
    router = APIRouter()

    @router.get("/{path:path}")
    async def page(path: str) -> str:
        return "page"

    return router


async def test_a_route_that_takes_every_path_does_not_take_those_of_the_kit() -> None:
    async with serving(service(catching_all(), METRICS_ENABLED=True)) as client:
        for path in OWN:
            assert (await client.get(path)).text != '"page"', path
        assert (await client.get("/anything")).text == '"page"'


async def test_neither_does_one_that_is_added_later() -> None:
    router = APIRouter()
    app = service(router, METRICS_ENABLED=True)
    app.include_router(catching_all())
    async with serving(app) as client:
        for path in OWN:
            assert (await client.get(path)).text != '"page"', path


async def test_what_is_mounted_at_the_root_does_not_either() -> None:
    def configure(app: FastAPI) -> None:
        app.mount("/", FastAPI())

    async with serving(service(lifecycle=AppLifecycle(configure=configure))) as client:
        assert (await client.get("/livez")).status_code == 200


async def test_slashes_methods_and_names_work_as_with_any_route() -> None:
    app = service(METRICS_ENABLED=True)
    async with serving(app) as client:
        assert (await client.get("/items/v1/health")).status_code == 307
        assert (await client.post("/livez")).status_code == 405
        assert (await client.get("/livez/more")).status_code == 404
    assert str(app.url_path_for("swagger_ui_html")) == "/items/v1/docs"
    with pytest.raises(NoMatchFound):
        app.url_path_for("nothing")


async def test_a_proxy_may_take_a_path_away() -> None:
    transport = httpx.ASGITransport(service(), root_path="/svc")
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        assert (await client.get("/svc/livez")).status_code == 200


def test_a_websocket_is_none_of_them() -> None:
    routes = FixedRoutes([Route("/livez", lambda request: None)])
    assert routes.matches({"type": "websocket", "path": "/livez", "headers": []})[0] is Match.NONE
