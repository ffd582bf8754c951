"""What is counted, under which labels, who may read it, and that nobody can make it grow."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from kit_help import calling, log_of, service, serving
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Mount, Route

from vestibule.service import AppLifecycle
from vestibule.service.metrics import UNMATCHED, Metrics, metric_groups, metric_prefix
from vestibule.service.series import BUCKETS, Series

pytestmark = pytest.mark.anyio
router = APIRouter()


@router.get("/things/{thing_id}")
async def thing(thing_id: int) -> int:
    return thing_id


@router.get("/2fa/{code}/check")
async def second(code: str) -> str:
    return code


def counted(app: FastAPI | Metrics) -> dict[tuple[str, ...], float]:
    """All samples by name and label values."""
    metrics: Metrics = app if isinstance(app, Metrics) else app.state.metrics
    text = metrics.render()[0].decode()
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_requests_are_counted_by_the_template_of_their_route() -> None:
    app = service(router, METRICS_ENABLED=True)
    async with serving(app) as client:
        for path in ("/things/1", "/things/2", "/things/x", "/2fa/abc/check", "/nothing", "/items/v1/health/"):
            await client.get(path)
        await client.delete("/things/1")
    found = counted(app)
    name = "items_v1_http_requests_total"
    assert found[name, "/things/{thing_id}", "GET", "200"] == 2
    assert found[name, "/things/{thing_id}", "GET", "422"] == 1
    assert found[name, "/things/{thing_id}", "DELETE", "405"] == 1
    assert found[name, "/2fa/{code}/check", "GET", "200"] == 1
    assert found[name, UNMATCHED, "GET", "404"] == 1
    assert found[name, "/items/v1/health/", "GET", "200"] == 1
    assert found["items_v1_http_errors_total", "/things/{thing_id}", "GET", "4xx"] == 1
    assert found["items_v1_http_status_total", "200"] == 4
    assert found["items_v1_http_request_duration_seconds_count", "/things/{thing_id}", "GET"] == 3


async def test_scanning_ten_thousand_paths_and_methods_grows_nothing() -> None:
    app = service(router, METRICS_ENABLED=True)
    dice = random.Random(3)
    async with serving(app) as client:
        await client.get("/nothing")
        await client.request("BREW", "/nothing")
        before = len(app.state.metrics.series())
        for number in range(10_000):
            method = "GET" if number % 2 else f"X{number}"
            await client.request(method, f"/{dice.randbytes(6).hex()}/{number}.php")
    assert len(app.state.metrics.series()) == before
    assert len(app.state.metrics.registry._names_to_collectors) < 50
    assert counted(app)["items_v1_http_requests_total", UNMATCHED, "OTHER", "404"] == 5001


async def test_two_apps_in_one_process_count_apart() -> None:
    one, two = service(router, METRICS_ENABLED=True), service(router, METRICS_ENABLED=True)
    async with serving(one) as first, serving(two) as second:
        await first.get("/things/1")
        await first.get("/things/1")
        await second.get("/things/1")
    key = ("items_v1_http_requests_total", "/things/{thing_id}", "GET", "200")
    assert (counted(one)[key], counted(two)[key]) == (2, 1)


async def test_templates_are_whole_in_mounts_prefixes_and_shared_endpoints() -> None:
    inner = APIRouter(prefix="/inner")

    @inner.get("/{name}")
    async def named(name: str) -> str:
        return name

    outer = APIRouter()
    outer.include_router(inner, prefix="/first")
    outer.include_router(inner, prefix="/second")
    sub = FastAPI()
    sub.include_router(inner)

    async def bare(request: Any) -> Any:
        return StreamingResponse(iter([b"x"]))

    def configure(app: FastAPI) -> None:
        app.mount("/tenants/{tenant}", sub)
        app.router.routes.append(Mount("/plain", routes=[Route("/{rest:path}", bare)]))

    app = service(outer, METRICS_ENABLED=True, lifecycle=AppLifecycle(configure=configure))
    paths = (
        "/first/inner/a",
        "/second/inner/b",
        "/tenants/t1/inner/c",
        "/tenants/t2/inner/d",
        "/tenants/t3/none",
        "/plain/x/y",
    )
    async with serving(app) as client:
        for path in paths:
            await client.get(path)
    found = {key[1:]: value for key, value in counted(app).items() if key[0] == "items_v1_http_requests_total"}
    assert found["/first/inner/{name}", "GET", "200"] == 1
    assert found["/second/inner/{name}", "GET", "200"] == 1
    assert found["/tenants/{tenant}/inner/{name}", "GET", "200"] == 2
    assert found["/tenants/{tenant}/{path}", "GET", "404"] == 1
    assert found["/plain/{rest}", "GET", "200"] == 1


async def test_parameters_of_one_name_in_a_mount_and_inside_of_it_are_told_apart() -> None:
    async def shared(name: str = "") -> str:
        return name

    sub = FastAPI()
    sub.add_api_route("/x/{name}", shared)
    sub.add_api_route("/y/{name}", shared)
    app = service(METRICS_ENABLED=True, lifecycle=AppLifecycle(configure=lambda app: app.mount("/t/{name}", sub)))
    async with serving(app) as client:
        assert (await client.get("/t/a/y/b")).status_code == 200
    assert counted(app)["items_v1_http_requests_total", "/t/{name}/y/{name}", "GET", "200"] == 1


async def test_routes_that_cannot_be_walked_cost_labels_and_no_answers() -> None:
    class Strange(Route):
        @property
        def path_format(self) -> str:
            raise RuntimeError("not for you")

        @path_format.setter
        def path_format(self, value: str) -> None: ...

    app = service(router, METRICS_ENABLED=True)
    app.router.routes.append(Strange("/strange", lambda request: None))
    with log_of() as records:
        async with serving(app) as client:
            for _ in range(3):
                assert (await client.get("/things/1")).status_code == 200
    assert len([record for record in records if record.exc_info]) == 1
    assert counted(app)["items_v1_http_requests_total", UNMATCHED, "GET", "200"] == 3


async def test_routes_added_while_the_service_runs_have_labels_too() -> None:
    app = service(router, METRICS_ENABLED=True)
    async with serving(app) as client:
        await client.get("/things/1")

        @app.get("/late/{name}")
        async def late(name: str) -> str:
            return name

        await client.get("/late/x")
    assert counted(app)["items_v1_http_requests_total", "/late/{name}", "GET", "200"] == 1


async def test_the_time_of_an_answer_ends_with_the_answer_and_not_with_background_tasks() -> None:
    routes = APIRouter()
    seen: list[int] = []

    @routes.get("/tasks")
    async def tasks(tasks: BackgroundTasks) -> str:
        async def look() -> None:
            seen.append(len(app.state.metrics.series()))

        tasks.add_task(look)
        return "answered"

    app = service(routes, METRICS_ENABLED=True)
    async with serving(app) as client:
        await client.get("/tasks")
    assert seen == [1], "the request was counted before its background task ran"


async def test_a_stream_is_counted_once_when_it_ends() -> None:
    routes = APIRouter()

    @routes.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"piece"

        return StreamingResponse(parts())

    app = service(routes, METRICS_ENABLED=True)
    async with serving(app) as client:
        await client.get("/stream")
    assert counted(app)["items_v1_http_requests_total", "/stream", "GET", "200"] == 1


async def test_what_is_counted_is_exposed_at_the_root() -> None:
    async with serving(service(router, METRICS_ENABLED=True)) as client:
        await client.get("/things/1")
        answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"
    assert 'endpoint="/things/{thing_id}"' in answer.text


async def test_without_metrics_nothing_is_exposed() -> None:
    async with serving(service(router)) as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_the_scrape_credential_is_demanded_when_there_is_one() -> None:
    app = service(router, METRICS_ENABLED=True, METRICS_SCRAPE_CREDENTIAL="Scrape-0123456789")
    async with serving(app) as client:
        answer = await client.get("/metrics")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="metrics"')
        for value in (b"Bearer wrong", b"Bearer \xff\xff", b"Scrape-0123456789", b"Bearer "):
            assert (await client.get("/metrics", headers=[(b"authorization", value)])).status_code == 401
        right = await client.get("/metrics", headers={"authorization": "bearer Scrape-0123456789"})
    assert right.status_code == 200
    assert right.headers["content-type"].startswith("text/plain")


async def test_open_metrics_are_warned_of_in_production() -> None:
    with log_of() as records:
        service(router, METRICS_ENABLED=True, STRICT_PRODUCTION_MODE=True)
    assert any("METRICS_SCRAPE_CREDENTIAL" in record.getMessage() for record in records)


async def test_the_format_is_negotiated() -> None:
    async with serving(service(router, METRICS_ENABLED=True)) as client:
        answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_numbers_of_the_identity_client_are_exposed() -> None:
    class Identity:
        def statistics(self) -> dict[str, float]:
            return {"keys_loaded": 2.0, "key_set_fetches": 5.0, "staleness_seconds": 0.25, "unknown_to_the_kit": 1.0}

        async def close(self) -> None: ...

    app = service(router, METRICS_ENABLED=True, lifecycle=AppLifecycle(auth_deps=Identity()))
    found = counted(app)
    assert found["items_v1_identity_keys",] == 2
    assert found["items_v1_identity_key_set_fetches_total",] == 5
    assert found["items_v1_identity_staleness_seconds",] == 0.25
    quiet = service(
        router, METRICS_ENABLED=True, METRICS_GROUPS="traffic", lifecycle=AppLifecycle(auth_deps=Identity())
    )
    assert not [key for key in counted(quiet) if "identity" in key[0]]


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("all", {"traffic", "performance", "reliability", "health", "auth"}),
        (" Traffic , HEALTH ", {"traffic", "health"}),
        ("traffic,nonsense", {"traffic"}),
        ("", set()),
        ("nonsense", set()),
    ],
)
def test_groups_are_named_in_a_list(text: str, groups: set[str]) -> None:
    assert metric_groups(text) == groups


def test_groups_decide_what_is_shown() -> None:
    metrics = Metrics(groups={"health"})
    metrics.answered({"method": "GET", "path": "/"}, 200, 0.1)
    names = {key[0] for key in counted(metrics) if key[0].startswith("http")}
    assert names == {"http_status_total"}


@pytest.mark.parametrize(
    ("path", "prefix"), [("/my-svc/v1", "my_svc_v1_"), ("/", ""), ("", ""), ("/a.b~c", "a_b_c_"), ("/2fa", "_2fa_")]
)
def test_the_prefix_of_names_comes_from_the_path(path: str, prefix: str) -> None:
    assert metric_prefix(path) == prefix
    Metrics(prefix=metric_prefix(path)).answered({"method": "GET", "path": "/"}, 200, 0.1)


def test_durations_fall_into_the_bucket_whose_bound_they_do_not_exceed() -> None:
    series = Series()
    for seconds in (*BUCKETS, 0.0, 11.0):
        series.add(seconds)
    assert series.buckets == [2] + [1] * (len(BUCKETS) - 1) + [1]
    metrics = Metrics()
    metrics.answered({"method": "GET", "path": "/"}, 200, 0.005)
    found = counted(metrics)
    assert found["http_request_duration_seconds_bucket", UNMATCHED, "0.005", "GET"] == 1
    assert found["http_request_duration_seconds_bucket", UNMATCHED, "+Inf", "GET"] == 1


async def test_metrics_of_the_services_own_are_exposed_with_the_rest() -> None:
    from prometheus_client import Counter

    app = service(router, METRICS_ENABLED=True)
    Counter("sold", "Things sold", registry=app.state.metrics.registry).inc()
    async with serving(app) as client:
        assert "sold_total 1.0" in (await client.get("/metrics")).text


def test_processes_share_their_counts_where_they_are_told_to(tmp_path: Path) -> None:
    script = """
