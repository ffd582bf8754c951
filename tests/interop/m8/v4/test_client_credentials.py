"""Services with credentials of their own, and the short-lived tokens that they exchange them for."""

import httpx
import pytest
from consumer import Service, StartService
from harness.issuer import Issuer, StartIssuer

SCOPES = ("introspection", "event-stream", "api-key-introspection")


@pytest.fixture(scope="module")
def secret(issuer: Issuer) -> str:
    return issuer.register("items", *SCOPES)


def exchange(issuer: Issuer, client: str, secret: str, body: object = None) -> httpx.Response:
    headers = {"X-Internal-Client": client, "X-Internal-Token": secret}
    return issuer.client.post("/private/v1/service-token", json=body or {}, headers=headers)


def test_the_pair_of_id_and_secret(issuer: Issuer, secret: str, start_service: StartService) -> None:
    service = start_service(issuer, INTERNAL_CLIENT_ID="items", PRIVATE_API_SECRET=secret)
    held = issuer.sign_in()
    assert service.status("/me", held) == 200
    issuer.logout(held)
    assert service.status("/me", held) == 403


def exchanging(issuer: Issuer, secret: str, start_service: StartService) -> Service:
    return start_service(
        issuer,
        INTERNAL_CLIENT_ID="items",
        PRIVATE_API_SECRET=secret,
        SERVICE_TOKEN_EXCHANGE_ENABLED="true",
        SERVICE_TOKEN_SCOPES='["introspection"]',
    )


def test_the_exchange(issuer: Issuer, secret: str, start_service: StartService) -> None:
    service = exchanging(issuer, secret, start_service)
    held = issuer.sign_in()
    assert service.status("/me", held) == 200
    issuer.logout(held)
    assert service.status("/me", held) == 403


def test_an_exchanged_token_outlives_a_restart_of_the_issuer(
    start_issuer: StartIssuer, start_service: StartService
) -> None:
    issuer = start_issuer()
    secret = issuer.register("items", *SCOPES)
    service = exchanging(issuer, secret, start_service)
    held = issuer.sign_in()
    assert service.status("/me", held) == 200
    issuer.restart()
    assert service.status("/me", held) == 200


def test_a_wrong_secret_is_503_at_the_service(issuer: Issuer, start_service: StartService) -> None:
    held = issuer.sign_in()
    pair = start_service(issuer, INTERNAL_CLIENT_ID="items", PRIVATE_API_SECRET="wrong")
    assert pair.status("/me", held) == 503
    assert exchanging(issuer, "wrong", start_service).status("/me", held) == 503


def test_the_answer_of_the_exchange(issuer: Issuer, secret: str) -> None:
    answer = exchange(issuer, "items", secret)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.pop("access_token").count(".") == 2
    assert body == {
        "token_type": "bearer",
        "expires_in": 300,
        "scope": "api-key-introspection event-stream introspection",
    }


def test_scopes_may_only_be_narrowed(issuer: Issuer, secret: str) -> None:
    narrow = exchange(issuer, "items", secret, {"scopes": ["event-stream"]})
    assert narrow.json()["scope"] == "event-stream"
    bearer = {"Authorization": f"Bearer {narrow.json()['access_token']}"}
    refused = issuer.client.post("/private/v1/jti-status", json={"jti": "x"}, headers=bearer)
    assert (refused.status_code, refused.json()) == (403, {"detail": "Forbidden"})
    wider = exchange(issuer, "items", secret, {"scopes": ["event-stream", "user-create"]})
    assert (wider.status_code, wider.json()) == (403, {"detail": "Forbidden"})


def test_an_unknown_id_and_a_wrong_secret_look_the_same(issuer: Issuer, secret: str) -> None:
    answers = [exchange(issuer, "items", "wrong"), exchange(issuer, "nobody", secret)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, '{"detail":"Unauthorized"}')}


def test_an_access_token_of_a_person_opens_nothing_private(issuer: Issuer) -> None:
    bearer = issuer.sign_in("superadmin").bearer
    answer = issuer.client.post("/private/v1/jti-status", json={"jti": "x"}, headers=bearer)
    assert answer.status_code == 401


def test_a_service_token_signs_nobody_in(issuer: Issuer, secret: str, service: Service) -> None:
    token = exchange(issuer, "items", secret).json()["access_token"]
    assert service.status("/me", token) == 403
    assert issuer.client.get("/profile/get/me/", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_services_may_make_accounts_when_they_may(issuer: Issuer) -> None:
    secret = issuer.register("sign-up-form", "user-create")
    body = {"email": "made-by-a-service@example.com", "password": "long enough for it", "full_name": "Made"}
    headers = {"X-Internal-Client": "sign-up-form", "X-Internal-Token": secret}
    made = issuer.client.post("/private/users/", json=body, headers=headers)
    assert made.status_code == 200, made.text
    assert (made.json()["email"], made.json()["role"]) == (body["email"], "user")
    again = issuer.client.post("/private/users/", json=body, headers=headers)
    assert again.status_code == 409
    assert again.json() == {"detail": "The user with this email already exists in the system."}
