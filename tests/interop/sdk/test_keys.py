"""Signing keys change while a service runs, and nobody notices."""

from __future__ import annotations

import base64
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from harness.issuer import ACCESS_SECRET_KEY, Issuer, SignedIn, StartIssuer
from harness.process import wait_until
from service import StartService


def kids(issuer: Issuer) -> list[str]:
    return [key["kid"] for key in issuer.client.get("/.well-known/jwks.json").json()["keys"]]


def test_a_planned_rotation_refuses_nobody(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__key_cache_life="2s")
    service = start_service(issuer)
    person = issuer.person()
    before = issuer.login(person)
    assert service.status(before) == 200
    issuer.command("keys", "plan", "--then-rotate")

    def rotated() -> bool:
        held = issuer.login(person)
        assert service.status(held) == 200
        return bool(held.header["kid"] != before.header["kid"])

    wait_until("the new key signs", rotated, patience=30)
    assert service.status(before) == 200


def test_a_new_key_is_accepted_at_its_first_request_and_a_leaked_one_is_gone(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    issuer = start_issuer()
    service = start_service(issuer)
    person = issuer.person()
    held = issuer.login(person)
    assert service.status(held) == 200
    issuer.command("keys", "rotate", "--emergency", "--yes")
    wait_until("the issuer signs with another key", lambda: held.header["kid"] not in kids(issuer), 5)
    fresh = issuer.login(person)
    assert fresh.header["kid"] != held.header["kid"]
    # The service has a key set that is good for another five minutes, and must ask for a newer one all the same.
    assert service.status(fresh) == 200
    wait_until("the service refuses the old", lambda: service.status(held) == 401, 5)


def test_two_rotations_in_a_row_leave_no_blind_moment(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer()
    service = start_service(issuer)
    person = issuer.person()
    for _ in range(2):
        leaked = kids(issuer)
        issuer.command("keys", "rotate", "--emergency", "--yes")
        wait_until("another key", partial(lambda before: kids(issuer) != before, leaked), 5)
        assert service.status(issuer.login(person)) == 200


def test_es256(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__algorithm="ES256")
    service = start_service(issuer, ACCESS_TOKEN_ALGORITHM="ES256")
    held = issuer.sign_in("writer")
    assert held.header["alg"] == "ES256"
    assert service.request("POST", "/", held, json={"title": "mine"}).status_code == 201
    issuer.logout(held)
    wait_until("the service refuses", lambda: service.status(held) == 401, 3)


def test_hs256_with_a_shared_secret(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__algorithm="HS256", issuer__access_secret=ACCESS_SECRET_KEY)
    service = start_service(issuer, ACCESS_TOKEN_ALGORITHM="HS256", ACCESS_SECRET_KEY=ACCESS_SECRET_KEY)
    held = issuer.sign_in()
    assert held.header["alg"] == "HS256"
    assert service.status(held) == 200
    issuer.logout(held)
    wait_until("the service refuses", lambda: service.status(held) == 401, 3)


@pytest.mark.parametrize("expected", ["ES256", "HS256"])
def test_another_algorithm_than_the_service_expects_is_refused(
    issuer: Issuer, start_service: StartService, expected: str
) -> None:
    secret = ACCESS_SECRET_KEY if expected == "HS256" else None
    service = start_service(issuer, ACCESS_TOKEN_ALGORITHM=expected, ACCESS_SECRET_KEY=secret, TOKEN_MODE="hybrid")
    assert service.status(issuer.sign_in()) == 401


def test_made_up_key_ids_make_no_storm(issuer: Issuer, start_service: StartService) -> None:
    service = start_service(issuer)
    held = issuer.sign_in()
    assert service.status(held) == 200
    begun, before = time.monotonic(), service.metric("key_set_fetches_total")
    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(lambda _: service.status(with_made_up_kid(held)), range(200)))
    # Refused as tokens, not as trouble with the keys; and who is known waits for none of it.
    assert answers == {401}
    assert service.status(held) == 200
    # At most one fetch a second, and one that was under way.
    assert service.metric("key_set_fetches_total") - before <= time.monotonic() - begun + 2


def with_made_up_kid(held: SignedIn) -> str:
    _, claims, signature = held.access.split(".")
    header = json.dumps({**held.header, "kid": secrets.token_hex(8)}).encode()
    return f"{base64.urlsafe_b64encode(header).decode().rstrip('=')}.{claims}.{signature}"
