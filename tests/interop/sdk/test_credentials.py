"""How a service proves to the issuer who it is: a secret of all, a secret of its own, tokens made of that."""

from __future__ import annotations

import pytest
from harness.issuer import Issuer, StartIssuer
from harness.process import wait_until
from service import Service, StartService

SCOPES = ("introspection", "event-stream")


@pytest.fixture(scope="module")
def secret(issuer: Issuer) -> str:
    return issuer.register("items", *SCOPES)


def works(issuer: Issuer, service: Service) -> None:
    held, other = issuer.sign_in(), issuer.sign_in()
    assert service.status(held) == 200
    issuer.logout(held)
    wait_until("the service refuses", lambda: service.status(held) == 401, 3)
    assert service.status(other) == 200


@pytest.mark.parametrize("source", ["feed", "introspection"])
def test_the_secret_that_all_services_share(issuer: Issuer, start_service: StartService, source: str) -> None:
    works(issuer, start_service(issuer, REVOCATION_SOURCE=source))


@pytest.mark.parametrize("source", ["feed", "introspection"])
def test_a_registered_service(issuer: Issuer, secret: str, start_service: StartService, source: str) -> None:
    service = start_service(issuer, INTERNAL_CLIENT_ID="items", PRIVATE_API_SECRET=secret, REVOCATION_SOURCE=source)
    works(issuer, service)


def exchanging(issuer: Issuer, secret: str, start_service: StartService, **changes: str) -> Service:
    return start_service(
        issuer,
        INTERNAL_CLIENT_ID="items",
        PRIVATE_API_SECRET=secret,
        SERVICE_TOKEN_EXCHANGE_ENABLED="true",
        SERVICE_TOKEN_SCOPES="introspection,event-stream",
        **changes,
    )


@pytest.mark.parametrize("source", ["feed", "introspection"])
def test_service_tokens(issuer: Issuer, secret: str, start_service: StartService, source: str) -> None:
    works(issuer, exchanging(issuer, secret, start_service, REVOCATION_SOURCE=source))


def test_a_service_token_outlives_a_restart_of_the_issuer(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    issuer = start_issuer()
    secret = issuer.register("items", *SCOPES)
    service = exchanging(issuer, secret, start_service, REVOCATION_SOURCE="introspection")
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.restart()
    wait_until("the service works", lambda: service.status(held) == 200, 30)


def test_a_removed_service_lets_nobody_in_any_more(start_issuer: StartIssuer, start_service: StartService) -> None:
    issuer = start_issuer()
    secret = issuer.register("items", *SCOPES)
    service = start_service(issuer, INTERNAL_CLIENT_ID="items", PRIVATE_API_SECRET=secret)
    held = issuer.sign_in()
    assert service.status(held) == 200
    issuer.command("services", "remove", "items", "--yes")
    wait_until("the service cannot tell", lambda: service.status(held) == 503, 30)


def test_a_service_token_signs_nobody_in(issuer: Issuer, secret: str, service: Service) -> None:
    headers = {"X-Internal-Client": "items", "X-Internal-Token": secret}
    token = issuer.client.post("/private/v1/service-token", json={}, headers=headers).json()["access_token"]
    assert service.status(token) == 401