import sys, anyio, httpx
sys.path.insert(0, {tests!r})
from kit_help import AppLifecycle, service, serving
from test_metrics import router
class Identity:
    def statistics(self): return {{"keys_loaded": 1.0, "key_set_fetches": 3.0}}
    async def close(self): ...
app = service(router, METRICS_ENABLED=True, lifecycle=AppLifecycle(auth_deps=Identity()))
async def main():
    async with serving(app) as client:
        await client.get("/things/1")
        print((await client.get("/metrics")).text)
anyio.run(main)
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", script.format(tests=str(Path(__file__).parent))]
    runs = [subprocess.run(command, env=environment, text=True, capture_output=True, check=False) for _ in range(3)]
    assert [run.returncode for run in runs] == [0, 0, 0], runs[-1].stderr
    text = runs[-1].stdout
    assert 'items_v1_http_requests_total{endpoint="/things/{thing_id}",method="GET",status_code="200"} 3.0' in text
    assert 'items_v1_http_request_duration_seconds_count{endpoint="/things/{thing_id}",method="GET"} 3.0' in text
    assert "items_v1_identity_key_set_fetches_total 9.0" in text


def test_gauges_of_processes_that_were_killed_are_cleared(tmp_path: Path) -> None:
    script = """
import os, sys, signal, anyio
sys.path.insert(0, {tests!r})
from kit_help import AppLifecycle, service, serving
class Identity:
    def statistics(self): return {{"staleness_seconds": float(sys.argv[1])}}
    async def close(self): ...
app = service(METRICS_ENABLED=True, lifecycle=AppLifecycle(auth_deps=Identity()))
async def main():
    async with serving(app) as client:
        await client.get("/livez")
        text = (await client.get("/metrics")).text
        print(next(line for line in text.splitlines() if line.startswith("items_v1_identity_staleness")))
        if sys.argv[2] == "killed":
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
anyio.run(main)
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(value: str, end: str) -> str:
        command = [sys.executable, "-c", script.format(tests=str(Path(__file__).parent)), value, end]
        return subprocess.run(command, env=environment, text=True, capture_output=True, check=False).stdout.strip()

    assert run("900", "killed").endswith(" 900.0")
    assert list(tmp_path.glob("gauge_live*"))
    assert run("1", "ended").endswith(" 1.0")
    assert not list(tmp_path.glob("gauge_live*"))


async def test_a_missing_client_library_is_told_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from vestibule.errors import ConfigurationError

    monkeypatch.setitem(sys.modules, "vestibule.service.exposition", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'vestibule\[metrics\]'"):
        service(router, METRICS_ENABLED=True)
    async with calling(service(router)) as client:
        assert (await client.get("/things/1")).status_code == 200
