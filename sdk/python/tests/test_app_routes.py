"""Routes of the kit beside those of the service: neither in the way of the other."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from kit_help import AppLifecycle, service, serving

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


async def test_requests_of_the_service_are_not_held_against_the_kits_routes_first() -> None:
    router = APIRouter()

    @router.get("/thing")
    async def thing() -> str:
        return "thing"

    app = service(router, METRICS_ENABLED=True)
    paths = [getattr(route, "path", None) for route in app.router.routes]
    assert paths[0] not in OWN
    assert paths[-1] in OWN
    async with serving(app) as client:
        assert (await client.get("/thing")).json() == "thing"
