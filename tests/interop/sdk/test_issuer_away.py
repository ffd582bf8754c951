"""The issuer restarts, dies, cannot be reached, or does not want us: what callers of a service notice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness.issuer import Issuer, StartIssuer
from harness.process import free_port, wait_until
from harness.relay import Relay
from service import Service, StartService

Wire = Callable[..., Relay]

# For a feed to be found broken off and to come back, on a busy machine.
PATIENCE = 30


def behind(wire: Relay) -> dict[str, str]:
    return {"ISSUER_URL": f"http://127.0.0.1:{wire.port}"}


def test_a_restart_of_the_issuer_signs_nobody_out(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer()
    service = start_service(issuer)
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.restart()
    wait_until("the service works", lambda: service.status(held) == 200, PATIENCE)
    issuer.logout(held)
    wait_until("and hears again", lambda: service.status(held) == 401, PATIENCE)


def test_a_killed_issuer_comes_back_and_is_heard(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer()
    service = start_service(issuer)
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.kill()
    issuer.start()
    wait_until("the service works", lambda: service.status(held) == 200, PATIENCE)
    issuer.logout(held)
    wait_until("and hears again", lambda: service.status(held) == 401, PATIENCE)


def test_the_last_good_keys_are_used_while_the_issuer_is_away(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    issuer = start_issuer()
    # The key set grows old at once, and every attempt to fetch another fails.
    service = start_service(issuer, TOKEN_MODE="hybrid", PRIVATE_API_SECRET=None, JWKS_CACHE_TTL_SECONDS="1")
    known, unseen = issuer.sign_in(), issuer.sign_in()
    assert service.status(known) == 200
    issuer.kill()
    wait_until("the key set is old", lambda: service.metric("key_set_age_seconds") > 1, PATIENCE)
    assert service.status(known) == 200
    assert service.status(unseen) == 200


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"STALE_FEED_POLICY": "fail_closed"}, 503),
        ({"STALE_FEED_POLICY": "introspect"}, 503),
        ({"STALE_FEED_POLICY": "introspect", "ACCESS_REVOCATION_FAILURE_MODE": "fail_open"}, 200),
        ({"STALE_FEED_POLICY": "fail_open"}, 200),
    ],
    ids=["fail_closed", "introspect", "introspect or open", "fail_open"],
)
def test_a_stale_feed_is_dealt_with_as_the_service_says(
    start_issuer: StartIssuer, start_service: StartService, changes: dict[str, str], answer: int
) -> None:
    issuer = start_issuer()
    service = start_service(issuer, **changes)
    known, unseen = issuer.sign_in(), issuer.sign_in()
    assert service.status(known) == 200
    issuer.kill()
    wait_until("the feed is stale", lambda: not feed_is_current(service), PATIENCE)
    assert service.status(known) == answer
    assert service.status(unseen) == answer
    if answer == 503:
        assert int(service.get("/", known).headers["retry-after"]) >= 1
    issuer.start()
    wait_until("the service works", lambda: service.status(known) == 200, PATIENCE)
    wait_until("the feed is back", lambda: feed_is_current(service), PATIENCE)


def feed_is_current(service: Service) -> bool:
    return service.metric("feed_current") == 1.0


def test_each_route_may_have_a_policy_of_its_own(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer()
    service = start_service(issuer, app="slow:app")
    held = issuer.sign_in()
    assert (service.status(held, "/closed"), service.status(held, "/open")) == (200, 200)
    issuer.kill()
    wait_until("the feed is stale", lambda: not feed_is_current(service), PATIENCE)
    assert (service.status(held, "/closed"), service.status(held, "/open")) == (503, 200)


def test_a_service_that_may_not_listen_asks_instead(issuer: Issuer, start_service: StartService) -> None:
    secret = issuer.register("deaf", "introspection")
    service = start_service(issuer, INTERNAL_CLIENT_ID="deaf", PRIVATE_API_SECRET=secret)
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.logout(held)
    assert service.status(held) == 401


def test_a_service_starts_without_its_issuer_and_works_when_it_is_there(
    issuer: Issuer, start_service: StartService, relay: Wire
) -> None:
    wire = relay(("127.0.0.1", issuer.port))
    wire.cut()
    service = start_service(issuer, ready=False, **behind(wire))
    held = issuer.sign_in()
    answer = service.get("/", held)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    wire.mend()
    wait_until("the service works", lambda: service.status(held) == 200, PATIENCE)


def test_nobody_is_told_apart_while_no_keys_are_there(start_service: StartService, issuer: Issuer) -> None:
    service = start_service(issuer, ready=False, ISSUER_URL=f"http://127.0.0.1:{free_port()}")
    # Not the fault of who calls, so neither 401 nor 403, and no 500.
    assert service.status(issuer.sign_in()) == 503
    assert service.status() == 401
    # What cannot be a token needs no keys to be refused.
    assert service.status("nonsense") == 401


@pytest.mark.parametrize("policy", ["introspect", "fail_closed", "fail_open"])
@pytest.mark.parametrize("mode", ["fail_closed", "fail_open"])
def test_a_wrong_secret_is_loud_and_never_opens(
    issuer: Issuer, start_service: StartService, policy: str, mode: str
) -> None:
    service = start_service(
        issuer,
        ready=False,
        PRIVATE_API_SECRET="Mistyped-Secret_0123456789-abcdefgh",
        STALE_FEED_POLICY=policy,
        ACCESS_REVOCATION_FAILURE_MODE=mode,
    )
    held = issuer.sign_in()
    assert service.status(held) == 503
    wait_until("it says so", lambda: "PRIVATE_API_SECRET" in service.output(), PATIENCE)


def test_the_feed_is_found_broken_off_though_nothing_is_closed(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    """A stopped issuer keeps its connections open and says nothing, as a lost network does."""
    issuer = start_issuer()
    service = start_service(issuer, STALE_FEED_POLICY="fail_closed", EVENT_STREAM_READ_TIMEOUT="2")
    held = issuer.sign_in()
    assert service.status(held) == 200
    assert issuer.process
    issuer.process.freeze()
    try:
        wait_until("the service refuses", lambda: service.status(held) == 503, PATIENCE)
    finally:
        issuer.process.thaw()
    wait_until("the service works", lambda: service.status(held) == 200, PATIENCE)
