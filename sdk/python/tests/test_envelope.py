"""What every answer of a service carries, and what nothing is done to."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, Request, Response, WebSocket
from fastapi.responses import StreamingResponse
from kit_help import ORIGIN, PRODUCTION, calling, log_of, service, serving
from starlette.testclient import TestClient

from vestibule.service import AppLifecycle, RequestIdFilter, create_app, request_id
from vestibule.service.cross_origin import CrossOrigin
from vestibule.service.hosts import TrustedHosts
from vestibule.service.request_ids import accept
from vestibule.service.settings import ServiceSettings

pytestmark = pytest.mark.anyio
router = APIRouter()
SAW: dict[str, Any] = {}


@router.get("/fine")
async def fine(request: Request) -> dict[str, Any]:
    return {"id": request_id(), "state": request.state.request_id}


@router.get("/broken")
async def broken() -> None:
    raise ValueError("the reason, for the log only")


@router.get("/broken-later")
async def broken_later() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise ValueError("after the start")

    return StreamingResponse(parts())


@router.get("/own-headers")
async def own_headers() -> Response:
    own = {
        "x-frame-options": "SAMEORIGIN",
        "x-content-type-options": "sniff-away",
        "x-request-id": "mine",
        "vary": "Accept",
    }
    return Response("page", headers=own)


@router.get("/background")
async def background(tasks: BackgroundTasks) -> str:
    async def fail() -> None:
        raise ValueError("in the background")

    tasks.add_task(fail)
    return "answered"


@router.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    SAW["id"] = request_id()
    await socket.send_text(await socket.receive_text())
    await socket.close()


class Failing:
    """A middleware that fails."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("in a middleware")


def production(**given: Any) -> FastAPI:
    return create_app(ServiceSettings(**{**PRODUCTION, **given}), router)


async def test_an_unhandled_error_carries_cors_and_security_headers_and_is_counted() -> None:
    app = production(METRICS_ENABLED=True)
    async with serving(app, "items.example.com") as client:
        with log_of():
            answer = await client.get("/broken", headers={"origin": ORIGIN, "x-request-id": "abc-1"})
        metrics = (await client.get("/metrics")).text
    assert answer.status_code == 500
    assert answer.json() == {"detail": "Internal Server Error", "request_id": "abc-1"}
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert 'http_requests_total{endpoint="/broken",method="GET",status_code="500"} 1.0' in metrics
    assert 'http_errors_total{endpoint="/broken",method="GET",status_class="5xx"} 1.0' in metrics


async def test_the_traceback_of_an_unhandled_error_is_logged_once_with_the_request_id() -> None:
    async with serving(service(router)) as client:
        with log_of("vestibule.service") as records:
            answer = await client.get("/broken")
    traced = [record for record in records if record.exc_info]
    assert len(traced) == 1
    assert answer.headers["x-request-id"] in traced[0].getMessage()
    assert "the reason" not in answer.text


async def test_an_error_after_the_answer_began_closes_the_connection_and_is_counted() -> None:
    app = service(router, METRICS_ENABLED=True)
    async with serving(app) as client:
        with (
            log_of() as records,
            pytest.raises(Exception, match=r"after the start|TaskGroup"),
        ):  # grouped by some Starlettes
            await client.get("/broken-later")
        metrics = (await client.get("/metrics")).text
    assert 'items_v1_http_responses_broken_total{endpoint="/broken-later",method="GET"} 1.0' in metrics
    # The server logs the traceback of what is raised through it, so here it is not logged.
    assert [record.exc_info for record in records if record.levelname == "ERROR"] == [None]


async def test_a_failing_background_task_is_logged_and_harms_no_answer() -> None:
    async with serving(service(router)) as client:
        with log_of() as records:
            answer = await client.get("/background")
    assert (answer.status_code, answer.json()) == (200, "answered")
    assert len([record for record in records if record.exc_info]) == 1


