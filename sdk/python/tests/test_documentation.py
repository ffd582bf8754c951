"""Whether an API shows its documentation, and that the pages work where they are shown."""

from __future__ import annotations

import base64
import hashlib
import re
from enum import Enum

import pytest
from fastapi import APIRouter, FastAPI
from kit_help import ORIGIN, calling, log_of, service

from vestibule.service.documentation import duplicate_operations

pytestmark = pytest.mark.anyio
PAGES = ("/items/v1/openapi.json", "/items/v1/docs", "/items/v1/redoc")


async def shown(app: FastAPI) -> list[bool]:
    async with calling(app) as client:
        return [(await client.get(path)).status_code == 200 for path in PAGES]


@pytest.mark.parametrize("serve", [False, True])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("environment", ["local", "development", "staging", "production"])
async def test_documentation_is_off_in_production_unless_it_is_wanted(
    environment: str, strict: bool, serve: bool
) -> None:
    app = service(ENVIRONMENT=environment, STRICT_PRODUCTION_MODE=strict, SERVE_DOCS_IN_PRODUCTION=serve)
    gated = (environment == "production" or strict) and not serve
    assert await shown(app) == [not gated] * 3


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({"SET_OPEN_API": False}, [False, False, False]),
        ({"SET_DOCS": False}, [True, False, True]),
        ({"SET_REDOC": False}, [True, True, False]),
    ],
)
async def test_each_page_has_its_switch_and_needs_the_document(switches: dict[str, bool], expected: list[bool]) -> None:
    assert await shown(service(**switches)) == expected


async def test_pages_may_load_what_they_need_under_a_strict_policy() -> None:
    app = service(ENVIRONMENT="production", SERVE_DOCS_IN_PRODUCTION=True, FRONTEND_HOST=ORIGIN)
    async with calling(app) as client:
        for path in PAGES[1:]:
            page = await client.get(path)
            policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
            for source in re.findall(r'src="(https://[^/"]+)', page.text):
                assert source in policy["script-src"] or source in policy["img-src"], path
            for script in re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL):
                digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
                assert f"'sha256-{digest}'" in policy["script-src"]
            assert "unsafe-inline" not in policy["script-src"]
            assert policy["connect-src"] == "'self'"
        document = await client.get(PAGES[0])
    assert document.headers["content-security-policy"].startswith("default-src 'none'; frame-ancestors")


async def test_the_title_and_version_are_those_of_the_service() -> None:
    async with calling(service(service_name="Items of all kinds", service_version="1.2.3")) as client:
        info = (await client.get(PAGES[0])).json()["info"]
    assert info == {"title": "Items of all kinds", "version": "1.2.3"}
    async with calling(service(SERVICE_VERSION="4.5.6")) as client:
        assert (await client.get(PAGES[0])).json()["info"] == {"title": "items", "version": "4.5.6"}


def test_operations_are_called_by_their_first_tag_and_name() -> None:
    class Tag(Enum):
        THINGS = "things"

    routes = APIRouter()

    @routes.get("/a", tags=["items", "other"])
    async def listed() -> None: ...

    @routes.get("/b")
    async def untagged() -> None: ...

    @routes.get("/c", tags=[Tag.THINGS])
    async def counted() -> None: ...

    paths = service(routes).openapi()["paths"]
    assert [paths[path]["get"]["operationId"] for path in ("/a", "/b", "/c")] == [
        "items-listed",
        "untagged-untagged",
        "things-counted",
    ]


def test_operations_of_the_same_id_are_warned_of() -> None:
    routes = APIRouter(tags=["items"])

    async def read() -> None: ...

    routes.add_api_route("/one", read)
    routes.add_api_route("/two", read)
    routes.add_api_route("/hidden", read, include_in_schema=False)
    with log_of() as records:
        app = service(routes)
    assert duplicate_operations(app) == ["items-read"]
    assert [record for record in records if "items-read" in record.getMessage()]


def test_what_the_kit_adds_is_in_no_document() -> None:
    assert service(METRICS_ENABLED=True).openapi()["paths"] == {}
