"""The event stream: the service's cache of good tokens is empty within a second of what ends them."""

from collections.abc import Callable
from typing import Any

import pytest
from auth_sdk_m8.testing import load_authorization_fixture_matrix
from consumer import Service, StartService
from harness.issuer import EVENT_SIGNING_KEY, Issuer, Person, SignedIn, StartIssuer
from harness.process import wait_until

# The promise, and what a busy machine may add to it.
WITHIN = 1.0
GRACE = 2.0


@pytest.fixture
def issuer(start_issuer: StartIssuer) -> Issuer:
    return start_issuer(issuer__event_signing_key=EVENT_SIGNING_KEY)


@pytest.fixture
def service(issuer: Issuer, start_service: StartService) -> Service:
    """Keeps good tokens for a minute, so that only an event can be what ended one."""
    service = start_service(issuer, REVOCATION_CACHE_TTL_SECONDS="60")
    # Until one event has come, the stream may not be open yet.
    probe = issuer.sign_in()
    assert service.status("/me", probe) == 200
    issuer.logout(probe)
    wait_until("the stream is open", lambda: bool(service.get("/events").json()), 20)
    return service


def kept(service: Service, held: SignedIn) -> None:
    assert service.status("/me", held) == 200


def dropped(service: Service, held: SignedIn) -> None:
    wait_until("the service has heard of it", lambda: service.status("/me", held) == 403, WITHIN + GRACE)


def events(service: Service) -> list[dict[str, Any]]:
    seen = service.get("/events").json()
    assert isinstance(seen, list)
    return seen


def disable(issuer: Issuer, person: Person) -> None:
    issuer.change(person, is_active=False)


def demote(issuer: Issuer, person: Person) -> None:
    issuer.change(person, role="user")


def delete(issuer: Issuer, person: Person) -> None:
    assert issuer.client.delete(f"/users/delete/{person.id}/", headers=issuer.superuser().bearer).status_code == 200


def end_sessions(issuer: Issuer, person: Person) -> None:
    path = f"/sessions/delete-by-user/{person.id}/"
    assert issuer.client.delete(path, headers=issuer.superuser().bearer).status_code == 200


@pytest.mark.parametrize("deed", [disable, demote, delete, end_sessions], ids=lambda deed: deed.__name__)
def test_what_ends_authority_reaches_the_service(
    issuer: Issuer, service: Service, deed: Callable[[Issuer, Person], None]
) -> None:
    person = issuer.person("writer")
    desk, phone, other = issuer.login(person), issuer.login(person), issuer.sign_in()
    for held in (desk, phone, other):
        kept(service, held)
    deed(issuer, person)
    dropped(service, desk)
    dropped(service, phone)
    kept(service, other)


def test_a_logout_reaches_the_service_and_leaves_other_devices(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    desk, phone = issuer.login(person), issuer.login(person)
    kept(service, desk)
    kept(service, phone)
    issuer.logout(desk)
    dropped(service, desk)
    kept(service, phone)


def test_a_logout_reaches_tokens_from_before_a_refresh(issuer: Issuer, service: Service) -> None:
    held = issuer.sign_in()
    kept(service, held)
    renewed = issuer.refresh(held)
    kept(service, renewed)
    issuer.logout(renewed)
    dropped(service, renewed)
    dropped(service, held)


def test_a_changed_password_reaches_the_service(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    desk, thief = issuer.login(person), issuer.login(person)
    kept(service, thief)
    change = {"current_password": person.password, "new_password": "a better one than before"}
    assert issuer.client.patch("/profile/me/password/", json=change, headers=desk.bearer).status_code == 200
    dropped(service, thief)


def test_frames_say_what_the_contract_says(issuer: Issuer, service: Service) -> None:
    person = issuer.person()
    held = issuer.login(person)
    issuer.logout(held)
    wait_until(
        "the frame", lambda: any(e["payload"].get("jti") == held.claims["jti"] for e in events(service)), WITHIN + GRACE
    )
    [frame] = [event for event in events(service) if event["payload"].get("jti") == held.claims["jti"]]
    assert frame["event"] == "session-revoked"
    epoch, _, sequence = frame["id"].rpartition("-")
    assert epoch
    assert sequence.isdecimal()
    payload = frame["payload"]
    fixture = load_authorization_fixture_matrix()["session_revoked_events"]["v2_single_session"]
    # We may tell more.
    assert {name: type(payload.get(name)) for name in fixture} == {name: type(value) for name, value in fixture.items()}
    assert (payload["event_type"], payload["version"]) == ("session.revoked", "v2")
    assert payload["user_id"] == person.id
    delete(issuer, person)
    wait_until("the frame", lambda: any(e["event"] == "user-deleted" for e in events(service)), WITHIN + GRACE)
    [frame] = [event for event in events(service) if event["event"] == "user-deleted"]
    assert frame["payload"]["event_type"] == "user.deleted"
    assert frame["payload"]["user_id"] == person.id


def test_what_happened_while_the_issuer_was_away_is_heard_of_afterwards(issuer: Issuer, service: Service) -> None:
    held, other = issuer.sign_in(), issuer.sign_in()
    kept(service, held)
    kept(service, other)
    issuer.stop()
    issuer.start()
    # Answered before the service is back on the stream, or after: it must hear of it either way.
    issuer.logout(held)
    wait_until("the service has heard of it", lambda: service.status("/me", held) == 403, 20)
    kept(service, other)
    assert not [event for event in events(service) if event["event"] == "gap"]


def test_a_stranger_hears_nothing(issuer: Issuer) -> None:
    for headers in ({}, {"X-Internal-Token": "wrong"}, issuer.sign_in("superadmin").bearer):
        answer = issuer.client.get("/private/v1/events/stream", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