async def test_a_handler_of_the_services_own_for_all_errors_is_asked() -> None:
    async def mine(request: Request, error: Exception) -> Response:
        return Response(f"sorry: {type(error).__name__}", 500)

    app = service(router, lifecycle=AppLifecycle(configure=lambda app: app.add_exception_handler(Exception, mine)))
    async with serving(app) as client:
        with log_of():
            answer = await client.get("/broken", headers={"origin": ORIGIN})
    assert answer.text == "sorry: ValueError"
    assert answer.headers["access-control-allow-origin"] == ORIGIN


async def test_an_error_of_a_middleware_the_service_added_is_answered_in_the_envelope() -> None:
    app = service(router, lifecycle=AppLifecycle(configure=lambda app: app.add_middleware(Failing)))
    async with calling(app) as client:
        with log_of():
            answer = await client.get("/fine", headers={"origin": ORIGIN})
    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["x-frame-options"] == "DENY"


async def test_security_headers_follow_the_environment() -> None:
    always = {"x-content-type-options", "x-frame-options"}
    strict = {"content-security-policy", "referrer-policy", "permissions-policy", "strict-transport-security"}
    async with calling(service(router)) as local, calling(production(), "items.example.com") as live:
        at_home, outside = (await local.get("/fine")).headers, (await live.get("/fine")).headers
    assert always <= set(at_home)
    assert not strict & set(at_home)
    assert always | strict <= set(outside)
    assert outside["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    async with calling(production(SECURITY_HEADERS_ENABLED=False), "items.example.com") as client:
        assert not (always | strict) & set((await client.get("/fine")).headers)
    async with calling(production(HSTS_MAX_AGE=0), "items.example.com") as client:
        assert "strict-transport-security" not in (await client.get("/fine")).headers


async def test_a_route_keeps_its_own_headers_but_for_nosniff_and_the_request_id() -> None:
    async with calling(service(router)) as client:
        answer = await client.get("/own-headers")
    assert answer.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert len(answer.headers.get_list("x-request-id")) == 1
    assert answer.headers["x-request-id"] != "mine"
    assert answer.headers.get_list("vary") == ["Accept", "Origin"]


async def test_a_sane_request_id_is_kept_and_any_other_replaced() -> None:
    async with calling(service(router)) as client:
        kept = await client.get("/fine", headers={"x-request-id": "trace-1:a/b=c"})
        made = await client.get("/fine")
        bad = (b"a b", b"x" * 129, b"\xe9", b"<script>", b"")
        hostile = [await client.get("/fine", headers=[(b"x-request-id", value)]) for value in bad]
    assert kept.headers["x-request-id"] == "trace-1:a/b=c"
    assert kept.json() == {"id": "trace-1:a/b=c", "state": "trace-1:a/b=c"}
    for answer in (made, *hostile):
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        assert answer.json()["id"] == answer.headers["x-request-id"]
    assert request_id() is None


def test_an_accepted_request_id_is_always_one_short_line_of_plain_letters() -> None:
    dice = random.Random(1)
    for _ in range(5000):
        sent = bytes(dice.choice(b"aZ09._:=+/-\r\n\x00 \xff<>") for _ in range(dice.randrange(140)))
        assert re.fullmatch(rb"[A-Za-z0-9._:=+/-]{1,128}", accept(sent))


async def test_a_path_is_one_line_in_the_log_whatever_is_in_it() -> None:
    app = service(lifecycle=AppLifecycle(configure=lambda app: app.add_middleware(Failing)))
    async with calling(app) as client:
        with log_of() as records:
            await client.get("/a%0AERROR%20forged%1B%5B2J")
    [record] = [record for record in records if record.exc_info]
    assert "\n" not in record.getMessage()
    assert "\x1b" not in record.getMessage()


async def test_log_records_can_carry_the_request_id() -> None:
    marker = RequestIdFilter()
    with log_of() as records:
        async with serving(service(router)) as client:
            answer = await client.get("/broken")
    import logging

    record = logging.LogRecord("any", logging.INFO, "", 0, "", (), None)
    assert marker.filter(record)
    assert record.request_id == "-"  # type: ignore[attr-defined]
    assert any(answer.headers["x-request-id"] in found.getMessage() for found in records)


async def test_a_wrong_host_is_refused_with_security_headers_and_counted() -> None:
    app = production(METRICS_ENABLED=True)
    async with serving(app, "items.example.com") as client:
        for host in (
            "evil.example",
            "items.example.com.evil.example",
            "items.example.com@evil",
            "",
            "[::1",
            "a" * 9000,
        ):
            answer = await client.get("/fine", headers={"host": host})
            assert (answer.status_code, answer.text) == (400, "Invalid host header"), host
            assert answer.headers["x-content-type-options"] == "nosniff"
        doubled = await client.get("/fine", headers=[("host", "items.example.com"), ("host", "evil.example")])
        assert doubled.status_code == 400
        for host in ("items.example.com:8443", "ITEMS.example.com"):
            assert (await client.get("/fine", headers={"host": host})).status_code == 200
        counted = (await client.get("/metrics")).text
    assert 'http_requests_total{endpoint="(unmatched)",method="GET",status_code="400"} 7.0' in counted


async def test_probes_answer_under_any_host_since_they_are_called_by_address() -> None:
    async with serving(production(), "items.example.com") as client:
        for path in ("/livez", "/readyz"):
            assert (await client.get(path, headers={"host": "10.1.2.3:8000"})).status_code == 200


def test_hosts_match_whole_names_and_wildcards_only_below_a_dot() -> None:
    hosts = TrustedHosts(["api.example.com", "*.example.org"])
    good = (b"api.example.com", b"API.example.com:80", b"a.example.org", b"a.b.example.org")
    bad = (
        b"example.org",
        b"xexample.org",
        b"api.example.com.",
        b"api.example.com:80:80",
        b"api.example.com/x",
        b"\xff",
        b"",
    )
    for _ in range(2):  # the second time from what is remembered
        assert all(hosts.allow([host], "/") for host in good)
        assert not any(hosts.allow([host], "/") for host in bad)
    assert not hosts.allow([], "/")


def test_probes_are_known_behind_a_proxy_that_takes_a_path_away() -> None:
    hosts = TrustedHosts(["api.example.com"], {"/livez"})
    assert hosts.allow([b"10.0.0.1"], "/svc/livez", "/svc")
    assert hosts.allow([], "/livez")
    assert not hosts.allow([b"10.0.0.1"], "/svc/livez")
    assert not hosts.allow([b"10.0.0.1"], "/svc/other", "/svc")


def test_what_is_remembered_of_hosts_is_bounded() -> None:
    hosts = TrustedHosts(["*.example.org"])
    assert all(hosts.allow([b"h%d.example.org" % number], "/") for number in range(10_000))
    assert len(hosts._known) <= 256


async def test_preflights_allow_what_services_use_and_refuse_other_origins() -> None:
    app = service(router, CORS_EXTRA_HEADERS=["X-Tenant"])
    asked = {"origin": ORIGIN, "access-control-request-method": "PUT"}
    async with calling(app) as client:
        for name in ("Authorization", "X-API-Key", "X-Request-ID", "X-Tenant", "x-requested-with, content-type"):
            answer = await client.options("/fine", headers={**asked, "access-control-request-headers": name})
            assert (answer.status_code, answer.text) == (200, "OK"), name
        assert answer.headers["access-control-max-age"] == "3600"
        assert (await client.options("/fine", headers={**asked, "origin": "https://evil.example"})).status_code == 400
        strange = await client.options("/fine", headers={**asked, "access-control-request-headers": "X-Other"})
        assert strange.status_code == 400
        assert strange.headers["x-content-type-options"] == "nosniff"
        elsewhere = await client.get("/fine", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in elsewhere.headers


async def test_an_answer_names_one_origin_whatever_the_route_says() -> None:
    routes = APIRouter()

    @routes.get("/any")
    async def any_origin() -> Response:
        return Response("x", headers={"access-control-allow-origin": "*"})

    async with calling(service(routes)) as client:
        allowed = await client.get("/any", headers={"origin": ORIGIN})
        elsewhere = await client.get("/any", headers={"origin": "https://evil.example"})
    assert allowed.headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert allowed.headers["access-control-expose-headers"].startswith("X-Request-ID")
    # What a route opens to all on purpose stays open, without credentials.
    assert elsewhere.headers.get_list("access-control-allow-origin") == ["*"]
    assert "access-control-allow-credentials" not in elsewhere.headers


async def test_options_that_are_no_preflight_reach_the_service() -> None:
    routes = APIRouter()

    @routes.options("/any")
    async def options() -> str:
        return "options"

    async with calling(service(routes)) as client:
        answer = await client.options("/any", headers={"origin": ORIGIN})
    assert answer.json() == "options"
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_any_origin_with_credentials_is_refused() -> None:
    with pytest.raises(ValueError, match="name the origins"):
        CrossOrigin(["*"])


async def test_caches_are_told_that_answers_depend_on_the_origin() -> None:
    async with calling(service(router)) as client:
        assert (await client.get("/fine")).headers["vary"] == "Origin"
        assert (await client.get("/fine", headers={"origin": ORIGIN})).headers["vary"] == "Origin"


def test_a_websocket_passes_untouched_and_has_a_request_id() -> None:
    with (
        TestClient(service(router)) as client,
        client.websocket_connect("/echo", headers={"x-request-id": "ws-1"}) as socket,
    ):
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
    assert SAW["id"] == "ws-1"


def test_a_websocket_under_a_wrong_host_is_refused() -> None:
    from starlette.testclient import WebSocketDenialResponse

    app = production()
    with TestClient(app) as client, pytest.raises(WebSocketDenialResponse) as refused:
        client.websocket_connect("/echo", headers={"host": "evil.example"}).__enter__()
    assert refused.value.status_code == 400


async def test_a_stream_passes_piece_by_piece() -> None:
    gate = asyncio.Event()
    pieces: list[bytes] = []

    async def parts() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await gate.wait()
        yield b"data: 2\n\n"

    routes = APIRouter()

    @routes.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(parts(), media_type="text/event-stream")

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            pieces.append(message["body"])
            gate.set()  # the second piece is made only after the first arrived

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": "/events",
        "raw_path": b"/events",
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
        "scheme": "http",
    }
    await service(routes)(scope, receive, send)
    assert pieces[:2] == [b"data: 1\n\n", b"data: 2\n\n"]


async def test_a_client_that_goes_away_is_no_failure_of_the_service() -> None:
    routes = APIRouter()

    @routes.post("/upload")
    async def upload(request: Request) -> int:
        return len(await request.body())

    @routes.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"piece"

        return StreamingResponse(parts())

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("the connection is gone")  # as servers of ASGI 2.4 say

    app = service(routes, METRICS_ENABLED=True)
    with log_of() as records:
        for method, path in (("POST", "/upload"), ("GET", "/endless")):
            scope = {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "method": method,
                "path": path,
                "raw_path": path.encode(),
                "query_string": b"",
                "headers": [(b"host", b"testserver")],
                "scheme": "http",
            }
            await app(scope, receive, send)
    assert not [record for record in records if record.levelname == "ERROR"]
    assert not app.state.metrics.broken()
    assert ("/upload", "POST", 499) in [key for key, _ in app.state.metrics.series()]


async def test_an_app_may_send_the_same_headers_again_and_again() -> None:
    reused = Response("same")
    routes = APIRouter()

    @routes.get("/same")
    async def same() -> Response:
        return reused

    async with calling(service(routes)) as client:
        first = await client.get("/same")
        second = await client.get("/same")
    assert sorted(first.headers.keys()) == sorted(second.headers.keys())
    assert len(reused.raw_headers) == 1


async def test_huge_headers_are_read_past() -> None:
    many = [(f"x-{number}", "v" * 200) for number in range(2000)]
    async with calling(service(router)) as client:
        assert (await client.get("/fine", headers=many)).status_code == 200
