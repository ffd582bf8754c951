"""Several processes of one service, forked before and after it was loaded; and how they end."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness.issuer import Issuer, SignedIn
from harness.process import wait_until
from service import Service, StartService

SERVERS = {
    "uvicorn, two workers": ("uvicorn", "--no-access-log", "--workers", "2"),
    "gunicorn, two workers": ("gunicorn", "--workers", "2", "--worker-class", "uvicorn_worker.UvicornWorker"),
    "gunicorn, preloaded": (
        "gunicorn",
        "--workers",
        "2",
        "--preload",
        "--worker-class",
        "uvicorn_worker.UvicornWorker",
    ),
}


def from_each(service: Service, held: SignedIn, workers: int = 2) -> dict[str, int]:
    """What each of the workers answers, by process; on new connections, until all were met."""
    met: dict[str, int] = {}

    def everybody() -> bool:
        url = f"http://127.0.0.1:{service.port}/items/"
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: httpx.get(url, headers=held.bearer, trust_env=False), range(8)))
        for answer in answers:
            met[answer.headers["x-process"]] = answer.status_code
        return len(met) >= workers

    wait_until("every worker is met", everybody)
    return met


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())
def test_every_worker_knows_who_calls_and_hears_of_revocations(
    issuer: Issuer, start_service: StartService, server: tuple[str, ...]
) -> None:
    service = start_service(issuer, app="numbered:app", server=server)
    held, other = issuer.sign_in(), issuer.sign_in()
    assert set(from_each(service, held).values()) == {200}
    issuer.logout(held)
    wait_until("all refuse", lambda: set(from_each(service, held).values()) == {401}, 10)
    assert set(from_each(service, other).values()) == {200}
    service.stop()
    assert "Traceback" not in service.output()


def test_a_request_in_flight_is_answered_when_the_service_is_told_to_stop(
    issuer: Issuer, start_service: StartService
) -> None:
    service = start_service(issuer, app="slow:app")
    held = issuer.sign_in()
    assert service.process
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(service.get, "/slow", held)
        wait_until("it has begun", (service.folder / "begun").exists)
        service.process.terminate()
        wait_until("it takes no more", lambda: not takes_connections(service))
        (service.folder / "go").touch()
        assert answer.result(timeout=30).status_code == 200
    # uvicorn ends by the signal that it was told to stop by, after everything else.
    assert service.process.wait() == -signal.SIGTERM
    assert "Traceback" not in service.output()


def test_a_service_that_drains_says_that_it_is_not_ready_and_goes_on_serving(
    issuer: Issuer, start_service: StartService
) -> None:
    service = start_service(issuer, app="slow:app", DRAIN_SECONDS="3")
    held = issuer.sign_in()
    assert service.process
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(service.get, "/slow", held)
        wait_until("it has begun", (service.folder / "begun").exists)
        service.process.terminate()
        # A load balancer that asks is told to send no more; what it still sends is served.
        wait_until("it is not ready", lambda: service.client.get("/readyz").status_code == 503)
        assert service.status(held, "/open") == 200
        (service.folder / "go").touch()
        assert answer.result(timeout=30).status_code == 200
    assert service.process.wait() == -signal.SIGTERM


def takes_connections(service: Service) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{service.port}/livez", trust_env=False)
    except httpx.ConnectError:
        return False
    return True
