"""The three modes, which issuer and services must agree on."""

from __future__ import annotations

from harness.issuer import Issuer, StartIssuer
from service import StartService


def test_hybrid_believes_a_token_until_it_expires(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__mode="hybrid")
    service = start_service(issuer, TOKEN_MODE="hybrid", PRIVATE_API_SECRET=None)
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.logout(held)
    assert service.status(held) == 200


def test_stateless_asks_for_nothing_but_keys(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer(issuer__mode="stateless")
    service = start_service(issuer, TOKEN_MODE="stateless", PRIVATE_API_SECRET=None)
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.logout(held)
    assert service.status(held) == 200
    # It goes on without the issuer.
    issuer.kill()
    assert service.status(held) == 200
    assert service.client.get("/readyz").status_code == 200


def test_a_token_for_another_service_is_refused(issuer: Issuer, start_service: StartService) -> None:
    service = start_service(issuer, TOKEN_AUDIENCE="somebody-else")
    answer = service.get("/", issuer.sign_in())
    assert answer.status_code == 401


def test_a_token_of_another_issuer_is_refused(issuer: Issuer, start_service: StartService) -> None:
    service = start_service(issuer, TOKEN_ISSUER="https://another.example.com")
    assert service.status(issuer.sign_in()) == 401


def test_a_refresh_token_opens_nothing(issuer: Issuer, start_service: StartService) -> None:
    service = start_service(issuer)
    assert service.status(issuer.sign_in().refresh) == 401
