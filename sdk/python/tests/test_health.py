"""Health: what is told to whom, and that asking for it harms nobody."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from kit_help import calling, log_of, service, serving, settings, with_checks
from starlette.requests import Request

from vestibule.service import (
    AppLifecycle,
    HealthCheck,
    HealthCheckResult,
    HealthConfig,
    HealthPolicy,
    HealthStatus,
    database_check,
    identity_check,
)
from vestibule.service.check_runs import CheckRun
from vestibule.service.health import HealthRunner, aggregate, run_check

pytestmark = pytest.mark.anyio

HEALTH = "/items/v1/health/"
CREDENTIAL = "Health-Detail-0123456789"
SECRET = "Shared-With_Vestibule-0123456789-abc"


def found(status: HealthStatus, name: str = "it", **meta: Any) -> HealthCheck:
    async def check() -> HealthCheckResult:
        return HealthCheckResult(name, status, meta=meta or None)

    return check


async def test_before_the_start_is_over_health_says_so() -> None:
    async with calling(with_checks()) as client:
        answer = await client.get(HEALTH)
        assert (answer.status_code, answer.json()) == (503, {"status": "initializing", "ready": False})
        assert (await client.get("/readyz")).json() == {"status": "initializing"}
        assert (await client.get("/livez")).status_code == 200


async def test_anybody_sees_the_sum_and_nothing_else() -> None:
    async with serving(with_checks(found(HealthStatus.OK, password="x"))) as client:
        answer = await client.get(HEALTH)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        head = await client.head(HEALTH)
        assert (head.status_code, head.headers["content-type"]) == (200, "application/json")
        without_slash = await client.get(HEALTH.rstrip("/"))
        assert without_slash.status_code == 307


@pytest.mark.parametrize(
    ("statuses", "lenient", "strict"),
    [
        ([], "ok", "ok"),
        (["ok", "ok"], "ok", "ok"),
        (["ok", "degraded"], "degraded", "degraded"),
        (["degraded", "unknown"], "unknown", "fail"),
        (["unknown", "fail"], "fail", "fail"),
        (["ok", "fail", "degraded"], "fail", "fail"),
    ],
)
def test_the_sum_is_the_worst_of_all(statuses: list[str], lenient: str, strict: str) -> None:
    results = [HealthCheckResult("it", HealthStatus(status)) for status in statuses]
    assert aggregate(results).value == lenient
    assert aggregate(results, HealthPolicy.STRICT).value == strict


async def test_a_failed_check_is_503_for_health_and_readiness_but_not_for_liveness() -> None:
    async with serving(with_checks(found(HealthStatus.FAIL))) as client:
        assert (await client.get(HEALTH)).status_code == 503
        for path, status in (("/readyz", 503), ("/items/v1/readyz", 503), ("/livez", 200), ("/items/v1/livez", 200)):
            assert (await client.get(path)).status_code == status, path


async def test_details_need_the_credential_in_either_header() -> None:
    app = service(
        HEALTH_DETAIL_CREDENTIAL=CREDENTIAL,
        health=HealthConfig(checks=[found(HealthStatus.OK, rows=3)]),
        service_name="Items",
        service_version="1.2.3",
    )
    async with serving(app) as client:
        for headers in ({"x-internal-token": CREDENTIAL}, {"authorization": f"Bearer {CREDENTIAL}"}):
            body = (await client.get(HEALTH, headers=headers)).json()
            assert (body["service"], body["version"], body["status"]) == ("Items", "1.2.3", "ok")
            [check] = body["checks"]
            assert (check["name"], check["status"], check["ok"], check["meta"]) == ("it", "ok", True, {"rows": 3})
            assert check["latency_ms"] >= 0
        for headers in (
            {"x-internal-token": SECRET},
            {"x-internal-token": ""},
            {"authorization": f"Basic {CREDENTIAL}"},
        ):
            assert (await client.get(HEALTH, headers=headers)).json() == {"status": "ok"}


async def test_without_a_credential_of_their_own_details_follow_the_private_secret() -> None:
    async with serving(with_checks()) as client:
        assert "checks" in (await client.get(HEALTH, headers={"x-internal-token": SECRET})).json()


async def test_without_any_credential_nobody_sees_details() -> None:
    app = service(PRIVATE_API_SECRET=None, TOKEN_MODE="stateless", health=HealthConfig(checks=[]))
    async with serving(app) as client:
        for value in ("", "None", "null"):
            assert (await client.get(HEALTH, headers={"x-internal-token": value})).json() == {"status": "ok"}


async def test_a_credential_header_that_is_not_ascii_is_merely_wrong() -> None:
    async with serving(with_checks()) as client:
        for value in (b"\xff\xfe", "schlüssel".encode(), b"\xe9" * 5000):
            answer = await client.get(
                HEALTH, headers=[(b"x-internal-token", value), (b"authorization", b"Bearer " + value)]
            )
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("kind", ["raises", "raises later"])
async def test_an_authorizer_that_fails_means_no_and_is_logged(kind: str) -> None:
    def authorizer(request: Request) -> Any:
        async def later() -> bool:
            raise RuntimeError("directory is down")

        if kind == "raises":
            raise RuntimeError("directory is down")
        return later()

    async with serving(with_checks(detail_authorizer=authorizer)) as client:
        with log_of() as records:
            answer = await client.get(HEALTH)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert any(record.exc_info for record in records)


async def test_an_authorizer_decides_instead_of_the_credential() -> None:
    async def authorizer(request: Request) -> bool:
        return request.headers.get("x-who") == "ops"

    async with serving(with_checks(detail_authorizer=authorizer)) as client:
        assert "checks" in (await client.get(HEALTH, headers={"x-who": "ops"})).json()
        assert "checks" not in (await client.get(HEALTH, headers={"x-internal-token": SECRET})).json()


async def test_a_thousand_callers_at_once_run_each_check_once() -> None:
    runs = 0

    async def check() -> bool:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.01)
        return True

    async with serving(with_checks(check)) as client:
        answers = await asyncio.gather(*(client.get(HEALTH) for _ in range(1000)))
    assert {answer.status_code for answer in answers} == {200}
    assert runs == 1


async def test_public_callers_cannot_make_the_service_work_more_than_once_a_second() -> None:
    runs = 0

    async def check() -> bool:
        nonlocal runs
        runs += 1
        return True

    async with serving(with_checks(check, cache_ttl=0)) as client:
        for _ in range(50):
            await client.get(HEALTH)
        at_first = runs
        await client.get(HEALTH, headers={"x-internal-token": SECRET})
    assert at_first <= 2  # at most a second went by
    assert runs == at_first + 1


async def test_a_caller_who_goes_away_does_not_take_the_others_answer_along() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def check() -> bool:
        begun.set()
        await go_on.wait()
        return True

    runner = HealthRunner([check], HealthConfig(timeout=30))
    first = asyncio.ensure_future(runner.report())
    await begun.wait()
    second = asyncio.ensure_future(runner.report())
    await asyncio.sleep(0)
    first.cancel()
    go_on.set()
    report = await second
    assert report.status in (HealthStatus.OK, HealthStatus.FAIL)  # asked anew, or told that it still runs


async def test_a_blocking_function_cannot_defeat_the_timeout() -> None:
    release = threading.Event()

    def check() -> bool:
        return release.wait(30)

    result = await run_check(check, timeout=0.1)
    assert not release.is_set(), "the check was waited for"
    release.set()
    assert (result.status, result.error, result.latency_ms) == (HealthStatus.FAIL, "timeout 100ms", None)


async def test_a_check_that_never_returns_is_not_started_again() -> None:
    release, threads = threading.Event(), []

    def check() -> bool:
        threads.append(threading.current_thread())
        return release.wait(30)

    run = CheckRun(check)
    for _ in range(5):
        await run.once(0.01)
    assert len(threads) == 1
    assert all(thread.daemon for thread in threads)
    assert run.overdue is not None
    release.set()
    threads[0].join()
    await asyncio.sleep(0)
    await run.once(5)
    assert run.answer is True


async def test_a_coroutine_that_blocks_the_loop_fails_and_is_moved_to_a_thread() -> None:
    where: list[threading.Thread] = []
    main, release = threading.main_thread(), threading.Event()

    async def check() -> bool:
        where.append(threading.current_thread())
        release.wait(0.05 if where[-1] is main else 30)  # the mistake that is the matter here
        return True

    run = CheckRun(check)
    with log_of() as records:
        for _ in range(3):
            await run.once(0.02)
    assert [thread is main for thread in where] == [True, True, False]
    assert run.timed_out
    assert run.runs_in_thread
    assert len([record for record in records if "blocked the event loop" in record.getMessage()]) == 2
    release.set()
    where[-1].join()
    await asyncio.sleep(0)
    await run.once(5)
    assert run.answer is True


async def test_a_check_that_swallows_its_cancellation_cannot_defeat_the_timeout() -> None:
    release = asyncio.Event()

    async def check() -> bool:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:  # noqa: PERF203
                continue
        return True

    run = CheckRun(check)
    await run.once(0.02)
    assert run.timed_out
    await run.once(0.02)
    assert run.overdue is not None
    release.set()


async def test_a_check_may_be_a_lambda_around_a_coroutine() -> None:
    async def check(name: str) -> HealthCheckResult:
        await asyncio.sleep(0)
        return HealthCheckResult.from_bool(name, threading.current_thread() is threading.main_thread())

    assert (await run_check(lambda: check("mine"))).ok


async def test_whatever_a_check_does_is_told_as_a_result() -> None:
    class Weird:
        async def __call__(self) -> Any:
            return 7

    async def raises() -> bool:
        raise LookupError("postgresql://app:hunter2@db/items is gone")

    async def says_nothing() -> None:
        return None

    def stops() -> bool:
        raise StopIteration

    def exits() -> bool:
        raise SystemExit(3)

    wrong = await run_check(Weird())
    assert (wrong.name, wrong.status) == ("Weird", HealthStatus.FAIL)
    failed = await run_check(raises)
    assert (failed.name, failed.status, failed.latency_ms) == ("raises", HealthStatus.FAIL, None)
    assert failed.error == "postgresql://***:***@db/items is gone"
    assert (await run_check(says_nothing)).status is HealthStatus.UNKNOWN
    assert (await run_check(lambda: True)).ok
    assert (await run_check(stops)).status is HealthStatus.FAIL
    assert (await run_check(exits)).status is HealthStatus.FAIL


async def test_a_latency_is_measured_and_not_believed() -> None:
    async def lies() -> HealthCheckResult:
        return HealthCheckResult("liar", HealthStatus.OK, latency_ms=-1.0)

    latency = (await run_check(lies)).latency_ms
    assert latency is not None
    assert 0 <= latency < 500


class Engine:
    """A database engine that is there or not."""

    def __init__(self, is_async: bool, error: Exception | None = None) -> None:
        self.is_async, self.error = is_async, error

    def ping(self) -> Any:
        async def later() -> None:
            self.look()

        return later() if self.is_async else self.look()

    def look(self) -> None:
        if self.error is not None:
            raise self.error

    def dispose(self) -> None:
        pass


class Identity:
    """An identity client with these numbers."""

    def __init__(self, **numbers: float) -> None:
        self.numbers = numbers

    def statistics(self) -> dict[str, float]:
        return self.numbers

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_database_is_asked(is_async: bool) -> None:
    assert (await run_check(database_check(Engine(is_async)))).ok
    result = await run_check(database_check(Engine(is_async, OSError("no route to db://u:p@h"))))
    assert (result.name, result.status, result.error) == ("database", HealthStatus.FAIL, "no route to db://***:***@h")


async def test_identity_fails_without_keys_and_is_degraded_when_revocations_are_late() -> None:
    async def status(**numbers: float) -> HealthStatus:
        return (await run_check(identity_check(Identity(**numbers)))).status

    assert await status(keys_loaded=2, feed_current=1, staleness_seconds=0.2) is HealthStatus.OK
    assert await status(keys_loaded=0) is HealthStatus.FAIL
    assert await status(keys_loaded=1, feed_current=0) is HealthStatus.DEGRADED
    assert await status(keys_loaded=1, credential_refused=1) is HealthStatus.DEGRADED
    assert await status(keys_loaded=1) is HealthStatus.OK  # no feed is used


async def test_what_the_lifecycle_holds_is_asked_unless_checks_are_given() -> None:
    lifecycle = AppLifecycle(auth_deps=Identity(keys_loaded=1), db_engine=Engine(is_async=False))
    show = {"x-internal-token": SECRET}
    async with serving(service(lifecycle=lifecycle)) as client:
        names = [check["name"] for check in (await client.get(HEALTH, headers=show)).json()["checks"]]
    assert names == ["database", "identity"]
    async with serving(service(lifecycle=lifecycle, health=HealthConfig(checks=[]))) as client:
        assert (await client.get(HEALTH, headers=show)).json()["checks"] == []


def test_results_are_made_from_truth_values() -> None:
    assert HealthStatus.from_bool(True) is HealthStatus.OK
    assert HealthStatus.from_bool(False) is HealthStatus.FAIL
    result = HealthCheckResult.from_bool("it", False, rows=1)
    assert (result.ok, result.meta, result.status) == (False, {"rows": 1}, HealthStatus.FAIL)


async def test_without_a_prefix_probes_stand_at_the_root_once() -> None:
    app = service(API_PREFIX="/")
    assert settings(API_PREFIX="/")
    async with serving(app) as client:
        for path in ("/health/", "/livez", "/readyz"):
            assert (await client.get(path)).status_code == 200
