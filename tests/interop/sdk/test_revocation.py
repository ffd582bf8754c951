"""What ends a token, and that services on the feed notice within a second."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness.issuer import Issuer, SignedIn, StartIssuer
from harness.process import wait_until
from harness.relay import Relay
from service import Service, StartService

# The promise, and what a busy machine may add to it.
WITHIN = 1.0 + 2.0


def refused(service: Service, held: SignedIn) -> None:
    wait_until("the service refuses", lambda: service.status(held) == 401, WITHIN)
    answer = service.get("/", held)
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_logout(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.logout(held)
    refused(service, held)


def test_logout_of_a_token_that_the_service_never_saw(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    issuer.logout(held)
    refused(service, held)


def test_logout_on_one_device_leaves_the_other(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    desk, phone = issuer.login(person), issuer.login(person)
    issuer.logout(desk)
    refused(service, desk)
    assert service.status(phone) == 200
    assert service.status(issuer.refresh(phone)) == 200


def test_a_disabled_account(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    held = issuer.login(person)
    assert service.status(held) == 200
    issuer.change(person, is_active=False)
    refused(service, held)
    issuer.change(person, is_active=True)
    assert service.status(held) == 401
    assert service.status(issuer.login(person)) == 200


def test_a_deleted_account(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    held = issuer.login(person)
    assert service.status(held) == 200
    issuer.client.delete(f"/users/delete/{person.id}/", headers=issuer.superuser().bearer)
    refused(service, held)


def test_a_changed_role(issuer: Issuer, service: Service) -> None:
    person = issuer.person("writer")
    held = issuer.login(person)
    assert service.request("POST", "/", held, json={"title": "mine"}).status_code == 201
    issuer.change(person, role="reader")
    refused(service, held)
    renewed = issuer.refresh(held)
    assert service.status(renewed) == 200
    assert service.request("POST", "/", renewed, json={"title": "mine"}).status_code == 403


def test_a_changed_password_ends_the_other_sessions(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    desk, thief = issuer.login(person), issuer.login(person)
    assert service.status(thief) == 200
    change = {"current_password": person.password, "new_password": "a better one than before"}
    issuer.client.patch("/profile/me/password/", json=change, headers=desk.bearer)
    refused(service, thief)
    assert service.status(issuer.refresh(desk)) == 200


def test_a_token_that_a_refresh_replaced_ends_with_its_session(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    renewed = issuer.refresh(held)
    # Requests in flight still carry the old one. The feed doesn't speak of it: nobody's authority changed.
    assert service.status(held) == 200
    issuer.logout(renewed)
    refused(service, held)
    refused(service, renewed)


@pytest.mark.slow
def test_who_asks_each_time_is_told_of_a_refresh_after_half_a_minute(
    issuer: Issuer, start_service: StartService
) -> None:
    service = start_service(issuer, REVOCATION_SOURCE="introspection")
    held = issuer.sign_in()
    renewed = issuer.refresh(held)
    assert service.status(held) == 200
    wait_until("the service refuses", lambda: service.status(held) == 401, 45)
    assert service.status(renewed) == 200


def test_sessions_ended_by_a_superuser(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    held = issuer.login(person)
    assert service.status(held) == 200
    issuer.client.delete(f"/sessions/delete-by-user/{person.id}/", headers=issuer.superuser().bearer)
    refused(service, held)


def test_a_fresh_sign_in_is_good_at_the_first_request(issuer: Issuer, service: Service) -> None:
    # Right after something of the same account ended: the feed must not carry it over to what came later.
    person = issuer.person()
    for _ in range(5):
        held = issuer.login(person)
        assert service.status(held) == 200
        issuer.logout(held)
        refused(service, held)


def test_the_feed_is_enough(issuer: Issuer, service: Service) -> None:
    """A hundred checks of known and new tokens ask the issuer about none of them."""
    held = [issuer.sign_in() for _ in range(10)]
    before = service.metric("introspections_total")
    for one in held * 10:
        assert service.status(one) == 200
    assert service.metric("introspections_total") == before


@pytest.mark.parametrize("policy", ["introspect", "fail_closed", "fail_open"])
def test_a_token_that_ended_before_the_service_started_is_refused_after_it(
    issuer: Issuer, start_service: StartService, policy: str
) -> None:
    ended, good = issuer.sign_in(), issuer.sign_in()
    issuer.logout(ended)
    # As soon as it lives, whether it says that it is ready or not.
    service = start_service(issuer, ready=False, STALE_FEED_POLICY=policy)
    assert service.status(ended) == 401
    assert service.status(good) == 200


@pytest.mark.parametrize("policy", ["introspect", "fail_closed", "fail_open"])
def test_a_token_that_ended_while_the_service_was_down_is_refused_at_the_first_request(
    issuer: Issuer, start_service: StartService, policy: str
) -> None:
    service = start_service(issuer, STALE_FEED_POLICY=policy)
    held, other = issuer.sign_in(), issuer.sign_in()
    assert service.status(held) == 200
    service.stop()
    issuer.logout(held)
    service.start(ready=False)
    assert service.status(held) == 401
    assert service.status(other) == 200


def test_what_ended_while_the_wire_was_cut_is_known_when_it_is_mended(
    issuer: Issuer, start_service: StartService, relay: Callable[..., Relay]
) -> None:
    wire = relay(("127.0.0.1", issuer.port))
    service = start_service(issuer, ISSUER_URL=f"http://127.0.0.1:{wire.port}")
    held, other = issuer.sign_in(), issuer.sign_in()
    assert service.status(held) == 200
    wire.cut()
    issuer.logout(held)
    wire.mend()
    # In no moment in between is it let in again for good.
    wait_until("the service knows", lambda: service.status(held) == 401, 20)
    wait_until("and works", lambda: service.status(other) == 200, 20)
    assert service.status(held) == 401


def test_what_ended_before_the_issuer_was_killed_stays_ended(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    issuer = start_issuer()
    service = start_service(issuer)
    held, other = issuer.sign_in(), issuer.sign_in()
    assert service.status(held) == 200
    issuer.logout(held)
    issuer.kill()
    issuer.start()
    wait_until("the service refuses", lambda: service.status(held) == 401, 20)
    wait_until("the other is still in", lambda: service.status(other) == 200, 20)


@pytest.mark.parametrize("source", ["feed", "introspection"])
def test_both_ways_of_hearing_of_it(issuer: Issuer, start_service: StartService, source: str) -> None:
    service = start_service(issuer, REVOCATION_SOURCE=source)
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.logout(held)
    refused(service, held)
