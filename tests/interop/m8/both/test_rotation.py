"""Signing keys change while a service runs, and nobody notices."""

import pytest
from harness.issuer import Issuer, StartIssuer
from harness.process import wait_until
from harness.service import StartService


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

    issuer.command("keys", "rotate")
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
    issuer = start_issuer()
    held = issuer.sign_in()
    issuer.command("keys", "rotate")
    issuer.restart()
    assert len(kids(issuer)) == 2
    assert start_service(issuer).status("/me", held) == 200
