"""Signing keys change while a service runs, and nobody notices."""

import pytest
from consumer import StartService
from harness.issuer import Issuer, StartIssuer
from harness.process import wait_until


def kids(issuer: Issuer) -> list[str]:
    return [key["kid"] for key in issuer.client.get("/.well-known/jwks.json").json()["keys"]]


@pytest.mark.slow
def test_a_key_is_published_before_it_signs_and_verifies_after_it_signed(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    # A service's cache lives 300 s; here both sides agree on some seconds, so that it can be waited for.
    issuer = start_issuer(issuer__key_cache_life="3s")
    service = start_service(issuer, JWKS_CACHE_TTL_SECONDS="1")
    person = issuer.person()
    before = issuer.login(person)
    assert service.status("/me", before) == 200
    assert kids(issuer) == [before.header["kid"]]

    issuer.command("keys", "plan", "--then-rotate")
    wait_until("the new key is published", lambda: len(kids(issuer)) == 2)
    # Not yet: services could not know it.
    assert issuer.login(person).header["kid"] == before.header["kid"]

    def rotated() -> bool:
        held = issuer.login(person)
        # In no moment does the service refuse what the issuer gives out.
        assert service.status("/me", held) == 200
        return bool(held.header["kid"] != before.header["kid"])

    wait_until("the new key signs", rotated, patience=30)
    assert service.status("/me", before) == 200
    assert before.header["kid"] in kids(issuer)


def test_a_rotation_survives_a_restart(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__key_cache_life="1s")
    held = issuer.sign_in()
    issuer.command("keys", "plan")
    issuer.command("keys", "rotate", "--wait")
    issuer.restart()
    assert len(kids(issuer)) == 2
    service = start_service(issuer)
    assert service.status("/me", held) == 200
    renewed = issuer.refresh(held)
    assert renewed.header["kid"] != held.header["kid"]
    assert service.status("/me", renewed) == 200


def test_tokens_of_a_leaked_key_end(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer()
    service = start_service(issuer)
    person = issuer.person()
    held = issuer.login(person)
    assert service.status("/me", held) == 200
    issuer.command("keys", "rotate", "--emergency", "--yes")
    wait_until("the leaked key is gone", lambda: held.header["kid"] not in kids(issuer), 5)
    # The service may still know the key, the issuer does not.
    wait_until("the service refuses", lambda: service.status("/me", held) == 403, 5)
    assert issuer.login(person).header["kid"] in kids(issuer)
