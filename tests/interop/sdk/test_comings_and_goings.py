"""What callers see who keep calling while the issuer is killed, frozen and cut off, over and over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from harness.issuer import Issuer, SignedIn, StartIssuer
from harness.process import wait_until
from harness.relay import Relay
from service import Service, StartService

PATIENCE = 30


@contextmanager
def calling(service: Service, *held: SignedIn) -> Iterator[list[set[int]]]:
    """Each of them calls without a pause; which answers each got, so far and in the end."""
    seen: list[set[int]] = [set() for _ in held]
    over = threading.Event()

    def call(number: int) -> None:
        url = f"http://127.0.0.1:{service.port}/items/"
        with httpx.Client(headers=held[number].bearer, timeout=30, trust_env=False) as client:
            while not over.is_set():
                seen[number].add(client.get(url).status_code)

    with ThreadPoolExecutor(len(held)) as pool:
        calls = [pool.submit(call, number) for number in range(len(held))]
        try:
            yield seen
        finally:
            over.set()
        for one in calls:
            one.result()


def kill(issuer: Issuer, _wire: Relay, _service: Service) -> None:
    issuer.kill()
    issuer.start()


def freeze(issuer: Issuer, _wire: Relay, service: Service) -> None:
    assert issuer.process
    issuer.process.freeze()
    try:
        wait_until("silence is noticed", lambda: service.metric("feed_current") == 0.0, PATIENCE)
    finally:
        issuer.process.thaw()


def cut(_issuer: Issuer, wire: Relay, _service: Service) -> None:
    wire.cut()
    wire.mend()


@pytest.mark.parametrize("trouble", [kill, freeze, cut])
@pytest.mark.parametrize("policy", ["introspect", "fail_closed", "fail_open"])
def test_the_good_are_never_refused_and_the_ended_never_come_back(
    start_issuer: StartIssuer,
    start_service: StartService,
    relay: Callable[..., Relay],
    trouble: Callable[[Issuer, Relay, Service], None],
    policy: str,
) -> None:
    issuer = start_issuer()
    wire = relay(("127.0.0.1", issuer.port))
    service = start_service(issuer, ISSUER_URL=f"http://127.0.0.1:{wire.port}", STALE_FEED_POLICY=policy)
    good, ended = issuer.sign_in(), issuer.sign_in()
    issuer.logout(ended)
    wait_until("the service refuses", lambda: service.status(ended) == 401, PATIENCE)
    with calling(service, good, ended) as seen:
        for _ in range(3):
            trouble(issuer, wire, service)
            wait_until("the service works", lambda: service.status(good) == 200, PATIENCE)
            wait_until("the feed is back", lambda: service.metric("feed_current") == 1.0, PATIENCE)
    # 503 is honest: it could not be known. Nobody who is signed in is told to sign in again, and nothing breaks.
    assert seen[0] <= {200, 503}
    assert seen[1] <= {401, 503}
    if policy == "fail_open":
        assert seen[0] == {200}
